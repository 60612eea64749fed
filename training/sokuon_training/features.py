"""Frame features of the built-in voice: the fixed, invertible-enough map from sound to the latent `z`.

Why it exists: VITS learns a posterior encoder from sound to `z`. Two CPU cores have no time for that, so `z` is a
fixed affine map of WORLD features (Morise et al. 2016) instead. The decoder (z -> sound) and the acoustic model
(text -> z) can then train at the same time, and F0 is an explicit part of `z`: giving the training targets another
F0 needs no resynthesis.

Shapes: F frames of `HOP` samples; frame f is centred on sample (f + 0.5) * HOP.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyworld
import soundfile

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

SAMPLE_RATE = 24_000
HOP = 300
BANDS = 60
F0_FLOOR_HZ, F0_CEIL_HZ = 90.0, 600.0
HALF_FRAME_MS = 1000.0 * HOP / SAMPLE_RATE / 2
LOG_FLOOR = -18.0  # natural log of power; below it is digital silence


@dataclass(frozen=True)
class Features:
    """WORLD features of one recording."""

    envelope: F32  # [F, BANDS] log power in mel bands, without harmonics
    aperiodicity: F32  # [F, 2 or 3] dB, coded bands
    f0: F32  # [F] Hz, 0 where unvoiced


def mel_matrix(bins: int, bands: int = BANDS, rate: int = SAMPLE_RATE) -> F64:
    """Triangular mel bands, each summing to 1 (mean power): [bands, bins]."""
    hz = np.linspace(0, rate / 2, bins)
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)
    rise = (hz[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - hz[None]) / (edges[2:] - edges[1:-1])[:, None]
    weights = np.maximum(0, np.minimum(rise, fall))
    nearest = np.abs(hz[None] - edges[1:-1, None]).argmin(1)
    weights[np.arange(bands), nearest] += 1e-6  # bands narrower than a bin still see one
    return np.asarray(weights / weights.sum(1, keepdims=True))


def analyse(audio: F64) -> Features:
    """Features of `audio` [N] in [-1, 1]; F = N // HOP. WORLD runs at half frames, so frame f is point 2f + 1."""
    frames = len(audio) // HOP
    f0, times = pyworld.dio(audio, SAMPLE_RATE, f0_floor=F0_FLOOR_HZ, f0_ceil=F0_CEIL_HZ, frame_period=HALF_FRAME_MS)
    f0 = pyworld.stonemask(audio, f0, times, SAMPLE_RATE)
    power = pyworld.cheaptrick(audio, f0, times, SAMPLE_RATE)  # [2F + 1, bins]
    noise = pyworld.d4c(audio, f0, times, SAMPLE_RATE)
    centre = 2 * np.arange(frames) + 1
    smooth = (power[centre - 1] + 2 * power[centre] + power[np.minimum(centre + 1, len(power) - 1)]) / 4
    bands = smooth @ mel_matrix(smooth.shape[1]).T
    return Features(
        np.maximum(np.log(bands + 1e-12), LOG_FLOOR).astype(np.float32),
        pyworld.code_aperiodicity(noise[centre], SAMPLE_RATE).astype(np.float32),
        f0[centre].astype(np.float32),
    )


def analyse_file(source: Path, target: Path) -> int:
    """Write the features and the 16-bit samples of one recording; the number of frames. Skips what exists."""
    if target.exists():
        return 0
    samples, rate = soundfile.read(source, dtype="int16")
    if rate != SAMPLE_RATE or samples.ndim != 1:
        raise ValueError(f"{source}: expected {SAMPLE_RATE} Hz mono, found {rate} Hz, shape {samples.shape}")
    samples = samples[: len(samples) // HOP * HOP]
    features = analyse(samples.astype(np.float64) / 32768)
    partial = target.with_suffix(".part.npz")
    np.savez(partial, samples=samples, envelope=features.envelope, aperiodicity=features.aperiodicity, f0=features.f0)
    partial.rename(target)
    return len(features.f0)
