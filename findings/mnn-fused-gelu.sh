#!/usr/bin/env bash
# MNN fuses 0.5 * x * (1 + Erf(x / sqrt(2))) into a Gelu that is coarser than its own Erf.
# Seen with MNN 3.6.1 (converter `mnnconvert` of the same wheel) and onnx 1.19.1 from PyPI, Linux x86-64, Python 3.11, on 2026-11-29: over [-6, 6]
# the largest absolute error is 5.9e-8 for Erf alone and 4.7e-4 for the whole, where float32 allows some 1e-7.
# Needs bash, python3 with venv and PyPI. Exits 1 where anything is otherwise.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip -q install MNN==3.6.1 onnx==1.19.1 numpy==2.3.5
cat > gelu.py <<'P'
import math, subprocess, sys, os
import numpy as np, onnx
from onnx import TensorProto as T, helper as h
from onnx.numpy_helper import from_array

x = np.linspace(-6, 6, 4801, dtype=np.float32).reshape(1, -1)
erf = np.vectorize(math.erf)(x.astype(np.float64) / math.sqrt(2))
constants = [from_array(np.array(v, np.float32), n) for n, v in (('root', math.sqrt(2)), ('one', 1), ('half', 0.5))]
begin = [h.make_node('Div', ['x', 'root'], ['scaled']), h.make_node('Erf', ['scaled'], ['erf'])]
rest = [h.make_node('Add', ['erf', 'one'], ['more']), h.make_node('Mul', ['x', 'more'], ['product']), h.make_node('Mul', ['product', 'half'], ['gelu'])]
shape = list(x.shape)
value = lambda name: h.make_tensor_value_info(name, T.FLOAT, shape)

def mnn(name, nodes):
    used = {i for node in nodes for i in node.input}
    graph = h.make_graph(nodes, name, [value('x')], [value(name)], [c for c in constants if c.name in used])
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid('', 17)], ir_version=8), f'{name}.onnx')
    convert = [os.path.join(os.path.dirname(sys.executable), 'mnnconvert'), '-f', 'ONNX', '--modelFile', f'{name}.onnx', '--MNNModel', f'{name}.mnn', '--bizCode', 'x']
    subprocess.run(convert, check=True, stdout=subprocess.DEVNULL)
    import MNN.expr as F, MNN.nn as nn
    net = nn.load_module_from_file(f'{name}.mnn', ['x'], [name])
    given = F.const(x, shape, F.NCHW)
    return F.convert(net.forward([given])[0], F.NCHW).read().reshape(shape)

errors = {name: np.abs(mnn(name, nodes) - right).max() for name, nodes, right in (('erf', begin, erf), ('gelu', begin + rest, 0.5 * x * (1 + erf)))}
for name, error in errors.items():
    print(f'{name}: largest absolute error {error:.1e}')
assert errors['erf'] < 1e-6 and 1e-4 < errors['gelu'] < 1e-3
P
venv/bin/python gelu.py
