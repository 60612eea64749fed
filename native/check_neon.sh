#!/bin/sh
# Cross-compiles the tests in native/tests for aarch64 and runs them under qemu-user.
# Needs Debian's g++-aarch64-linux-gnu and qemu-user.   native/check_neon.sh [build folder]
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$(mktemp -d)}
cmake -S "$here" -B "$build" -DSOKUON_NATIVE_TESTS=ON -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
    -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++
cmake --build "$build" --parallel "$(nproc)"
for test in "$build"/native/*test; do qemu-aarch64 -L /usr/aarch64-linux-gnu "$test"; done
