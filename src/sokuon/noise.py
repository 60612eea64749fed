"""Random numbers that a seed fixes for ever.

NumPy guarantees the stream of the legacy `RandomState` over versions (NEP 19), which `Generator` does not have. Each
sentence draws from its own stream, named by the seed and by what is said, so neither threads nor the sentences around
it change how it sounds.
"""

from __future__ import annotations

import hashlib
import os

import numpy as np

from sokuon.storage.tensors import F32
from sokuon.text import Phonemes


class Noise:
    """Standard normal numbers for one sentence, in the order they are drawn."""

    def __init__(self, seed: int, phonemes: Phonemes) -> None:
        said = f"{seed}\n{' '.join(phonemes.symbols)}\n{phonemes.tones}"
        digest = hashlib.sha256(said.encode()).digest()
        self._state = np.random.RandomState(np.frombuffer(digest, "<u4"))

    def draw(self, rows: int, columns: int, scale: float) -> F32:
        """[rows, columns] of standard normal numbers times `scale`."""
        numbers = self._state.standard_normal((rows, columns))
        return (numbers * scale).astype(np.float32)


def fresh_seed() -> int:
    """A seed nobody chose."""
    return int.from_bytes(os.urandom(8), "big") >> 1
