"""Random numbers that a seed fixes for ever.

NumPy guarantees the stream of the legacy `RandomState` over versions (NEP 19), which `Generator` does not have. Each
sentence draws from its own stream, named by the seed and by what is said, so neither threads nor the sentences around
it change how it sounds. The native library draws the same numbers; `numpy.random` and `hashlib` would bring OpenSSL and
6 MB to every start.
"""

from __future__ import annotations

import contextlib
import os
from importlib import import_module
from typing import Protocol

import numpy as np

from sokuon.native import library as native
from sokuon.native.noise import NativeNoise
from sokuon.storage.tensors import F32
from sokuon.text import Phonemes


class Noise:
    """Standard normal numbers for one sentence, in the order they are drawn."""

    def __init__(self, seed: int, phonemes: Phonemes) -> None:
        said = f"{seed}\n{' '.join(phonemes.symbols)}\n{phonemes.tones}"
        self._stream = _stream(_sha256(said.encode()))

    def draw(self, rows: int, columns: int, scale: float) -> F32:
        """[rows, columns] of standard normal numbers times `scale`."""
        return self._stream.draw(rows * columns, scale).reshape(rows, columns)


class _Stream(Protocol):
    """Standard normal numbers times `scale`, one after the other."""

    def draw(self, count: int, scale: float) -> F32: ...


class NumpyNoise:
    """RandomState itself."""

    def __init__(self, seed: bytes) -> None:
        self._state = np.random.RandomState(np.frombuffer(seed, "<u4"))

    def draw(self, count: int, scale: float) -> F32:
        """See _Stream."""
        return (self._state.standard_normal(count) * scale).astype(np.float32)


def _stream(seed: bytes) -> _Stream:
    return NativeNoise(seed) if native.available()[0] else NumpyNoise(seed)


def _sha256(data: bytes) -> bytes:
    """By the interpreter's own module where there is one: `random` does the same."""
    for name in ("_sha2", "_sha256", "hashlib"):  # from Python 3.12 on, before, anywhere
        with contextlib.suppress(ImportError):
            digest: bytes = import_module(name).sha256(data).digest()
            return digest
    raise AssertionError("hashlib is part of Python")


def fresh_seed() -> int:
    """A seed nobody chose."""
    return int.from_bytes(os.urandom(8), "big") >> 1
