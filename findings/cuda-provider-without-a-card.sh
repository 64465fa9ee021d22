#!/usr/bin/env bash
# ONNX Runtime's CUDA provider places the nodes of a graph on a machine that has neither a card, a driver nor CUDA: libraries that export the
# symbols it wants, and only allocate and copy host memory, are enough for all that comes before the first kernel.
# Seen with onnxruntime-gpu 1.30.0 from PyPI, Linux x86-64, Python 3.11, on 2026-11-28:
#   ConvTranspose 1,1,1,1: CUDA; ConvTranspose 1,1,0,1: CPU; Conv 1,1,0,1: CUDA        (pads; unequal ones send ConvTranspose to the CPU)
#   BatchNormalization with training_mode=1 at opset 18: refused while the session is made
#   Reshape whose second input a CUDA node made: MemcpyToHost before it
# Needs bash, python3 with venv, gcc, binutils and PyPI. Exits 1 where anything is otherwise.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip -q install --no-deps onnxruntime-gpu==1.30.0
venv/bin/pip -q install numpy==2.3.5 onnx==1.23.2 packaging flatbuffers protobuf
capi=$(echo venv/lib/python3*/site-packages/onnxruntime/capi)
provider=$capi/libonnxruntime_providers_cuda.so
echo "needed libraries: $(readelf -d "$provider" | grep -o 'Shared library: \[lib\(cu\|nv\)[^]]*' | sed 's/.*\[//' | tr '\n' ' ')"

mkdir standins
cat > standins/real.h <<'C'
#include <stdlib.h>
#include <string.h>
typedef long L;
C
declare -A body=(
  [cudaMalloc]='L cudaMalloc(void**p,size_t n){*p=malloc(n);return 0;}'
  [cudaFree]='L cudaFree(void*p){free(p);return 0;}'
  [cudaMallocHost]='L cudaMallocHost(void**p,size_t n){*p=malloc(n);return 0;}'
  [cudaHostAlloc]='L cudaHostAlloc(void**p,size_t n,int f){*p=malloc(n);return 0;}'
  [cudaFreeHost]='L cudaFreeHost(void*p){free(p);return 0;}'
  [cudaMemcpy]='L cudaMemcpy(void*d,const void*s,size_t n,int k){memcpy(d,s,n);return 0;}'
  [cudaMemcpyAsync]='L cudaMemcpyAsync(void*d,const void*s,size_t n,int k,void*t){memcpy(d,s,n);return 0;}'
  [cudaMemset]='L cudaMemset(void*d,int v,size_t n){memset(d,v,n);return 0;}'
  [cudaMemsetAsync]='L cudaMemsetAsync(void*d,int v,size_t n,void*t){memset(d,v,n);return 0;}'
  [cudaGetDevice]='L cudaGetDevice(int*d){*d=0;return 0;}'
  [cudaGetDeviceCount]='L cudaGetDeviceCount(int*d){*d=1;return 0;}'
  [cudaGetDeviceProperties]='L cudaGetDeviceProperties(char*p,int d){strcpy(p,"stand-in");((int*)p)[90]=9;((int*)p)[91]=0;return 0;}'
  [cudaDeviceGetAttribute]='L cudaDeviceGetAttribute(int*v,int a,int d){*v=a==75?9:a==76?0:1;return 0;}'
  [cudaGetErrorString]='const char*cudaGetErrorString(int e){return "stand-in";}'
  [cudaGetErrorName]='const char*cudaGetErrorName(int e){return "stand-in";}'
  [cudaMemGetInfo]='L cudaMemGetInfo(size_t*f,size_t*t){*f=*t=(size_t)8<<30;return 0;}'
  [cudaDriverGetVersion]='L cudaDriverGetVersion(int*v){*v=13000;return 0;}'
  [cudaRuntimeGetVersion]='L cudaRuntimeGetVersion(int*v){*v=13000;return 0;}'
)
for made in cudaStreamCreate cudaStreamCreateWithFlags cudaEventCreate cudaEventCreateWithFlags cublasCreate_v2 cublasLtCreate; do
  body[$made]="L $made(void**s,int f){*s=malloc(8);return 0;}"
