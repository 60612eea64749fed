#!/bin/sh
# Builds the tests in native/tests with AddressSanitizer and UndefinedBehaviorSanitizer (default) or ThreadSanitizer and
# runs them.
#   native/check_sanitizers.sh [build folder] [address,undefined | thread]
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$(mktemp -d)}
kind=${2:-address,undefined}
cmake -S "$here" -B "$build" -DSOKUON_NATIVE_TESTS=ON -DCMAKE_BUILD_TYPE=Debug \
    -DSOKUON_KERNEL_OPTIMIZATION=-O1 -DCMAKE_CXX_FLAGS_DEBUG='-g1 -O1' \
    -DCMAKE_CXX_FLAGS="-fsanitize=$kind -fno-omit-frame-pointer -fno-sanitize-recover=all" \
    -DCMAKE_SHARED_LINKER_FLAGS=-Wl,--undefined-version
cmake --build "$build" --parallel "$(nproc)"
# Threads are the same whatever the kernels compute with, and the test of tiles has one.
[ "$kind" != thread ] || export SOKUON_BEST_ISA_ONLY=1
ctest --test-dir "$build" --output-on-failure --exclude-regex "$([ "$kind" = thread ] && echo tiles || echo none)"
