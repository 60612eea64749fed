"""The native library: found, loaded, its interface version checked; what its four networks share.

`native/` (C++) through ctypes, which releases the GIL while it runs. The library is optional: `available()` says
whether it can be used and why; without it ONNX Runtime does the same work. Nothing is loaded at import time.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

import sokuon
from sokuon.errors import SokuonError, WeightError
from sokuon.native.interruptible import interruptible, on_main_thread
from sokuon.storage.tensors import F32, TensorFile

Storage = Literal["fp32", "q16"]  # of weights in memory: as they are, or 16-bit codes with a scale

Signatures = Mapping[str, tuple[Any, tuple[Any, ...]]]  # C function -> (result type, argument types)

ABI_VERSION = 5

STORAGE = {"fp32": 0, "q16": 1}  # SK_STORAGE_…

ISA_VARIABLE = "SOKUON_NATIVE_ISA"  # forces an instruction set: amx, avx512, avx2, sse2, neon

LIBRARY_VARIABLE = "SOKUON_NATIVE_LIBRARY"  # another library file, for development

_SCALES = ".scales"  # behind the name of what has them, in a file of codes

_STOPPED = -3  # SK_STOPPED

_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h
_HEAPS = 2

_NOTE = "why_missing.txt"  # CMakeLists.txt and pyproject.toml install it where they cannot install the library


class NativeError(SokuonError, RuntimeError):
    """The native library is missing, does not fit this machine, or ran out of memory."""


class StopRunError(SokuonError):
    """A run was told to stop before its end (`stoppable`)."""


class Tensor(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("data", ctypes.c_void_p), ("size", ctypes.c_int64))


class Codes(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("codes", ctypes.c_void_p),
        ("scales", ctypes.c_void_p),
        ("size", ctypes.c_int64),
        ("scale_count", ctypes.c_int64),
    )


FROM_TENSORS = (
    ctypes.POINTER(Tensor),  # the table
    ctypes.c_int64,  # its rows
    ctypes.POINTER(Codes),  # codes of some of them, used where they lie
    ctypes.c_int64,  # their number
    ctypes.c_int32,  # SK_STORAGE_…
    ctypes.c_char_p,  # instruction set or NULL
    ctypes.c_char_p,  # message
    ctypes.c_int64,  # its bytes
)
"""What sk_flow_create and sk_decoder_create take behind their configuration."""

_SIGNATURES: Signatures = {
    "sk_abi_version": (ctypes.c_int32, ()),
    "sk_isa": (ctypes.c_char_p, ()),
    "sk_isas": (ctypes.c_char_p, ()),
    "sk_stop_when": (None, (ctypes.c_void_p,)),
}


def available() -> tuple[bool, str]:
    """(usable, instruction set) or (False, why not). Loads the library on the first call; never raises."""
    try:
        return True, str(library().sk_isa().decode())
    except (NativeError, OSError, AttributeError) as problem:
        return False, str(problem)


def isas() -> tuple[str, ...]:
    """Instruction sets that this machine can run, best first."""
    return tuple(library().sk_isas().decode().split(","))


def _library_file() -> Path:
    if named := os.environ.get(LIBRARY_VARIABLE):
        return Path(named)
    name = {"win32": "sokuon.dll", "darwin": "libsokuon.dylib"}.get(sys.platform, "libsokuon.so")
    folders = [Path(folder) / "_native" for folder in sokuon.__path__]  # editable: the sources and what was built
    installed = (folder / name for folder in folders if (folder / name).exists() or (folder / _NOTE).exists())
    return next(installed, folders[0] / name)


def why_missing(file: Path | None = None) -> str:
    """Why the installation has no library, by the note that it left in its place; "" where there is no note."""
    note = (file or _library_file()).with_name(_NOTE)
    return note.read_text(encoding="utf-8").strip() if note.is_file() else ""


@functools.cache
def library() -> ctypes.CDLL:
    """The loaded library, the decoder's functions declared; a missing or foreign file is a NativeError."""
    file = _library_file()
    if not file.exists():
        raise NativeError(why_missing(file) or f"{file} does not exist")
    loaded = ctypes.CDLL(str(file))
    declare(loaded, _SIGNATURES)
    if loaded.sk_abi_version() != ABI_VERSION:
        raise NativeError(f"{file} has interface version {loaded.sk_abi_version()}, expected {ABI_VERSION}")
    return loaded


def give_memory_back() -> None:
    """What was freed goes back to the system: glibc keeps the pieces of a voice's weights otherwise (measured at full
    size: 5 of 96 MB went back by themselves, 91 with this)."""
    _tell_glibc("malloc_trim", 0)


