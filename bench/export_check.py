"""Opens exported models in other programs and compares their logits with those of onnxruntime without optimisation, which `sdp export` has
compared with the engine's.

Usage: python bench/export_check.py FOLDER [CONSUMER ...]
FOLDER holds a folder for each model, with model.onnx and, where it was exported too, what comes with model.safetensors. Packages are in
bench/export_requirements.txt. Prints a table in Markdown: of each program and model the largest difference over the largest logit, over
batches of 1, 3 and 17 and, for language models, three lengths.

onnxruntime-web is installed with npm, and candle-onnx, candle-transformers, rten and tract are built from bench/exportConsumers with cargo,
in a folder for temporary files, where they stay. candle-transformers reads model.safetensors: of LLaMA, of a ViT exported with --format
huggingface, or of a ResNet-18 with ImageNet's stem for images in colour.

Optimum, and transformers of version 4, want an environment of their own, with the packages of bench/export_requirements_optimum.txt, and are
named as consumers there; for Optimum FOLDER holds exports with --with-past, which onnxruntime-web, candle-onnx, rten and tract take too.
"""

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the library is loaded
import numpy as np
import onnx
import onnxruntime as ort

BATCHES = (1, 3, 17)


def session(model, level=ort.GraphOptimizationLevel.ORT_DISABLE_ALL):
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3
    return ort.InferenceSession(str(model), options)


