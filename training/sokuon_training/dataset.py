"""Prepared recordings in memory, and which of them are held out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sokuon_training.features import HOP, Features

HELD_OUT_PREFIX = "tatoeba_"  # everyday language, where the teacher is right
HELD_OUT_EVERY, HELD_OUT_OFFSET = 11, 5


def held_out(name: str) -> bool:
    """Whether a recording is kept for evaluation only."""
    if not name.startswith(HELD_OUT_PREFIX):
        return False
    return int(name.removeprefix(HELD_OUT_PREFIX)) % HELD_OUT_EVERY == HELD_OUT_OFFSET


@dataclass(frozen=True)
class Recording:
    """One recording: F frames, HOP * F samples."""

    name: str
    samples: npt.NDArray[np.int16]
    features: Features

    @property
    def frames(self) -> int:
        return len(self.features.f0)


def load(work: Path, held: bool | None = False) -> list[Recording]:
    """The training recordings (held=False), the held-out ones (True) or all (None)."""
    paths = sorted((work / "features").glob("*.npz"))
    names = [p for p in paths if held is None or held_out(p.stem) == held]
    if not names:
        raise FileNotFoundError(f"{work}/features holds no recordings: run sokuon_training.analyse first")
    return [_read(p) for p in names if not p.stem.endswith(".part")]


def _read(path: Path) -> Recording:
    with np.load(path) as data:
        features = Features(data["envelope"], data["aperiodicity"], data["f0"])
        samples = data["samples"]
    if len(samples) != HOP * len(features.f0):
        raise ValueError(f"{path}: {len(samples)} samples for {len(features.f0)} frames")
    return Recording(path.stem, samples, features)