done
standin() { # library, symbols on standard input
  local library=$1 symbol
  { cat standins/real.h; while read -r symbol; do echo "${body[$symbol]:-L $symbol(void)\{return 0;\}}" | sed 's/\\//g'; done; } > "standins/$library.c"
  echo "$library { global: *; };" > "standins/$library.map"
  gcc -w -shared -fPIC -o "standins/$library" "-Wl,-soname,$library" "-Wl,--version-script=standins/$library.map" "standins/$library.c"
}
wanted=$(nm -D --undefined-only "$provider" | awk '{print $2}')
for library in libcudart.so.13 libcublas.so.13 libcublasLt.so.13; do
  grep "@$library\$" <<< "$wanted" | sed 's/@.*//' | standin "$library"
done
grep -E '^cu[A-Z]' <<< "$wanted" | sed 's/@.*//' | { cat standins/real.h; while read -r s; do echo "L $s(void){return 0;}"; done; } > standins/driver.c
gcc -w -shared -fPIC -o standins/libcuda.so.1 -Wl,-soname,libcuda.so.1 standins/driver.c
echo | gcc -shared -fPIC -x c -o standins/libcurand.so.10 -Wl,-soname,libcurand.so.10 -
{ strings -n 8 "$provider" | grep -E '^cudnn[A-Z][A-Za-z_0-9]*$' | sort -u | grep -v '^cudnnGetVersion$'; echo cudnnSetStream; } | sort -u | standin libcudnn.so.9
echo 'long cudnnGetVersion(void){return 91000;}' >> standins/libcudnn.so.9.c
gcc -w -shared -fPIC -o standins/libcudnn.so.9 -Wl,-soname,libcudnn.so.9 -Wl,--version-script=standins/libcudnn.so.9.map standins/libcudnn.so.9.c
export LD_LIBRARY_PATH=$work/standins ORT_DISABLE_TELEMETRY=1

cat > place.py <<'P'
import onnx, onnxruntime as ort
from onnx import helper as h, TensorProto as T
def place(nodes, inputs, output):
    graph = h.make_graph(nodes, 'g', [h.make_tensor_value_info(n, t, s) for n, t, s in inputs], [h.make_tensor_value_info(output, T.FLOAT, None)])
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry('session.record_ep_graph_assignment_info', '1')
    options.optimized_model_filepath = 'placed.onnx'
    model = h.make_model(graph, opset_imports=[h.make_opsetid('', 18)], ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), options, providers=['CUDAExecutionProvider'])
    where = {n.op_type: p.ep_name.removesuffix('ExecutionProvider') for p in session.get_provider_graph_assignment_info() for n in p.get_nodes()}
    return where, [n.op_type for n in onnx.load('placed.onnx').graph.node]
x, w, c = ('x', T.FLOAT, [1, 4, 8, 8]), ('w', T.FLOAT, [4, 4, 3, 3]), lambda n: (n, T.FLOAT, [4])
of = lambda op, pads: place([h.make_node(op, ['x', 'w'], ['y'], pads=pads)], [x, w], 'y')[0][op]
seen = {'ConvTranspose 1,1,1,1': of('ConvTranspose', [1, 1, 1, 1]), 'ConvTranspose 1,1,0,1': of('ConvTranspose', [1, 1, 0, 1]), 'Conv 1,1,0,1': of('Conv', [1, 1, 0, 1])}
try:
    place([h.make_node('BatchNormalization', ['x', 'a', 'b', 'm', 'v'], ['y', 'n', 'u'], training_mode=1)], [x, *map(c, 'abmv')], 'y')
    seen['BatchNormalization in training'] = 'made'
except Exception as error:
    seen['BatchNormalization in training'] = 'refused' if 'Training mode does not support BN opset 14' in str(error) else str(error)
_, ops = place([h.make_node('Abs', ['s'], ['t']), h.make_node('Reshape', ['x', 't'], ['y'])], [x, ('s', T.INT64, [2])], 'y')
seen['Reshape'] = 'after MemcpyToHost' if 'MemcpyToHost' in ops else ops
expected = {'ConvTranspose 1,1,1,1': 'CUDA', 'ConvTranspose 1,1,0,1': 'CPU', 'Conv 1,1,0,1': 'CUDA', 'BatchNormalization in training': 'refused', 'Reshape': 'after MemcpyToHost'}
print(seen)
assert seen == expected, expected
P
venv/bin/python place.py
