#!/usr/bin/env bash
# Usage: gpu.sh [join [FOLDER...]]   checks the parts of the kit and joins them into a folder
#        gpu.sh status [FOLDER...]   says which parts are there, and whether they are joined
#        gpu.sh run [ARGUMENTS...]   joins where needed, then measures; results go to $OUT, else to ./gpu-results
#
# Needs bash, coreutils, tar and gzip. Parts are looked for beside this file, in the folders given, and in those of SDP_PARTS (with colons between).
# The folder is SDP_KIT_DIR, else sdp-lab beside this file, else (where that cannot be written) one for temporary files.
set -euo pipefail

self=$(readlink -f -- "${BASH_SOURCE[0]}")
here=${self%/*}
contents=(LICENSE README.txt app bench licences node resources sdp testdata)

fail() {
  printf 'gpu.sh: %s\n' "$1" >&2
  exit 1
}

choose_kit() {
  kit=$here/sdp-lab
  if [ -n "${SDP_KIT_DIR:-}" ]; then kit=$SDP_KIT_DIR
  elif [ ! -w "$here" ] && ! is_joined; then kit=${TMPDIR:-/tmp}/sdp-lab-$UID
  fi
  case $kit in /*) ;; *) kit=$PWD/$kit ;; esac
}

# Names, sizes and digests of the parts; lengths of the two streams in them, packed and unpacked; the provider's place in the folder.
read_manifest() {
  names=() sizes=() digests=() glibc=
  [ -f "$here/manifest" ] || fail "$here/manifest is missing: copy it from where the kit was packed."
  local key a b c
  while read -r key a b c; do
    case $key in
      app) app_packed=$a app_bytes=$b ;;
      provider) provider_packed=$a provider_bytes=$b provider_path=$c ;;
      part) digests+=("$a") sizes+=("$b") names+=("$c") ;;
      version) if [ "$a" = glibc ]; then glibc=$b; fi ;;
    esac
  done <"$here/manifest"
  manifest_digest=$(digest "$here/manifest")
}

digest() {
  local sum
  sum=$(sha256sum <"$1")
  printf '%s' "${sum%% *}"
}

mib() { printf '%s MiB' "$((($1 + 1048575) / 1048576))"; }

# What is wrong with the file of a part; nothing where it is whole.
flaw() { # FILE INDEX
  local size
  size=$(stat -Lc %s -- "$1")
  if [ "$size" != "${sizes[$2]}" ]; then printf '%s bytes of %s' "$size" "${sizes[$2]}"
  elif [ "$(digest "$1")" != "${digests[$2]}" ]; then printf 'its SHA-256 is not the one in the manifest'
  fi
}

# Fills `files` with whole parts in order; prints a line for each that is missing or damaged, and counts them in `problems`.
find_parts() { # FOLDER...
  local folders=("$here" "$@") given=() folder file index wrong line
  IFS=: read -r -a given <<<"${SDP_PARTS:-}"
  folders+=("${given[@]}")
  files=() problems=0
  for index in "${!names[@]}"; do
    line="missing: ${names[index]} ($(mib "${sizes[index]}"))"
    for folder in "${folders[@]}"; do
      file=$folder/${names[index]}
      if [ ! -f "$file" ]; then continue; fi
      wrong=$(flaw "$file" "$index")
      if [ -z "$wrong" ]; then files+=("$file") line= && break; fi
      line="damaged: $file ($wrong)"
    done
    if [ -n "$line" ]; then echo "$line" && problems=$((problems + 1)); fi
  done
}

# The state of the folder: the digest of the manifest that it was joined from, then what is done of it.
state() { if [ -f "$kit/joined" ]; then echo "$(<"$kit/joined")"; fi; }
is_joined() { [ "$(state)" = "$manifest_digest app provider" ]; }

# Ends where the folder has no room for that many bytes and a twentieth more.
need_room() { # BYTES
  local free
  free=$(df -B1 --output=avail -- "$kit")
  free=${free##*$'\n'}
  if [ "$free" -lt $(($1 + $1 / 20)) ]; then
    fail "$kit has $(mib "$free") free, $(mib $(($1 + $1 / 20))) are needed: make room, or name another folder by SDP_KIT_DIR."
  fi
}

prepare_kit() {
  mkdir -p -- "$kit"
  [ -O "$kit" ] || fail "$kit belongs to somebody else: name another folder by SDP_KIT_DIR."
  if [ -f "$kit/joined" ]; then
    rm -rf -- "${contents[@]/#/$kit/}"
  elif [ -n "$(ls -A -- "$kit")" ]; then
    fail "$kit is there and holds no kit: name another folder by SDP_KIT_DIR."
  fi
  echo "$manifest_digest" >"$kit/joined"
}

join_app() {
  need_room "$((app_bytes + provider_bytes))"
  # In place of a pipe: that `head` ends first is no failure of `cat`.
  head -c "$app_packed" < <(cat -- "${files[@]}" 2>/dev/null) | tar -xz --no-same-owner -C "$kit"
  "$kit/node/bin/node" --version >/dev/null ||
    fail "Node.js of the kit does not start: it needs Linux on x86-64 with glibc $glibc or newer, and libstdc++."
  echo "$manifest_digest app" >"$kit/joined"
}

join_provider() {
  local place=$kit/$provider_path
  if [ "$provider_packed" != 0 ]; then
    need_room "$provider_bytes"
    cat -- "${files[@]}" | tail -c "+$((app_packed + 1))" | "$kit/node/bin/node" -e '
      const { createWriteStream } = require("node:fs");
      const { createBrotliDecompress } = require("node:zlib");
      require("node:stream").pipeline(process.stdin, createBrotliDecompress(), createWriteStream(process.argv[1]), (error) => {
        if (error) throw error;
      });' "$place.partial"
    mv -- "$place.partial" "$place"
  fi
  echo "$manifest_digest app provider" >"$kit/joined"
}

# One join of a folder at a time; the lock of a process that is gone counts for nothing.
lock() {
  local other=
  mkdir -p -- "${kit%/*}"
  if ! (set -o noclobber && echo $$ >"$kit.lock") 2>/dev/null; then
    if [ -f "$kit.lock" ]; then other=$(<"$kit.lock"); fi
    if [ -n "$other" ] && kill -0 "$other" 2>/dev/null; then
      fail "process $other joins $kit: wait until it is done, or name another folder by SDP_KIT_DIR."
    fi
    echo $$ >"$kit.lock"
  fi
  trap 'rm -f -- "$kit.lock"' EXIT
}

join_parts() { # FOLDER...
  if is_joined; then return; fi
  find_parts "$@"
  if [ "$problems" -gt 0 ]; then
    fail "$problems of ${#names[@]} parts are missing or damaged: copy them to $here, or name their folders (gpu.sh join FOLDER..., or SDP_PARTS), and start again."
  fi
  lock
  if [ "$(state)" != "$manifest_digest app" ]; then
    prepare_kit
    join_app
  fi
  join_provider
  rm -f -- "$kit.lock"
}

report() { # FOLDER...
  if is_joined; then echo "joined: $kit" && return; fi
  find_parts "$@"
  echo "${#files[@]} of ${#names[@]} parts are there; not joined yet"
  [ "$problems" = 0 ]
}

read_manifest
choose_kit
command=${1:-join}
if [ $# -gt 0 ]; then shift; fi
case $command in
  join)
    join_parts "$@"
    echo "joined: $kit"
    ;;
  status) report "$@" ;;
  run)
    join_parts
    export OUT=${OUT:-$PWD/gpu-results}
    export ORT_DISABLE_TELEMETRY=1
    exec "$kit/node/bin/node" "$kit/app/out/main/gpu.js" run "$@"
    ;;
  *) fail "there is no command \"$command\"; there are join, status and run." ;;
esac
