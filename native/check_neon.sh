#!/bin/sh
# Cross-compiles the tests in native/tests for aarch64 and runs them under qemu-user: all of them on the first processor
# named (`qemu-aarch64 -cpu help`; else the one that has everything), on the others the one whose kernels differ there.
# Needs Debian's g++-aarch64-linux-gnu and qemu-user.   native/check_neon.sh [build folder [processor...]]
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$(mktemp -d)}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- max,pauth=off
cmake -S "$here" -B "$build" -DCMAKE_BUILD_TYPE=Release -DSOKUON_NATIVE_TESTS=ON -DCMAKE_SYSTEM_NAME=Linux \
    -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++
cmake --build "$build" --parallel "$(nproc)"
run() {
    echo "$1: ${2##*/}"
    qemu-aarch64 -cpu "$1" -L /usr/aarch64-linux-gnu "$2"
}
for test in "$build"/native/*test; do run "$1" "$test"; done
shift
for processor in "$@"; do run "$processor" "$build/native/bert_test"; done
