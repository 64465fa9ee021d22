#!/usr/bin/env bash
# rten's ConvInteger reads padding as 128 where it should read the zero point, and does without the zero point of the weights where a batch
# has several images and the kernel is larger than 1 x 1.
# Seen with rten 0.27.0 from crates.io (Rust 1.95.0), onnx 1.23.2 and onnxruntime 1.32.0 from PyPI, Linux x86-64 (AVX2), Python 3.11, on
# 2026-11-29. The onnx reference evaluator and onnxruntime agree on all models. rten agrees on one without padding and zero points; what
# only padding makes is 128 times the sum of the weights; and results of two images are as if the zero point were 0.
# Needs bash, cargo, python3 with venv, crates.io and PyPI. Exits 1 where anything is otherwise.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip -q install onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
mkdir -p runner/src
cat > runner/Cargo.toml <<'T'
[package]
name = "runner"
version = "0.0.0"
edition = "2021"
[dependencies]
rten = "=0.27.0"
rten-tensor = "=0.27.0"
T
cat > runner/src/main.rs <<'R'
use rten_tensor::prelude::*;
use rten_tensor::Tensor;

/// Arguments: model, images. Prints what becomes of inputs that count up from 1.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let shape = [arguments[1].parse()?, 2, 2, 2];
    let x: Vec<u8> = (1..=shape.iter().product::<usize>() as u8).collect();
    let model = rten::Model::load_file(&arguments[0])?;
    let value: rten::Value = Tensor::from_data(&shape[..], x).into();
    let made = model.run(vec![(model.node_id("x")?, value.into())], &[model.node_id("y")?], None)?;
    let y: Tensor<i32> = made.into_iter().next().unwrap().try_into()?;
    println!("{:?}", y.to_vec());
    Ok(())
}
R
cargo build -q --release --manifest-path runner/Cargo.toml --target-dir target
cat > conv.py <<'P'
import json, os, subprocess
os.environ['ORT_DISABLE_TELEMETRY'] = '1'
import numpy as np, onnx, onnxruntime
from onnx import TensorProto as T, helper as h
from onnx.numpy_helper import from_array
from onnx.reference import ReferenceEvaluator

def compare(name, images=1, kernel=1, pad=0, zero=0):
    weight = np.arange(1, 1 + 2 * kernel**2, dtype=np.uint8).reshape(1, 2, kernel, kernel)
    constants = [from_array(weight, 'w'), from_array(np.array(0, np.uint8), 'xz'), from_array(np.array(zero, np.uint8), 'wz')]
    node = h.make_node('ConvInteger', ['x', 'w', 'xz', 'wz'], ['y'], kernel_shape=[kernel] * 2, pads=[pad] * 4)
    size = 3 - kernel + 2 * pad
    ports = [h.make_tensor_value_info('x', T.UINT8, [images, 2, 2, 2])], [h.make_tensor_value_info('y', T.INT32, [images, 1, size, size])]
    model = h.make_model(h.make_graph([node], name, *ports, constants), opset_imports=[h.make_opsetid('', 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, f'{name}.onnx')
    x = np.arange(1, images * 8 + 1, dtype=np.uint8).reshape(images, 2, 2, 2)
    right = ReferenceEvaluator(model).run(None, {'x': x})[0].ravel().tolist()
    assert onnxruntime.InferenceSession(f'{name}.onnx').run(None, {'x': x})[0].ravel().tolist() == right
    rten = json.loads(subprocess.check_output(['target/release/runner', f'{name}.onnx', str(images)]))
    print(f'{name}\n  should be {right}\n  rten      {rten}')
    return rten == right

assert compare('plain')
assert not compare('padded', pad=1)
assert compare('one_image', kernel=2, zero=7)
assert compare('two_images', images=2, kernel=2)
assert not compare('two_images_with_zero_point', images=2, kernel=2, zero=7)
P
venv/bin/python conv.py
