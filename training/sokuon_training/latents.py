"""The fixed map from features to the latent z (see features.py), fitted once on the training set.

Channels before the shuffle: BANDS envelope components (PCA, partly whitened), the coded aperiodicity bands, voicing,
log F0 twice, 20 bumps over log F0 (0 where unvoiced), and noise channels that carry nothing. A fixed shuffle spreads
the groups over both halves of the flow's couplings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]

BUMPS = 20
CENTRE_HZ = 255.0  # the teacher's median F0
BUMP_WIDTH_ST = 1.0  # standard deviation of a bump; bumps are one semitone apart
BUMP_HEIGHT = 2.0
LOG_F0_SCALE = 3.0  # per octave
SHUFFLE_SEED = 0


@dataclass(frozen=True)
class LatentMap:
    """An affine map fitted by `fit`; `channels` in all, the last ones before the shuffle being noise."""

    mean: F32  # [BANDS]
    basis: F32  # [BANDS, BANDS], rows are components
    scale: F32  # [BANDS]
    noise_mean: F32  # [A] of the aperiodicity, dB
    noise_scale: F32  # [A]
    channels: int

    @property
    def order(self) -> npt.NDArray[np.int64]:
        """z channel i is unshuffled channel order[i]."""
        return np.random.default_rng(SHUFFLE_SEED).permutation(self.channels)

    @property
    def used(self) -> int:
        """Channels that carry something (unshuffled 0 .. used - 1)."""
        return len(self.mean) + len(self.noise_mean) + 3 + BUMPS

    @property
    def pitch_channels(self) -> npt.NDArray[np.int64]:
        """Where voicing, log F0 and bumps sit in the shuffled z."""
        first = len(self.mean) + len(self.noise_mean)
        return np.flatnonzero((self.order >= first) & (self.order < self.used))

    @property
    def empty_channels(self) -> npt.NDArray[np.int64]:
        """Where the noise channels sit in the shuffled z."""
        return np.flatnonzero(self.order >= self.used)

    def __call__(self, envelope: F32, aperiodicity: F32, f0: F32) -> F32:
        """[F, BANDS], [F, A], [F] -> z [channels, F], noise channels 0."""
        parts = (
            (envelope - self.mean) @ self.basis.T * self.scale,
            (aperiodicity - self.noise_mean) * self.noise_scale,
            pitch(f0),
            np.zeros((len(f0), self.channels - self.used), np.float32),
        )
        return np.ascontiguousarray(np.concatenate(parts, 1).T[self.order], np.float32)

    def pitch_of(self, f0: F32) -> F32:
        """The pitch channels [pitch channels, F] for F0 [F], in the order of `pitch_channels`."""
        first = len(self.mean) + len(self.noise_mean)
        return np.ascontiguousarray(pitch(f0).T[self.order[self.pitch_channels] - first])

    def f0_of(self, z: F32) -> F32:
        """F0 [F] in Hz (0 where unvoiced) as z [channels, F] says it."""
        plain = np.empty_like(z)
        plain[self.order] = z
        first = len(self.mean) + len(self.noise_mean)
        log_f0 = plain[first + 1 : first + 3].mean(0) / LOG_F0_SCALE
        return np.where(plain[first] > 0, CENTRE_HZ * 2.0**log_f0, 0.0).astype(np.float32)

    def save(self, path: Path) -> None:
        np.savez(path, **{k: np.asarray(v) for k, v in self.__dict__.items()})

    @classmethod
    def load(cls, path: Path) -> LatentMap:
        with np.load(path) as data:
            arrays = {k: data[k] for k in data.files}
        return cls(**{**arrays, "channels": int(arrays["channels"])})


def fit(envelope: F32, aperiodicity: F32, channels: int) -> LatentMap:
    """A map for frames [F, BANDS], [F, A]. Components are scaled by 1/sqrt(std): loud ones stay larger, so that
    equal noise in z is a similar error in dB everywhere."""
    mean = envelope.mean(0)
    values, vectors = np.linalg.eigh(np.cov((envelope - mean).T))
    std = np.sqrt(np.maximum(values[::-1], 1e-6))
    scale = 0.5 / np.sqrt(std)
    return LatentMap(
        mean.astype(np.float32),
        np.ascontiguousarray(vectors.T[::-1], np.float32),
        scale.astype(np.float32),
        aperiodicity.mean(0).astype(np.float32),
        (0.7 / (aperiodicity.std(0) + 1e-3)).astype(np.float32),
        channels,
    )


def pitch(f0: F32) -> F32:
    """[F] Hz -> [F, 3 + BUMPS]: voicing +-1, log F0 twice (interpolated through unvoiced frames), bumps."""
    voiced = f0 > 0
    if voiced.any():
        index = np.arange(len(f0))
        octaves = np.interp(index, index[voiced], np.log2(f0[voiced] / CENTRE_HZ))
    else:
        octaves = np.zeros(len(f0))
    centres_st = np.arange(BUMPS) - (BUMPS - 1) / 2
    distance = (12 * octaves[:, None] - centres_st) / BUMP_WIDTH_ST
    bumps = BUMP_HEIGHT * np.exp(-0.5 * distance**2) * voiced[:, None]
    log_f0 = LOG_F0_SCALE * octaves[:, None]
    return np.concatenate([np.where(voiced, 1.0, -1.0)[:, None], log_f0, log_f0, bumps], 1).astype(np.float32)
