"""Loads an exported ResNet or Swin Transformer in torchvision with strict=True and evaluates it on an imported dataset.

Usage: python bench/torchvision_check.py MODEL.safetensors SDP_HOME/datasets/NAME   (needs torch, torchvision, safetensors, numpy)
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import nn
from torchvision.models import resnet18
from torchvision.models.resnet import BasicBlock, ResNet
from torchvision.models.swin_transformer import SwinTransformer


def build(spec):
    return {"resnet": build_resnet, "swin": build_swin}[spec["family"]](spec)


def build_swin(spec):
    """torchvision's SwinTransformer with the sizes of `spec`."""
    sizes = (spec["patch"], spec["embed"], spec["depths"], spec["heads"], spec["window"])
    model = SwinTransformer(*sizes, mlp_ratio=spec["mlpRatio"], num_classes=spec["classes"])
    if spec["channels"] != 3:
        patch = tuple(spec["patch"])
        model.features[0][0] = nn.Conv2d(spec["channels"], spec["embed"], patch, stride=patch)
    return model


def build_resnet(spec):
    """torchvision's ResNet of basic blocks with the width and stem of `spec`; resnet18 itself where nothing differs."""
    layers, width, classes = spec["layers"], spec["width"], spec["classes"]
    if len(layers) != 4:
        sys.exit(f"torchvision's ResNet has 4 stages, the model has {len(layers)}")
    standard = layers == [2, 2, 2, 2]
    model = resnet18(num_classes=classes) if standard else ResNet(BasicBlock, layers, num_classes=classes)
    if spec["stem"] == "cifar":
        model.conv1 = nn.Conv2d(spec["channels"], width, 3, stride=1, padding=1, bias=False)
        model.maxpool = nn.Identity()
    else:
        model.conv1 = nn.Conv2d(spec["channels"], width, 7, stride=2, padding=3, bias=False)
    if width != 64:
        model.bn1 = nn.BatchNorm2d(width)
        model.inplanes = width
        for stage, blocks in enumerate(layers):
            made = model._make_layer(BasicBlock, width * 2**stage, blocks, stride=1 if stage == 0 else 2)
            setattr(model, f"layer{stage + 1}", made)
        model.fc = nn.Linear(width * 8, classes)
    return model


def load(path):
    with safe_open(path, framework="pt") as file:
        model = build(json.loads(file.metadata()["model"]))
        state = {name: file.get_tensor(name) for name in file.keys()}
    model.load_state_dict(state, strict=True)
    return model.eval()


@torch.inference_mode()
def count_correct(model, folder, batch=500):
    manifest = json.loads((folder / "manifest.json").read_text())
    mean, std = (np.float32(manifest[key])[:, None, None] for key in ("mean", "std"))
    images = np.load(folder / "test/images.npy", mmap_mode="r")
    labels = torch.from_numpy(np.load(folder / "test/labels.npy"))
    correct = 0
    for at in range(0, len(labels), batch):
        pixels = images[at : at + batch].astype(np.float32) / 255
        logits = model(torch.from_numpy((pixels - mean) / std))
        correct += int((logits.argmax(1) == labels[at : at + batch]).sum())
    return correct, len(labels)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    correct, total = count_correct(load(sys.argv[1]), Path(sys.argv[2]))
    print(f"torchvision: strict load done, accuracy {correct / total:.4f} ({correct} of {total})")


if __name__ == "__main__":
    main()
