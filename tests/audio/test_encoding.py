"""Encoders whose libraries are extras."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from sokuon.audio.encoding import StreamEncoder

RATE = 24000


def test_aac_holds_every_sample() -> None:
    av: Any = pytest.importorskip("av", reason="AAC needs sokuon[aac], 100 MB")
    sound = (0.5 * np.sin(np.arange(RATE) * (2 * np.pi * 440 / RATE))).astype(np.float32)
    encoded = StreamEncoder(RATE, "aac")
    pieces = [encoded.push(piece) for piece in (sound[:7000], sound[:0], sound[7000:])]
    data = b"".join([*pieces, encoded.finish()])
    frames = [frame.to_ndarray() for frame in av.open(io.BytesIO(data)).decode(audio=0)]
    samples = np.concatenate([frame[0] for frame in frames])
    assert RATE <= len(samples) < RATE + 3 * 1024  # whole frames of 1,024, one of them before the sound
    assert abs(np.abs(samples[4000:20000]).max() - 0.5) < 0.05