def keep_memory_together() -> None:
    """Two heaps for the process, where the C library is glibc: by default each thread may get one of its own.

    What a request needs for a moment then stays behind in every heap that one of its steps ran in, and an hour of mixed
    requests ends several MB above a minute of them. For the process of a server, before its threads begin.
    """
    _tell_glibc("mallopt", _ARENA_MAX, _HEAPS)


def _tell_glibc(function: str, *numbers: int) -> None:
    with contextlib.suppress(OSError, AttributeError):  # another C library
        getattr(ctypes.CDLL(None), function)(*numbers)


def tensor_table(tensors: Mapping[str, npt.NDArray[Any]]) -> tuple[ctypes.Array[Tensor], list[F32]]:
    """Named tensors as C reads them, and the float32 arrays behind them, which must live as long as it does."""
    arrays = [np.ascontiguousarray(value, np.float32) for value in tensors.values()]
    rows = (Tensor(name.encode(), a.ctypes.data, a.size) for name, a in zip(tensors, arrays, strict=True))
    return (Tensor * len(arrays))(*rows), arrays


def code_table(file: TensorFile | None, prefix: str = "") -> ctypes.Array[Codes]:
    """What a file of codes (`sokuon.convert.panels`) holds, under names without `prefix`, as C reads it in the mapped
    file, which must live as long as the network. Raises WeightError where a tensor is missing or of another type.
    """
    names = [name for name in file or () if not name.endswith(_SCALES)]
    return (Codes * len(names))(*(_codes(file, name, prefix) for name in names if file is not None))


def _codes(file: TensorFile, name: str, prefix: str) -> Codes:
    types = {name: "I16", name + _SCALES: "F32"}
    for each, wanted in types.items():
        if each not in file or file.entries[each].dtype != wanted:
            raise WeightError(f"{file.path} holds no tensor {each} of type {wanted}; convert the voice again.")
    codes, scales = (file[each] for each in types)
    if not (codes.flags.aligned and scales.flags.aligned):
        raise WeightError(f"{file.path}: tensor {name} does not lie on a whole number; convert the voice again.")
    return Codes(name.removeprefix(prefix).encode(), codes.ctypes.data, scales.ctypes.data, codes.size, scales.size)


def declare(loaded: ctypes.CDLL, signatures: Signatures) -> None:
    """Give the library's functions their types; every module declares those that it calls. Repeating it is harmless."""
    for name, (result, arguments) in signatures.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments


class StopFlag:
    """Set from any thread; ends the native runs of the thread that is `stoppable` by it."""

    def __init__(self) -> None:
        self._flag = ctypes.c_int32(0)

    def set(self) -> None:
        """Runs that are under way end within a few milliseconds."""
        self._flag.value = 1

    @contextlib.contextmanager
    def stoppable(self) -> Iterator[None]:
        """Native runs that this thread starts inside raise StopRunError soon after the flag is set.

        What ONNX Runtime does goes on to its end.
        """
        if not available()[0]:
            yield
            return
        stop_when = library().sk_stop_when
        stop_when(ctypes.byref(self._flag))
        try:
            yield
        finally:
            stop_when(None)


class Handle:
    """One network of the library, freed with its Python object. Immutable: any number of threads may use it at once."""

    _kind: ClassVar[str]  # of the functions sk_<kind>_create, sk_<kind>_destroy, …
    _signatures: ClassVar[Signatures]

    def __init__(self) -> None:
        self._handle: int | None = None
        self._library = library()
        declare(self._library, self._signatures)

    def _create(self, *arguments: Any) -> str:
        """Make the network from what comes before the instruction set; the reason where it cannot be, else ""."""
        error = ctypes.create_string_buffer(256)
        isa = os.environ.get(ISA_VARIABLE, "").encode()
        self._handle = self._function("create")(*arguments, isa, error, len(error))
        return "" if self._handle else error.value.decode() or "no reason given"

    def _function(self, name: str) -> Any:
        return getattr(self._library, f"sk_{self._kind}_{name}")

    def _status(self, long: bool, *arguments: Any) -> int:
        """Run the network: its status. What takes `long` on the main thread ends early when Ctrl-C interrupts it.

        Raises StopRunError where a StopFlag ended it.
        """
        function = self._function("run")
        if not (long and on_main_thread()):
            status = int(function(self._handle, *arguments))
            if status == _STOPPED:
                raise StopRunError("The run was told to stop.")
            return status
        flag = ctypes.c_int32(0)

        def work() -> int:
            self._library.sk_stop_when(ctypes.byref(flag))  # for this thread
            try:
                return int(function(self._handle, *arguments))
            finally:
                self._library.sk_stop_when(None)

        def stop() -> None:
            flag.value = 1

        return interruptible(work, stop)

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._function("destroy")(self._handle)
            self._handle = None

    @property
    def weight_bytes(self) -> int:
        """Memory of the packed weights."""
        return int(self._function("weight_bytes")(self._handle))
