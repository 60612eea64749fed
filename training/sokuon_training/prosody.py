"""An F0 contour that follows the labelled accents, for training targets.

The teacher's own F0 hardly follows OpenJTalk's tones. Since F0 is an explicit part of z (latents.py), the target gets
another one: tone steps, smoothed, on a declining base line with resets at pauses, a fall at the end, a rise for a
question (after Fujisaki 1983 and Kubozono 1993 in outline), plus the fast part of the teacher's own F0, which comes
from the consonants. All in semitones relative to CENTRE_HZ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from sokuon_training.latents import CENTRE_HZ

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]

FRAME_S = 0.0125
STEP_ST = 5.5  # between low and high tone, Neutral style
TONE_SMOOTH_FRAMES, BASE_SMOOTH_FRAMES = 2.5, 2.0
DECLINE_ST_PER_S, MOST_DECLINE_ST = 0.8, 2.4
START_ST, AFTER_PAUSE_ST = 1.2, 0.4
DOWNSTEP_ST, MOST_DOWNSTEPS = 0.5, 3
FINAL_FALL_ST, FINAL_FRAMES = -2.5, 14
QUESTION_RISE_ST, QUESTION_FRAMES = 6.0, 18
MICRO_SHARE, MICRO_LIMIT_ST, MICRO_TREND_FRAMES = 0.5, 1.0, 8.0


@dataclass(frozen=True)
class Contour:
    """F0 of one recording in two parts, [F] each: semitones = range * STEP_ST * accent + base."""

    accent: F32
    base: F32

    def f0(self, voiced: npt.NDArray[np.bool_], accent_range: float = 1.0, shift_st: float = 0.0) -> F32:
        """Hz, 0 where unvoiced."""
        semitones = accent_range * STEP_ST * self.accent + self.base + shift_st
        return np.where(voiced, CENTRE_HZ * 2 ** (semitones / 12), 0.0).astype(np.float32)


def contour(phones: tuple[str, ...], tones: tuple[int, ...], frames: I64, f0: F32) -> Contour:
    """`frames` [N] of each phone (sum F), `f0` [F] of the teacher."""
    ends = np.cumsum(frames)
    starts = ends - frames
    level = np.full(int(ends[-1]), np.nan)
    base = np.zeros(int(ends[-1]))
    fall = rise = None
    segment, offset, steps, last_tone = 0, START_ST, 0, 0
    for phone, tone, start, end in zip(phones, tones, starts, ends, strict=True):
        if phone in {"_", ",", ".", "!", "?", "'", "-"}:
            if phone != "'" and start > segment:
                fall, rise = _ending(phone, base, int(start), fall, rise)
            segment, offset, steps, last_tone = int(end), START_ST if start == 0 else AFTER_PAUSE_ST, 0, 0
            continue
        steps += last_tone > tone
        last_tone = tone
        level[start:end] = tone - 0.5
        seconds = (np.arange(start, end) - segment) * FRAME_S
        decline = np.minimum(DECLINE_ST_PER_S * seconds, MOST_DECLINE_ST)
        base[start:end] = offset - decline - DOWNSTEP_ST * min(steps, MOST_DOWNSTEPS)
    known = np.flatnonzero(~np.isnan(level))
    index = np.arange(len(level))
    level = np.interp(index, known, level[known])
    accent = gaussian_filter1d(level, TONE_SMOOTH_FRAMES, mode="nearest")
    ramps = sum(r for r in (fall, rise) if r is not None) if (fall is not None or rise is not None) else 0.0
    base = gaussian_filter1d(base + ramps, BASE_SMOOTH_FRAMES, mode="nearest") + micro(f0)
    return Contour(accent.astype(np.float32), base.astype(np.float32))


def _ending(phone: str, base: F32, at: int, fall: F32 | None, rise: F32 | None) -> tuple[F32 | None, F32 | None]:
    """Add the fall or rise that ends at frame `at` to the ramps so far."""
    if phone == "?":
        return fall, _ramp(base, at, QUESTION_FRAMES, QUESTION_RISE_ST, rise)
    amount = FINAL_FALL_ST if phone in {".", "_"} else 0.3 * FINAL_FALL_ST
    return _ramp(base, at, FINAL_FRAMES, amount, fall), rise


def _ramp(base: F32, at: int, width: int, amount: float, so_far: F32 | None) -> F32:
    ramp = np.zeros_like(base) if so_far is None else so_far
    first = max(0, at - width)
    ramp[first:at] += amount * np.linspace(0, 1, at - first)
    return ramp


def micro(f0: F32) -> npt.NDArray[np.float64]:
    """The fast part of the teacher's F0 in semitones, [F]; 0 where unvoiced."""
    voiced = f0 > 0
    if voiced.sum() < 2:
        return np.zeros(len(f0))
    index = np.arange(len(f0))
    semitones = np.interp(index, index[voiced], 12 * np.log2(f0[voiced] / CENTRE_HZ))
    fast = semitones - gaussian_filter1d(semitones, MICRO_TREND_FRAMES, mode="nearest")
    return np.where(voiced, np.clip(MICRO_SHARE * fast, -MICRO_LIMIT_ST, MICRO_LIMIT_ST), 0.0)
