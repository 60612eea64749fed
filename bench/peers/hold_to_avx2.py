"""A processor with AVX2 and nothing after it, for libraries that ask the processor themselves: no AVX-512, no VNNI.

    python bench/peers/hold_to_avx2.py PEER_PYTHON FOLDER [--library libsokuon.so]

ONNX Runtime has no setting for its instruction set. Here its CPUID instructions become invalid ones, which a handler
(FOLDER/hold.so, a C compiler makes it) answers as the processor does, less what came after AVX2. FOLDER/python is the
peers' interpreter with that copy of ONNX Runtime: give it to `bench/compare.py --peer-python`. A library of Sokuon is
copied and held in the same way: name FOLDER/libsokuon.so in SOKUON_NATIVE_LIBRARY, and run Sokuon with
LD_PRELOAD=FOLDER/hold.so. x86-64 Linux, with objdump. What is left of the newer processor are its clock and the widths
of its units.
"""

from __future__ import annotations

import argparse
import re
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

CPUID, INVALID = b"\x0f\xa2", b"\x0f\x0b"
HANDLER = r"""
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

static void answer(int number, siginfo_t* info, void* context) {
    greg_t* r = ((ucontext_t*)context)->uc_mcontext.gregs;
    if (memcmp((void*)r[REG_RIP], "\x0f\x0b", 2)) { signal(number, SIG_DFL); return; }
    unsigned leaf = (unsigned)r[REG_RAX], part = (unsigned)r[REG_RCX], a, b, c, d;
    __cpuid_count(leaf, part, a, b, c, d);
    if (leaf == 7 && part == 0) {
        b &= ~(1u << 16 | 1u << 17 | 1u << 21 | 1u << 26 | 1u << 27 | 1u << 28 | 1u << 30 | 1u << 31);
        c &= ~(1u << 1 | 1u << 6 | 1u << 11 | 1u << 12 | 1u << 14);
        d &= ~(1u << 2 | 1u << 3 | 1u << 8 | 1u << 22 | 1u << 23 | 1u << 24 | 1u << 25);
    }
    if (leaf == 7 && part == 1) {
        a &= ~(1u << 4 | 1u << 5 | 1u << 23);
        d &= ~(1u << 4 | 1u << 5 | 1u << 10 | 1u << 19);
    }
    r[REG_RAX] = a, r[REG_RBX] = b, r[REG_RCX] = c, r[REG_RDX] = d;
    r[REG_RIP] += 2;
}

__attribute__((constructor)) static void hold(void) {
    struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGILL, &action, 0);
}
"""
PACKAGE = "import onnxruntime, pathlib; print(pathlib.Path(onnxruntime.__file__).parent)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer_python", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--library", type=Path)
    arguments = parser.parse_args()
    folder: Path = arguments.folder.resolve()
    packages = folder / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    source = subprocess.run([arguments.peer_python, "-c", PACKAGE], capture_output=True, text=True, check=True)
    runtime = packages / "onnxruntime"
    shutil.rmtree(runtime, ignore_errors=True)
    shutil.copytree(source.stdout.strip(), runtime)
    (library,) = (runtime / "capi").glob("onnxruntime_pybind11_state*.so")
    print(f"{library.name}: {hold(library)} instructions")
    if arguments.library is not None:
        copy = Path(shutil.copyfile(arguments.library, folder / "libsokuon.so"))
        print(f"{copy.name}: {hold(copy)} instructions")
    (folder / "hold.c").write_text(HANDLER, encoding="utf-8")
    compiled = ["cc", "-O1", "-shared", "-fPIC", "-o", str(folder / "hold.so"), str(folder / "hold.c")]
    subprocess.run(compiled, check=True)
    python = folder / "python"
    interpreter = arguments.peer_python.absolute()
    python.write_text(
        f'#!/bin/sh\nLD_PRELOAD={folder}/hold.so PYTHONPATH={packages}:$PYTHONPATH exec {interpreter} "$@"\n',
        encoding="utf-8",
    )
    python.chmod(0o755)


def hold(library: Path) -> int:
    """Make its CPUID instructions invalid ones; returns how many there were."""
    data = bytearray(library.read_bytes())
    segments = list(loaded(data))
    places = [
        address - start + offset
        for address in asked(library)
        for start, end, offset in segments
        if start <= address < end
    ]
    for place in places:
        if data[place : place + 2] != CPUID:
            raise SystemExit(f"{library}: no CPUID at byte {place}")
        data[place : place + 2] = INVALID
    library.write_bytes(data)
    return len(places)


def asked(library: Path) -> Iterator[int]:
    """Addresses of the CPUID instructions."""
    listing = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", str(library)], capture_output=True, text=True, check=True
    ).stdout
    for found in re.finditer(r"^\s*([0-9a-f]+):\s+cpuid\b", listing, re.MULTILINE):
        yield int(found[1], 16)


def loaded(data: bytes) -> Iterator[tuple[int, int, int]]:
    """First and last address of each segment that is loaded, and its place in the file (ELF64)."""
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for number in range(count):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", data, table + number * size)
        if kind == 1:
            yield address, address + length, offset


if __name__ == "__main__":
    main()
