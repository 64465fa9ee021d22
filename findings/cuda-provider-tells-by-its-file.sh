#!/usr/bin/env bash
# The file of ONNX Runtime's CUDA provider tells which cards and which libraries it is for; nothing has to be loaded.
# Seen with onnxruntime-gpu 1.30.0 from PyPI, Linux x86-64, Python 3.11, on 2026-11-28:
#   code for 7.5, 8.0, 8.6, 8.9, 9.0a, 12.0a and no PTX, so that compute capabilities 7.0, 10.0, 11.0 and 12.1 have none. NVIDIA documents
#   the layout of `.nv_fatbin` nowhere: bit 20 of an entry's flags marks code for exactly one compute capability ("9.0a")
#   linked against libcublasLt.so.13, libcublas.so.13, libcurand.so.10, libcudart.so.13 and the driver's libcuda.so.1
#   libcudnn.so.9 and libcufft.so.12, opened when used, stand nowhere as strings: code writes each as two constants of 8 bytes that overlap
# Needs bash, python3 with venv, binutils and PyPI. Exits 1 where anything is otherwise.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip -q install --no-deps onnxruntime-gpu==1.30.0
provider=$(echo venv/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime_providers_cuda.so)

needed=$(readelf -d "$provider" | sed -n 's/.*Shared library: \[\(libcu[^]]*\)\]/\1/p' | sort | tr '\n' ' ')
echo "linked against: $needed"
[[ $needed == 'libcublas.so.13 libcublasLt.so.13 libcuda.so.1 libcudart.so.13 libcurand.so.10 ' ]]

cat > read.py <<'P'
import mmap, re, struct, subprocess, sys
path = sys.argv[1]
file = open(path, 'rb')
data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
sections = subprocess.run(['readelf', '-SW', path], capture_output=True, text=True, check=True).stdout
at, size = (int(n, 16) for n in re.search(r' \.nv_fatbin +\S+ +\S+ +(\S+) +(\S+)', sections).groups())
end, kinds, code = at + size, {1: 0, 2: 0}, {}
while at + 16 <= end:
    magic, _, header, size = struct.unpack_from('<IHHQ', data, at)  # a container
    if magic != 0xBA55ED50:
        at += 8
        continue
    entry, at = at + header, at + header + size
    while entry < at:
        kind, _, header, size = struct.unpack_from('<HHIQ', data, entry)
        capability, = struct.unpack_from('<I', data, entry + 28)
        flags, = struct.unpack_from('<Q', data, entry + 40)
        kinds[kind] = kinds.get(kind, 0) + 1
        if kind == 2:
            code.setdefault(capability, set()).add('a' if flags >> 20 & 1 else '')
        entry += header + size
    at = -(-at // 8) * 8
names = [f'{c // 10}.{c % 10}{a}' for c in sorted(code) for a in sorted(code[c])]
print('code for:', ', '.join(names), '| entries with PTX:', kinds[1])
assert names == ['7.5', '8.0', '8.6', '8.9', '9.0a', '12.0a'] and kinds[1] == 0

move = lambda text: re.compile(rb'[\x48\x49][\xb8-\xbf]' + re.escape(text))  # mov r64, imm64
for name in (b'libcudnn.so.9', b'libcufft.so.12'):
    text = name + b'\0'
    tails = [name[-8:], text[-8:]]
    heads = [m.start() for m in move(text[:8]).finditer(data)]
    pairs = sum(any(move(tail).search(data, head + 10, head + 64) for tail in tails) for head in heads)
    strings = data.find(b'\0' + text)
    print(name.decode(), '| as a string:', strings >= 0, '| as two constants:', pairs > 0)
    assert strings < 0 and pairs > 0
P
venv/bin/python read.py "$provider"
