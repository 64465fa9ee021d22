"""PyTorch's side of step.ts: a training step of torchvision's ResNet-18 for each line on standard input; prints milliseconds and loss.

Usage: python bench/step_torch.py FOLDER THREADS   (needs torch, torchvision, numpy; FOLDER has init.safetensors and batches.safetensors)
"""

import json
import struct
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torchvision.models import resnet18


def read_safetensors(path):
    data = Path(path).read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    types = {"F32": np.float32, "I64": np.int64}

    def tensor(entry):
        start, end = entry["data_offsets"]
        flat = np.frombuffer(data[8 + size + start : 8 + size + end], types[entry["dtype"]])
        return torch.from_numpy(flat.reshape(entry["shape"]).copy())

    return {name: tensor(entry) for name, entry in header.items()}


def main():
    folder, threads = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(threads)
    model = resnet18(num_classes=10)
    model.conv1 = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)
    model.maxpool = nn.Identity()
    model.load_state_dict(read_safetensors(folder / "init.safetensors"), strict=False)
    model.train()
    batches = read_safetensors(folder / "batches.safetensors")
    images, labels = batches["step0.worker0.input"], batches["step0.worker0.label"]
    for _ in sys.stdin:
        start = time.perf_counter()
        model.zero_grad(set_to_none=True)
        loss = cross_entropy(model(images), labels)
        loss.backward()
        print((time.perf_counter() - start) * 1000, loss.item(), flush=True)


main()
