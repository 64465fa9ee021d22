"""PyTorch's side of bench/step.ts and of the GPU kit: training steps of torchvision's ResNet and Swin Transformer, or of a LLaMA as Hugging
Face computes it, as plain data parallelism or as the subnetwork of a worker that holds half of all blocks or neurons.

Usage: python bench/step_torch.py FOLDER   (needs torch, torchvision for images, numpy)

FOLDER has torch.json (model, regime, device, optimizer), init.safetensors, and the samples as the engine's loader reads them. The first line that
it prints is its version; for each number on standard input it does so many steps and prints their milliseconds, losses and peak memory as JSON.
Weights are loaded for plain data parallelism alone: a subnetwork has other shapes, and only its time is compared.
"""

import json
import struct
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


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
    def __init__(self, c, share, attention):
        super().__init__()
        heads, kv_heads = c["heads"] // share, c["kvHeads"] // share
        self.size, self.group, self.attention = c["hidden"] // c["heads"], heads // kv_heads, attention
        self.q_proj = nn.Linear(c["hidden"], heads * self.size, bias=False)
        self.k_proj = nn.Linear(c["hidden"], kv_heads * self.size, bias=False)
        self.v_proj = nn.Linear(c["hidden"], kv_heads * self.size, bias=False)
        self.o_proj = nn.Linear(heads * self.size, c["hidden"], bias=False)

    def forward(self, x, cos, sin, mask):
        b, t, _ = x.shape
        q, k, v = (p(x).view(b, t, -1, self.size).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if self.group > 1:
            k, v = k.repeat_interleave(self.group, dim=1), v.repeat_interleave(self.group, dim=1)
        if self.attention == "sdpa":
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = torch.matmul(q, k.transpose(2, 3)) * self.size**-0.5 + mask
            y = torch.matmul(torch.softmax(scores, dim=-1), v)
        return self.o_proj(y.transpose(1, 2).reshape(b, t, -1))


class Mlp(nn.Module):
    def __init__(self, c, share):
        super().__init__()
        hidden = c["ff"] // share
        self.gate_proj = nn.Linear(c["hidden"], hidden, bias=False)
        self.up_proj = nn.Linear(c["hidden"], hidden, bias=False)
        self.down_proj = nn.Linear(hidden, c["hidden"], bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c, share, attention):
        super().__init__()
        self.self_attn, self.mlp = Attention(c, share, attention), Mlp(c, share)
        self.input_layernorm, self.post_attention_layernorm = RmsNorm(c["hidden"]), RmsNorm(c["hidden"])

    def forward(self, x, *rest):
        x = x + self.self_attn(self.input_layernorm(x), *rest)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    def __init__(self, c, regime, attention):
        super().__init__()
        share = 2 if regime == "neuron-forward" else 1
        layers = c["layers"] // 2 if regime == "block-forward" else c["layers"]
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(c["vocab"], c["hidden"])
        self.model.layers = nn.ModuleList(Layer(c, share, attention) for _ in range(layers))
        self.model.norm = RmsNorm(c["hidden"])
        self.lm_head = nn.Linear(c["hidden"], c["vocab"], bias=False)
        if c["tied"]:
            self.lm_head.weight = self.model.embed_tokens.weight
        size, seq = c["hidden"] // c["heads"], c["seq"]
        angles = torch.outer(torch.arange(seq).float(), 10000.0 ** (-torch.arange(0, size, 2).float() / size))
        turned = torch.cat((angles, angles), -1)
        mask = torch.full((seq, seq), torch.finfo(torch.float32).min).triu(1)
        for name, buffer in (("cos", turned.cos()), ("sin", turned.sin()), ("mask", mask)):
            self.register_buffer(name, buffer, persistent=False)

    def forward(self, tokens):
        x = self.model.embed_tokens(tokens)
        for layer in self.model.layers:
            x = layer(x, self.cos, self.sin, self.mask)
        return self.lm_head(self.model.norm(x)).flatten(0, 1)


class Shortcut(nn.Module):
    """A residual block of a ResNet without its branch."""

    def __init__(self, block):
        super().__init__()
        self.downsample = block.downsample or nn.Identity()

    def forward(self, x):
        return F.relu(self.downsample(x))


def build_resnet(c, regime):
    from torchvision.models.resnet import BasicBlock, ResNet

    model = ResNet(BasicBlock, c["layers"], num_classes=c["classes"])
    width = c["width"] / 64
    assert width == 1, "only ResNets of width 64 are compared"
    if c["stem"] == "cifar":
        model.conv1 = nn.Conv2d(c["channels"], 64, 3, stride=1, padding=1, bias=False)
        model.maxpool = nn.Identity()
    index = 0
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        for at, block in enumerate(stage):
            if regime == "block-forward" and index % 2 == 1:
                stage[at] = Shortcut(block)
            if regime == "neuron-forward":
                first, second = block.conv1, block.conv2
                inner = first.out_channels // 2
                block.conv1 = nn.Conv2d(first.in_channels, inner, 3, first.stride, 1, bias=False)
                block.bn1 = nn.BatchNorm2d(inner)
                block.conv2 = nn.Conv2d(inner, second.out_channels, 3, 1, 1, bias=False)
            index += 1
    return model


class NarrowWindowAttention(nn.Module):
    """torchvision's shifted window attention with half of the heads; each keeps its size."""

    def __init__(self, whole):
        super().__init__()
        channels = whole.qkv.in_features
        self.window, self.shift = whole.window_size, whole.shift_size
        self.heads, self.size = max(1, whole.num_heads // 2), channels // whole.num_heads
        self.qkv = nn.Linear(channels, 3 * self.heads * self.size)
        self.proj = nn.Linear(self.heads * self.size, channels)
        table = whole.relative_position_bias_table
        self.relative_position_bias_table = nn.Parameter(torch.zeros(table.shape[0], self.heads))
        self.register_buffer("index", whole.relative_position_index.view(-1), persistent=False)

    def forward(self, x):
        n, height, width, channels = x.shape
        (h, w), tokens = self.window, self.window[0] * self.window[1]
        x = F.pad(x, (0, 0, 0, -width % w, 0, -height % h))
        rows, columns = x.shape[1:3]
        shift = [0 if self.window[i] >= extent else self.shift[i] for i, extent in enumerate((rows, columns))]
        if any(shift):
            x = torch.roll(x, (-shift[0], -shift[1]), (1, 2))
        x = x.view(n, rows // h, h, columns // w, w, channels).permute(0, 1, 3, 2, 4, 5).reshape(-1, tokens, channels)
        q, k, v = self.qkv(x).view(-1, tokens, 3, self.heads, self.size).permute(2, 0, 3, 1, 4)
        scores = (q * self.size**-0.5) @ k.transpose(-2, -1)
        bias = self.relative_position_bias_table[self.index].view(tokens, tokens, -1).permute(2, 0, 1)
        scores = scores + bias
        if any(shift):
            scores = self.masked(scores, n, rows, columns, shift)
        y = (torch.softmax(scores, -1) @ v).transpose(1, 2).reshape(-1, tokens, self.heads * self.size)
        y = self.proj(y).view(n, rows // h, columns // w, h, w, channels).permute(0, 1, 3, 2, 4, 5)
        y = y.reshape(n, rows, columns, channels)
        if any(shift):
            y = torch.roll(y, (shift[0], shift[1]), (1, 2))
        return y[:, :height, :width].contiguous()

    def masked(self, scores, n, rows, columns, shift):
        (h, w), tokens = self.window, self.window[0] * self.window[1]
        part = lambda size, window, by: torch.bucketize(
            torch.arange(size, device=scores.device), torch.tensor([size - window, size - by], device=scores.device), right=True
        )
        region = 3 * part(rows, h, shift[0])[:, None] + part(columns, w, shift[1])[None, :]
        region = region.view(rows // h, h, columns // w, w).permute(0, 2, 1, 3).reshape(-1, tokens)
        apart = (region[:, None] != region[:, :, None]).float() * -100.0
        windows = apart.shape[0]
        masked = scores.view(n, windows, self.heads, tokens, tokens) + apart[None, :, None]
        return masked.view(-1, self.heads, tokens, tokens)


def build_swin(c, regime):
    from torchvision.models.swin_transformer import SwinTransformer

    model = SwinTransformer(
        patch_size=list(c["patch"]),
        embed_dim=c["embed"],
        depths=list(c["depths"]),
        num_heads=list(c["heads"]),
        window_size=list(c["window"]),
        mlp_ratio=c["mlpRatio"],
        stochastic_depth_prob=0.0,
        num_classes=c["classes"],
    )
    index = 0
    for stage in list(model.features)[1::2]:
        for at, block in enumerate(stage):
            if regime == "block-forward" and index % 2 == 1:
                stage[at] = nn.Identity()
            if regime == "neuron-forward":
                block.attn = NarrowWindowAttention(block.attn)
                inner, outer = block.mlp[0], block.mlp[3]
                block.mlp[0] = nn.Linear(inner.in_features, inner.out_features // 2)
                block.mlp[3] = nn.Linear(outer.in_features // 2, outer.out_features)
            index += 1
    return model


def build(setup):
    c, regime = setup["spec"], setup["regime"]
    if c["family"] == "llama":
        return Llama(c, regime, setup["attention"])
    return build_swin(c, regime) if c["family"] == "swin" else build_resnet(c, regime)


def samples(folder, setup):
    """The first batch of the dataset that the engine trains on."""
    c, batch = setup["spec"], setup["batch"]
    if c["family"] == "llama":
        tokens = np.load(folder / "tokens.npy")[: batch * c["seq"] + 1].astype(np.int64)
        return (torch.from_numpy(part).reshape(batch, -1) for part in (tokens[:-1], tokens[1:]))
    images = np.load(folder / "images.npy")[:batch].astype(np.float32) / 255
    return torch.from_numpy((images - 0.5) / 0.25), torch.from_numpy(np.load(folder / "labels.npy")[:batch])


def main():
    folder = Path(sys.argv[1])
    setup = json.loads((folder / "torch.json").read_text())
    torch.set_num_threads(setup["threads"])
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    cuda = setup["device"] == "cuda"
    device = torch.device(f"cuda:{setup['index']}") if cuda else torch.device("cpu")
    model = build(setup)
    if setup["regime"] == "ddp":
        weights = read_safetensors(folder / "init.safetensors")
        missing = set(dict(model.named_parameters())) - set(weights)
        if setup["spec"].get("tied"):
            missing.discard("lm_head.weight")
        if missing:
            raise SystemExit(f"init.safetensors lacks {sorted(missing)[:3]}")
        model.load_state_dict(weights, strict=False)
    model = model.to(device).train()
    x, labels = (part.to(device) for part in samples(folder, setup))
    parameters = list(model.parameters())
    make = {
        "sgd": lambda: torch.optim.SGD(parameters, lr=setup["learningRate"], momentum=0.9, weight_decay=5e-4),
        "adamw": lambda: torch.optim.AdamW(parameters, lr=setup["learningRate"], weight_decay=0.01),
        "none": lambda: None,
    }
    optimizer = make[setup["optimizer"]]()
    wait = (lambda: torch.cuda.synchronize(device)) if cuda else (lambda: None)
    print(f"PyTorch {torch.__version__}, CUDA {torch.version.cuda}", flush=True)
    for line in sys.stdin:
        result = {"ms": [], "loss": [], "peakBytes": 0}
        for _ in range(int(line)):
            wait()
            start = time.perf_counter()
            model.zero_grad(set_to_none=True)
            loss = F.cross_entropy(model(x), labels.flatten())
            loss.backward()
            if optimizer:
                optimizer.step()
            wait()
            result["ms"].append((time.perf_counter() - start) * 1000)
            result["loss"].append(loss.item())
        if cuda:
            result["peakBytes"] = torch.cuda.max_memory_allocated(device)
        print(json.dumps(result), flush=True)


main()
