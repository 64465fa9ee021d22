"""Loads an export of images where its users would: a folder of timm's by create_model, or one of Hugging Face's by from_pretrained. Compares its
logits with those of a model.onnx of the same step, which the engine has compared with its own, and names the classes of image files.

Usage: python bench/image_check.py FOLDER MODEL.ONNX [IMAGE...]
(needs torch, onnxruntime, pillow, and timm or transformers; ran with torch 2.15.0, timm 1.0.31, transformers 5.24.0)
"""

import json
import os
import sys
from pathlib import Path

import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the library is loaded
import onnxruntime
import torch
from PIL import Image
from torch import nn

tolerance = 1e-4


def load(folder):
    """Logits of a batch, the name of a label, and the input of an image file."""
    if not (folder / "config.json").exists():
        return load_cifar_stem(folder)
    config = json.loads((folder / "config.json").read_text())
    if "architecture" in config:
        return load_timm(folder)
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    model, info = AutoModelForImageClassification.from_pretrained(folder, output_loading_info=True)
    wrong = {name: found for name, found in info.items() if found}
    if wrong:
        sys.exit(f"from_pretrained: {wrong}")
    prepare = AutoImageProcessor.from_pretrained(folder)
    model = model.eval()
    return (
        lambda batch: model(batch).logits,
        lambda label: model.config.id2label[label],
        lambda image: prepare(image, return_tensors="pt")["pixel_values"],
    )


def load_timm(folder):
    import timm
    from safetensors.torch import load_file

    config = json.loads((folder / "config.json").read_text())
    by_code = timm.create_model(config["architecture"], num_classes=config["num_classes"], **config["model_args"])
    by_code.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
    model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    prepare = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    return model, lambda label: model.pretrained_cfg["label_names"][label], lambda image: prepare(image)[None]


def load_cifar_stem(folder):
    """timm's ResNet with the stem of small images in the place of its own."""
    import timm
    from safetensors.torch import load_file

    state = load_file(folder / "model.safetensors")
    width, channels = state["conv1.weight"].shape[:2]
    layers = [len({name.split(".")[1] for name in state if name.startswith(f"layer{stage}.")}) for stage in range(1, 5)]
    model = timm.create_model("resnet18", layers=layers, num_classes=len(state["fc.bias"]), in_chans=channels)
    model.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    model.load_state_dict(state, strict=True)
    return model.eval(), str, None


@torch.inference_mode()
def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    logits_of, name_of, prepare = load(Path(sys.argv[1]))
    session = onnxruntime.InferenceSession(sys.argv[2])
    (port,) = session.get_inputs()
    samples = np.random.default_rng(0).standard_normal([4, *port.shape[1:]], dtype=np.float32)
    own = session.run(None, {port.name: samples})[0]
    error = np.abs(logits_of(torch.from_numpy(samples)).numpy() - own).max() / np.abs(own).max()
    print(f"{sys.argv[1]}: every tensor loaded, logits differ by {error:.1e} of the largest")
    for path in sys.argv[3:]:
        print(f"{path}: {name_of(int(logits_of(prepare(Image.open(path))).argmax()))}")
    if not error <= tolerance:
        sys.exit(f"that is more than {tolerance}")


if __name__ == "__main__":
    main()
