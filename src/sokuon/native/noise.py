"""The native noise (`native/`, C++): the numbers of NumPy's RandomState, without numpy.random."""

from __future__ import annotations

import ctypes

import numpy as np

from sokuon.native.library import NativeError, Signatures, declare, library
from sokuon.storage.tensors import F32

_WORD_BYTES = 4
_SIGNATURES: Signatures = {
    "sk_noise_create": (ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int64)),
    "sk_noise_destroy": (None, (ctypes.c_void_p,)),
    "sk_noise_draw": (None, (ctypes.c_void_p, ctypes.c_int64, ctypes.c_double, ctypes.c_void_p)),
}


class NativeNoise:
    """RandomState(seed) for a seed of several 32-bit words, little-endian. Not thread-safe."""

    def __init__(self, seed: bytes) -> None:
        self._handle: int | None = None
        self._library = library()
        declare(self._library, _SIGNATURES)
        words = np.frombuffer(seed, "<u4").astype(np.uint32).tobytes()  # as this machine has them
        self._handle = self._library.sk_noise_create(words, len(words) // _WORD_BYTES)
        if not self._handle:
            raise NativeError("The native noise ran out of memory.")

    def draw(self, count: int, scale: float) -> F32:
        """[count] of standard normal numbers times `scale`."""
        numbers = np.empty(count, np.float32)
        self._library.sk_noise_draw(self._handle, count, scale, numbers.ctypes.data)
        return numbers

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._library.sk_noise_destroy(self._handle)
            self._handle = None
