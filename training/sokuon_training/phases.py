"""The phase of the voice's fundamental, as two channels of z.

Why it exists: a convolutional decoder turns equal frames into equal sound. Where z holds still (a vowel on one pitch)
its output repeats with the frame, whatever F0 the frames ask for: power gathers at multiples of 80 Hz, and harmonics of
an F0 between them can only be made from the noise channels, which works for the lowest few (bench/buzz.py measures
both). With cos and sin of the fundamental's phase at the frame's centre, frames of a steady vowel differ as they must.
The decoder learns them from recordings; at synthesis the flow makes them from noise (carry.py).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from sokuon_training.features import HOP, SAMPLE_RATE

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

PHASE_CHANNELS = (57, 66)  # of the shuffled z: two of its noise channels, in the half that the flow writes last
CARRIER_CHANNELS = (1, 6)  # noise channels of the other half, for the flow alone: the decoder is deaf to them
WINDOW_S = 0.006  # standard deviation of the Gaussian that picks out the fundamental: 27 Hz wide


def steady_f0(f0: F32) -> F64:
    """[F] Hz with unvoiced frames interpolated in log F0; 1 where nothing is voiced."""
    voiced = f0 > 0
    if not voiced.any():
        return np.ones(len(f0))
    index = np.arange(len(f0))
    return np.exp(np.interp(index, index[voiced], np.log(f0[voiced].astype(np.float64))))


def cycles(f0: F32) -> F64:
    """[F] Hz -> cycles of the fundamental since the first frame's centre, at each frame's centre, [F]."""
    line = steady_f0(f0)
    return np.concatenate([[0.0], np.cumsum((line[1:] + line[:-1]) / 2)]) * HOP / SAMPLE_RATE


def phasors(sound: F64, f0: F32) -> npt.NDArray[np.complex64]:
    """Unit phasor of the fundamental at each frame's centre, 0 where unvoiced: sound [F * HOP], F0 [F] -> [F]."""
    centres = (np.arange(len(f0)) + 0.5) * HOP
    turns = np.interp(np.arange(len(sound)), centres, cycles(f0))
    outside = np.arange(len(sound)) < centres[0]  # interp holds the ends; the fundamental goes on there
    turns[outside] -= (centres[0] - np.flatnonzero(outside)) * steady_f0(f0)[0] / SAMPLE_RATE
    slow = sound * np.exp(-2j * np.pi * turns)
    width = WINDOW_S * SAMPLE_RATE
    slow = gaussian_filter1d(slow.real, width) + 1j * gaussian_filter1d(slow.imag, width)
    at = centres.astype(int)
    here = slow[at] * np.exp(2j * np.pi * turns[at])
    unit = here / np.maximum(np.abs(here), 1e-9)
    return np.where(f0 > 0, unit, 0).astype(np.complex64)


def as_channels(phasor: npt.NDArray[np.complex64]) -> F32:
    """[F] complex -> [2, F]."""
    return np.stack([phasor.real, phasor.imag]).astype(np.float32)
