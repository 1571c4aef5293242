#!/bin/bash
# The installed package serves a project of its own: install BUILD to an empty prefix, build package/ against it, run it.
set -euo pipefail
[[ $# -eq 3 ]] || {
    printf 'usage: %s BUILD CXX_COMPILER WORK\n' "$0" >&2
    exit 2
}
build=$1 compiler=$2 work=$3
consumer=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/package

rm -rf "$work"
cmake --install "$build" --prefix "$work/prefix"
cmake -S "$consumer" -B "$work/build" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$work/prefix"
cmake --build "$work/build"
"$work/build/consumer"
