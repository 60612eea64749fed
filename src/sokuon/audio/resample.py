"""Another sample rate, for the whole sound or piece by piece, by a polyphase filter.

Our own few lines because the libraries bring too much for one filter: soxr is LGPL, SciPy is large.

The output runs `up`/`down` times as fast as the input. Every `up` outputs need the same combination of inputs as the
`up` before them, `down` inputs later; so one matrix [up, down + taps - 1] holds the filter, and one product makes all.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sokuon.errors import AudioError
from sokuon.storage.tensors import F32

_STOPBAND_DB = 110.0  # 16-bit samples have a noise floor of -98 dB
_ROLLOFF = 0.91  # of the lower Nyquist frequency is kept (20 kHz of 44.1), from that frequency on nothing is
_MOST_PHASES = 1000  # keeps the matrix small; a rate that is no simple multiple is met to a tenth of a cent
_LOWEST_HZ, _HIGHEST_HZ = 1000, 768_000


class Resampler:
    """Sound in pieces from `rate` to `wanted` Hz: the pieces joined are what `resample` gives for the whole.

    Raises AudioError for a rate no sound has.
    """

    def __init__(self, rate: int, wanted: int) -> None:
        self._up, self._down = _ratio(rate, wanted)
        self._filter = _filter(self._up, self._down) if self._up != self._down else None
        self._taps = 1 if self._filter is None else self._filter.shape[1] - self._down + 1
        self._held: F32 = np.zeros(self._taps // 2, np.float32)  # before the sound there is silence
        self._read = self._written = 0

    def push(self, samples: F32) -> F32:
        """The outputs that these inputs complete: samples [N] → about N · wanted / rate."""
        self._read += len(samples)
        if self._filter is None:
            return samples
        held = np.concatenate([self._held, samples])
        blocks = max(0, (len(held) - self._taps + 1) // self._down)
        self._held = held[blocks * self._down :]
        self._written += blocks * self._up
        if not blocks:
            return np.zeros(0, np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(held, self._filter.shape[1])[:: self._down][:blocks]
        made: F32 = (windows @ self._filter.T).reshape(-1)
        return made

    def finish(self) -> F32:
        """The outputs that were still waiting for inputs; all outputs are then ceil(inputs · wanted / rate)."""
        if self._filter is None:
            return np.zeros(0, np.float32)
        left = -(-self._read * self._up // self._down) - self._written
        return self.push(np.zeros(self._taps + self._down, np.float32))[:left]


def resample(samples: F32, rate: int, wanted: int) -> F32:
    """Samples [N] at `rate` Hz → [ceil(N · wanted / rate)] at `wanted` Hz; aliases and images lie 100 dB below."""
    resampler = Resampler(rate, wanted)
    return np.concatenate([resampler.push(samples), resampler.finish()])


def _ratio(rate: int, wanted: int) -> tuple[int, int]:
    """`up` and `down`, without a common divisor."""
    for hertz in (rate, wanted):
        if not _LOWEST_HZ <= hertz <= _HIGHEST_HZ:
            raise AudioError(f"{hertz} Hz cannot be resampled; rates from {_LOWEST_HZ} to {_HIGHEST_HZ} Hz can.")
    if rate == wanted:
        return 1, 1
    from fractions import Fraction  # decimal comes with it

    ratio = Fraction(wanted, rate).limit_denominator(max(1, _MOST_PHASES * min(rate, wanted) // wanted))
    return ratio.numerator, ratio.denominator


@lru_cache(maxsize=8)
def _filter(up: int, down: int) -> F32:
    """Row r makes output r of a block from its window of inputs: a windowed sinc, shifted by r · down / up."""
    slower = min(1.0, up / down)  # the lower of both rates, in units of the input's
    width = slower * (1 - _ROLLOFF) / 2
    half = int(np.ceil((_STOPBAND_DB - 8) / (2.285 * 2 * np.pi * width) / 2))  # Kaiser's length
    places = np.arange(down + 2 * half) - half
    shift = places - np.arange(up)[:, None] * (down / up)  # [up, down + taps - 1], in input samples
    inside = np.clip(1 - (shift / (half + 1)) ** 2, 0, None)
    window = np.i0(0.1102 * (_STOPBAND_DB - 8.7) * np.sqrt(inside)) * (inside > 0)
    cutoff = slower * (1 + _ROLLOFF) / 2
    rows = cutoff * np.sinc(cutoff * shift) * window
    rows /= rows.sum(axis=1, keepdims=True)  # a constant stays that constant at every phase
    return np.asarray(rows, np.float32)
