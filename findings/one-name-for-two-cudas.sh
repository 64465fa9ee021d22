#!/usr/bin/env bash
# cuDNN 9 and cuRAND 10 have the same file names and sonames for CUDA 12 as for CUDA 13, and neither is linked against a CUDA library of its
# major version. Which CUDA a cuDNN is for, libcudnn_adv.so.9 tells by the name of the cuBLAS that it opens; cuRAND names none.
# Seen with the packages below from PyPI, Linux x86-64, on 2026-11-28:
#   nvidia-cudnn-cu12 9.28.0.42: libcudnn_adv.so.9 is linked against no CUDA library, names libcublasLt.so.12
#   nvidia-cudnn-cu13 9.28.0.42: libcudnn_adv.so.9 is linked against no CUDA library, names libcublasLt.so.13
#   nvidia-curand-cu12 10.3.10.19 and nvidia-curand 10.4.3.29: libcurand.so.10 is linked against no CUDA library, names none
# Needs bash, python3 with venv, binutils, PyPI (1.2 GB) and 3 GB of disk. Exits 1 where anything is otherwise.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
cuda='lib(cudart|cublas|cublasLt|nvrtc)\.so\.[0-9]+'

tell() { # package, file: what the file is linked against and what it names
  local library soname linked named
  venv/bin/pip -q install --no-deps --no-cache-dir --target "$1" "$1"
  library=$(find "$1" -name "$2")
  soname=$(readelf -d "$library" | sed -n 's/.*soname: \[\(.*\)\]/\1/p')
  linked=$(readelf -d "$library" | grep NEEDED | grep -oE "$cuda" | sort -u || true)
  named=$(strings -n 8 "$library" | grep -xE "$cuda" | sort -u || true)
  echo "$1: $soname linked against ${linked:-none}, names ${named:-none}"
  rm -r "$1"
}
expect() {
  local seen
  seen=$(tell "$1" "$2")
  echo "$seen"
  [[ $seen == "$1: $2 linked against none, names $3" ]]
}
expect nvidia-curand-cu12==10.3.10.19 libcurand.so.10 none
expect nvidia-curand==10.4.3.29 libcurand.so.10 none
expect nvidia-cudnn-cu12==9.28.0.42 libcudnn_adv.so.9 libcublasLt.so.12
expect nvidia-cudnn-cu13==9.28.0.42 libcudnn_adv.so.9 libcublasLt.so.13
