"""Loads an export where its users would (torchvision with strict=True, or transformers' from_pretrained), compares its logits with those of
the model.onnx beside it, which the engine has compared with its own. Where an imported dataset is named, it evaluates its test images, or
compares the exported tokenizer's tokens of its test text with its own.

Usage: python bench/export_check.py FOLDER [SDP_HOME/datasets/NAME]
(FOLDER holds both exports of a run; needs torch, onnxruntime, safetensors, numpy, and torchvision or transformers)
"""

import json
import os
import sys
from pathlib import Path

import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the library is loaded
import onnxruntime
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


def load(folder):
    if (folder / "config.json").exists():
        from transformers import LlamaForCausalLM

        model, info = LlamaForCausalLM.from_pretrained(folder, output_loading_info=True, dtype=torch.float32)
        wrong = {name: found for name, found in info.items() if found}
        if wrong:
            sys.exit(f"from_pretrained: {wrong}")
        return model.eval(), lambda tokens: model(tokens).logits
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        model = build(json.loads(file.metadata()["model"]))
        state = {name: file.get_tensor(name) for name in file.keys()}
    model.load_state_dict(state, strict=True)
    return model.eval(), model


@torch.inference_mode()
def largest_error(logits_of, path, vocabulary):
    """Largest absolute difference over largest absolute value, on random inputs."""
    session = onnxruntime.InferenceSession(path)
    (port,) = session.get_inputs()
    shape = [extent if isinstance(extent, int) else 4 for extent in port.shape]
    random = np.random.default_rng(0)
    if port.type == "tensor(int64)":
        samples = random.integers(0, vocabulary, shape)
    else:
        samples = random.standard_normal(shape, dtype=np.float32)
    own = session.run(None, {port.name: samples})[0]
    library = logits_of(torch.from_numpy(samples)).numpy().reshape(own.shape)
    return np.abs(own - library).max() / np.abs(library).max()


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


def compare_tokens(exported, config, folder, most=200_000):
    """Text of the dataset's tokens, document by document, to tokens again by the exported tokenizer."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(exported)
    end = tokenizer.eos_token_id
    if end != config.eos_token_id:
        sys.exit(f"the tokenizer ends texts with {end}, the model's config.json with {config.eos_token_id}")
    tokens = np.load(folder / "test/tokens.npy", mmap_mode="r")[:most].astype(np.int64)
    documents = [part[part != end] for part in np.split(tokens, np.flatnonzero(tokens == end))]
    # The last one is cut off somewhere where there is more, or is empty.
    documents = [part.tolist() for part in documents if len(part) > 0]
    whole = documents[:-1] or documents
    again = tokenizer([tokenizer.decode(part) for part in whole], verbose=False)["input_ids"]
    return sum(own == found for own, found in zip(whole, again)), len(whole), sum(map(len, whole))


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    model, logits_of = load(folder)
    vocabulary = getattr(getattr(model, "config", None), "vocab_size", 0)
    error = largest_error(logits_of, folder / "model.onnx", vocabulary)
    print(f"{type(model).__name__}: every tensor loaded, logits differ by {error:.1e} of the largest")
    if len(sys.argv) == 3 and vocabulary:
        equal, total, tokens = compare_tokens(folder, model.config, Path(sys.argv[2]))
        print(f"AutoTokenizer: {equal} of {total} texts have the dataset's {tokens} tokens")
    elif len(sys.argv) == 3:
        correct, total = count_correct(model, Path(sys.argv[2]))
        print(f"accuracy {correct / total:.4f} ({correct} of {total})")


if __name__ == "__main__":
    main()