def feeds_of(path):
    """Random inputs of every batch and length."""
    port, *_ = session(path).get_inputs()
    random = np.random.default_rng(0)
    if port.type != "tensor(int64)":
        return [random.standard_normal((batch, *port.shape[1:]), dtype=np.float32) for batch in BATCHES]
    vocabulary = session(path).get_outputs()[0].shape[-1]
    longest = int(properties(path).get("max_sequence", 48))
    lengths = (1, longest // 3, longest)
    return [random.integers(0, vocabulary, (batch, length)) for batch in BATCHES for length in lengths]


def given_of(own, feed):
    """What a model is given, by name; one with a cache an empty one."""
    past = [port for port in own.get_inputs() if port.name.startswith("past_key_values.")]
    if not past:
        return {"input": feed}
    given = {"input_ids": feed, "attention_mask": np.ones_like(feed)}
    given["position_ids"] = np.broadcast_to(np.arange(feed.shape[1]), feed.shape).copy()
    return given | {port.name: np.zeros((len(feed), port.shape[1], 0, port.shape[3]), np.float32) for port in past}


def expected_of(folder, feeds):
    own = session(folder / "model.onnx")
    return [own.run(["logits"], given_of(own, feed))[0] for feed in feeds]


def properties(path):
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def with_onnxruntime(level):
    def run(folder, feeds):
        own = session(folder / "model.onnx", level)
        return [own.run(None, {"input": feed})[0] for feed in feeds]

    return run


def with_checker(folder, feeds):
    onnx.checker.check_model(str(folder / "model.onnx"), full_check=True)
    return with_onnxruntime(ort.GraphOptimizationLevel.ORT_DISABLE_ALL)(folder, feeds)


def with_reference(folder, feeds):
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(str(folder / "model.onnx"))
    return [evaluator.run(None, {"input": feed})[0] for feed in feeds]


def with_slim(folder, feeds):
    import onnxslim

    return run_bytes(onnxslim.slim(onnx.load(folder / "model.onnx")), feeds)


def with_float16(folder, feeds):
    from onnxconverter_common import float16

    model = float16.convert_float_to_float16(onnx.load(folder / "model.onnx"), keep_io_types=True)
    onnx.checker.check_model(model, full_check=True)
    return run_bytes(model, feeds)


def with_int8(folder, feeds):
    from onnxruntime.quantization import quantize_dynamic

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "int8.onnx"
        quantize_dynamic(folder / "model.onnx", path)
        share = path.stat().st_size / (folder / "model.onnx").stat().st_size
        own = session(path, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
        return [own.run(None, {"input": feed})[0] for feed in feeds], f"{share:.0%} of the size"


def run_bytes(model, feeds):
    own = ort.InferenceSession(model.SerializeToString())
    return [own.run(None, {"input": feed})[0] for feed in feeds]


def with_openvino(folder, feeds):
    import openvino

    compiled = openvino.compile_model(folder / "model.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [compiled(feed)[0] for feed in feeds]


def with_onnx2torch(folder, feeds):
    import onnx2torch
    import torch

    model = onnx2torch.convert(folder / "model.onnx").eval()
    with torch.inference_mode():
        return [model(torch.from_numpy(feed)).numpy() for feed in feeds]


def with_tvm(folder, feeds):
    import tvm
    from tvm import relax
    from tvm.relax.frontend.onnx import from_onnx

    outputs = []
    for feed in feeds:
        module = from_onnx(onnx.load(folder / "model.onnx"), shape_dict={"input": list(feed.shape)})
        module = relax.transform.LegalizeOps()(module)
        machine = relax.VirtualMachine(tvm.compile(module, target="llvm"), tvm.cpu())
        outputs.append(machine["main"](tvm.runtime.tensor(feed)).numpy())
    return outputs


def with_mnn(folder, feeds):
    import MNN
    import MNN.nn
    import MNN.numpy

    with tempfile.TemporaryDirectory() as place:
        path = f"{place}/model.mnn"
        arguments = ["-f", "ONNX", "--modelFile", str(folder / "model.onnx"), "--MNNModel", path, "--bizCode", "sdp"]
        subprocess.run([Path(sys.executable).parent / "mnnconvert", *arguments], check=True, capture_output=True)
        network = MNN.nn.load_module_from_file(path, ["input"], ["logits"])
        outputs = []
        for feed in feeds:
            given = feed.astype(np.int32) if feed.dtype == np.int64 else feed
            order = MNN.expr.NCHW
            place_of = MNN.expr.const(given, list(given.shape), order, MNN.expr.int if feed.dtype == np.int64 else MNN.expr.float)
            result = network.forward([place_of])[0]
            outputs.append(np.array(MNN.expr.convert(result, order).read()).reshape(result.shape))
        return outputs


def with_iree(folder, feeds):
    import iree.compiler.tools
    import iree.runtime

    with tempfile.TemporaryDirectory() as place:
        importing = [sys.executable, "-m", "iree.compiler.tools.import_onnx", folder / "model.onnx", "-o", f"{place}/model.mlir"]
        subprocess.run(importing, check=True)
        iree.compiler.tools.compile_file(
            f"{place}/model.mlir",
            target_backends=["llvm-cpu"],
            output_file=f"{place}/model.vmfb",
            extra_args=["--iree-llvmcpu-target-cpu=host"],
        )
        module = iree.runtime.load_vm_flatbuffer_file(f"{place}/model.vmfb", driver="local-task")
        (name,) = (name for name in module.vm_module.function_names if not name.startswith("__") and "$" not in name)
        return [getattr(module, name)(feed).to_host() for feed in feeds]


def with_optimum(folder, feeds):
    """Each text in two parts, the second with the cache of the first."""
    import torch
    from optimum.onnxruntime import ORTModelForCausalLM

    model = ORTModelForCausalLM.from_pretrained(folder, use_io_binding=False)
    outputs = []
    for feed in feeds:
        tokens = torch.from_numpy(feed)
        half = feed.shape[1] // 2
        parts = [tokens[:, :half], tokens[:, half:]] if half else [tokens]
        past, logits, seen = None, [], 0
        for part in parts:
            seen += part.shape[1]
            given = {"attention_mask": torch.ones(len(part), seen, dtype=torch.int64)}
            given["position_ids"] = torch.arange(seen - part.shape[1], seen).expand(len(part), -1)
            made = model(input_ids=part, past_key_values=past, use_cache=True, **given)
            past = made.past_key_values
            logits.append(made.logits.numpy())
        outputs.append(np.concatenate(logits, 1))
    return outputs


PLACE = Path(tempfile.gettempdir()) / "sdp-export-consumers"
HERE = Path(__file__).resolve().parent


def rust(library):
    def command():
        manifest = HERE / "exportConsumers" / "Cargo.toml"
        subprocess.run(["cargo", "build", "--release", "--locked", "--manifest-path", manifest, "--target-dir", PLACE], check=True)
        return [PLACE / "release" / "export-consumers", library]

    return command


def web():
    if not (PLACE / "node_modules" / "onnxruntime-web").exists():
        PLACE.mkdir(exist_ok=True)
        subprocess.run(["npm", "install", "--prefix", PLACE, "--no-audit", "onnxruntime-web@1.30.0"], check=True)
    script = PLACE / "web.mjs"
    script.write_text((HERE / "exportWeb.mjs").read_text())
    return ["node", script]


def with_program(command):
    """Of a program with the arguments model, output, and of each input its name, f32 or i64, shape (with commas) and file."""

    def run(folder, feeds):
        program = command()
        own = session(folder / "model.onnx")
        outputs = []
        with tempfile.TemporaryDirectory() as place:
            for feed in feeds:
                arguments = [folder / "model.onnx", f"{place}/output"]
                for at, (name, given) in enumerate(given_of(own, feed).items()):
                    given.tofile(f"{place}/{at}")
                    kind = "i64" if given.dtype == np.int64 else "f32"
                    arguments += [name, kind, ",".join(map(str, given.shape)), f"{place}/{at}"]
                made = subprocess.run([*program, *arguments], capture_output=True, text=True)
                if made.returncode != 0:
                    raise RuntimeError(made.stderr.strip()[:300])
                outputs.append(np.fromfile(f"{place}/output", np.float32))
        return outputs

    return run


def with_library(folder, feeds):
    """torchvision's model with strict=True, or transformers' from_pretrained."""
    import torch

    logits_of = load(folder)
    with torch.inference_mode():
        return [logits_of(torch.from_numpy(feed)).numpy() for feed in feeds]


def load(folder):
    import torch

    if (folder / "config.json").exists():
        from transformers import AutoModelForCausalLM

        model, info = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True, dtype=torch.float32)
        wrong = {name: found for name, found in info.items() if found}
        if wrong:
            raise RuntimeError(f"from_pretrained: {wrong}")
        model.eval()
        return lambda tokens: model(tokens).logits
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", framework="pt") as file:
        spec = json.loads(file.metadata()["model"])
        state = {name: file.get_tensor(name) for name in file.keys()}
    model = {"resnet": build_resnet, "swin": build_swin, "vit": build_vit}[spec["family"]](spec)
    model.load_state_dict(state, strict=True)
    return model.eval()


def build_vit(spec):
    from torch import nn
    from torchvision.models import VisionTransformer

    patch, hidden = spec["patch"], spec["hidden"]
    sizes = (spec["image"][0], patch, spec["layers"], spec["heads"], hidden, spec["mlp"])
    model = VisionTransformer(*sizes, num_classes=spec["classes"])
    model.conv_proj = nn.Conv2d(spec["channels"], hidden, patch, stride=patch)
    return model


def build_swin(spec):
    from torch import nn
    from torchvision.models.swin_transformer import SwinTransformer

    embed, patch = spec["embed"], spec["patch"]
    sizes = (patch, embed, spec["depths"], spec["heads"], spec["window"])
    model = SwinTransformer(*sizes, mlp_ratio=spec["mlpRatio"], num_classes=spec["classes"])
    model.features[0][0] = nn.Conv2d(spec["channels"], embed, patch, stride=patch)
    return model


def build_resnet(spec):
    """torchvision's ResNet of basic blocks with the width and stem of `spec`."""
    from torch import nn
    from torchvision.models.resnet import BasicBlock, ResNet

    layers, width, classes = spec["layers"], spec["width"], spec["classes"]
    model = ResNet(BasicBlock, [*layers, 1, 1, 1, 1][:4], num_classes=classes)
    if spec["stem"] == "cifar":
        model.conv1 = nn.Conv2d(spec["channels"], width, 3, stride=1, padding=1, bias=False)
        model.maxpool = nn.Identity()
    else:
        model.conv1 = nn.Conv2d(spec["channels"], width, 7, stride=2, padding=3, bias=False)
    model.bn1 = nn.BatchNorm2d(width)
    model.inplanes = width
    for stage in range(4):
        there = stage < len(layers)
        made = model._make_layer(BasicBlock, width * 2**stage, layers[stage], 1 + (stage > 0)) if there else nn.Identity()
        setattr(model, f"layer{stage + 1}", made)
    model.fc = nn.Linear(width * 2 ** (len(layers) - 1), classes)
    return model


LEVELS = ort.GraphOptimizationLevel
CONSUMERS = {
    "onnx checker": with_checker,
    "onnx reference evaluator": with_reference,
    "onnxruntime, basic": with_onnxruntime(LEVELS.ORT_ENABLE_BASIC),
    "onnxruntime, extended": with_onnxruntime(LEVELS.ORT_ENABLE_EXTENDED),
    "onnxruntime, all": with_onnxruntime(LEVELS.ORT_ENABLE_ALL),
    "OpenVINO": with_openvino,
    "onnx2torch": with_onnx2torch,
    "onnxslim": with_slim,
    "TVM": with_tvm,
    "MNN": with_mnn,
    "IREE": with_iree,
    "onnxruntime-web": with_program(web),
    "candle-onnx": with_program(rust("candle-onnx")),
    "candle-transformers": with_program(rust("candle-transformers")),
    "rten": with_program(rust("rten")),
    "tract": with_program(rust("tract")),
    "float16 (onnxconverter-common)": with_float16,
    "int8, dynamic (onnxruntime)": with_int8,
    "torchvision or transformers": with_library,
}


APART = {"Optimum": with_optimum}


def check(name, folder):
    """One cell of the table. What libraries print goes where errors go."""
    os.dup2(2, 1)
    try:
        feeds = feeds_of(folder / "model.onnx")
        expected = expected_of(folder, feeds)
        found = {**CONSUMERS, **APART}[name](folder, feeds)
        found, note = found if isinstance(found, tuple) else (found, "")
        errors = [np.abs(own.ravel() - other.ravel()).max() / np.abs(own).max() for own, other in zip(expected, found, strict=True)]
        return f"{max(errors):.1e}" + (f", {note}" if note else "")
    except Exception as error:
        said = str(error).strip() or type(error).__name__
        return "fails: " + said.splitlines()[0][:120].replace("|", "/")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folders = sorted(path.parent for path in Path(sys.argv[1]).glob("*/model.onnx"))
    if not folders:
        sys.exit(f"{sys.argv[1]} holds no folder with a model.onnx")
    print("| | " + " | ".join(folder.name for folder in folders) + " |")
    print("|---" * (len(folders) + 1) + "|")
    for name in sys.argv[2:] or CONSUMERS:
        cells = []
        for folder in folders:
            # A process of its own: some of these libraries end it where they fail.
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                try:
                    cells.append(pool.submit(check, name, folder).result())
                except Exception as error:
                    cells.append(f"fails: {error}"[:120])
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
