"""PyTorch's side of step.ts: a training step of torchvision's ResNet-18, or of a LLaMA as Hugging Face's eager attention computes it, for
each line on standard input; prints milliseconds and loss.

Usage: python bench/step_torch.py FOLDER THREADS   (needs torch, torchvision for ResNet, numpy; FOLDER has model.json, init.safetensors and
batches.safetensors)
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


class RmsNorm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5))


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), dim=-1) * sin


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.size, self.group = c["hidden"] // c["heads"], c["heads"] // c["kvHeads"]
        self.q_proj = nn.Linear(c["hidden"], c["heads"] * self.size, bias=False)
        self.k_proj = nn.Linear(c["hidden"], c["kvHeads"] * self.size, bias=False)
        self.v_proj = nn.Linear(c["hidden"], c["kvHeads"] * self.size, bias=False)
        self.o_proj = nn.Linear(c["heads"] * self.size, c["hidden"], bias=False)

    def forward(self, x, cos, sin, mask):
        b, t, _ = x.shape
        q, k, v = (p(x).view(b, t, -1, self.size).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if self.group > 1:
            k, v = k.repeat_interleave(self.group, dim=1), v.repeat_interleave(self.group, dim=1)
        scores = torch.matmul(q, k.transpose(2, 3)) * self.size**-0.5 + mask
        y = torch.matmul(torch.softmax(scores, dim=-1), v)
        return self.o_proj(y.transpose(1, 2).reshape(b, t, -1))


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gate_proj = nn.Linear(c["hidden"], c["ff"], bias=False)
        self.up_proj = nn.Linear(c["hidden"], c["ff"], bias=False)
        self.down_proj = nn.Linear(c["ff"], c["hidden"], bias=False)

    def forward(self, x):
        return self.down_proj(nn.functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.self_attn, self.mlp = Attention(c), Mlp(c)
        self.input_layernorm, self.post_attention_layernorm = RmsNorm(c["hidden"]), RmsNorm(c["hidden"])

    def forward(self, x, *rest):
        x = x + self.self_attn(self.input_layernorm(x), *rest)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(c["vocab"], c["hidden"])
        self.model.layers = nn.ModuleList(Layer(c) for _ in range(c["layers"]))
        self.model.norm = RmsNorm(c["hidden"])
        self.lm_head = nn.Linear(c["hidden"], c["vocab"], bias=False)
        if c["tied"]:
            self.lm_head.weight = self.model.embed_tokens.weight
        size, seq = c["hidden"] // c["heads"], c["seq"]
        angles = torch.outer(torch.arange(seq).float(), 10000.0 ** (-torch.arange(0, size, 2).float() / size))
        self.cos, self.sin = torch.cat((angles, angles), -1).cos(), torch.cat((angles, angles), -1).sin()
        self.mask = torch.full((seq, seq), torch.finfo(torch.float32).min).triu(1)

    def forward(self, tokens):
        x = self.model.embed_tokens(tokens)
        for layer in self.model.layers:
            x = layer(x, self.cos, self.sin, self.mask)
        return self.lm_head(self.model.norm(x)).flatten(0, 1)


def build(config):
    if config["family"] == "llama":
        return Llama(config)
    from torchvision.models import resnet18

    model = resnet18(num_classes=10)
    model.conv1 = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


def main():
    folder, threads = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(threads)
    model = build(json.loads((folder / "model.json").read_text()))
    model.load_state_dict(read_safetensors(folder / "init.safetensors"), strict=False)
    model.train()
    batches = read_safetensors(folder / "batches.safetensors")
    samples, labels = batches["step0.worker0.input"], batches["step0.worker0.label"].flatten()
    for _ in sys.stdin:
        start = time.perf_counter()
        model.zero_grad(set_to_none=True)
        loss = cross_entropy(model(samples), labels)
        loss.backward()
        print((time.perf_counter() - start) * 1000, loss.item(), flush=True)


main()
