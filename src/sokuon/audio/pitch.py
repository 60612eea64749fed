"""Pitch and intonation by the WORLD vocoder (extra `sokuon[pitch]`).

Source: spec runtime-behaviour section 6; WORLD, Morise et al. 2016. A long sentence is taken in pieces, so that neither
memory (16 kB for each 5 ms) nor the time until somebody may stop it grows with its length.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from sokuon.errors import missing_extra
from sokuon.storage.tensors import F32

F64 = npt.NDArray[np.float64]

FRAME_S = 0.005  # WORLD's
ANALYSED = 120  # frames whose F0 is found at once
AROUND = 80  # frames that harvest sees on either side of them; with 50 its contours still differed here and there
SHORTEST, LONGEST = 60, 160  # frames of a piece that is spoken anew
BESIDE = 20  # frames on either side of it: the longest window is 4 periods, 56 ms at 71 Hz
FADE_S = 0.005
UNVOICED_HZ = 500.0  # of the pulses that WORLD sets where nothing is voiced


def reshape_pitch(samples: F32, sample_rate: int, pitch: float, intonation: float) -> Iterator[F32 | None]:
    """f0' = pitch · mean + intonation · (f0 - mean) over voiced frames; samples [N] → [N], never beyond full scale.

    Gives None after each part of the work (0.1 to 0.2 s), at the end the sound. Sound without a voiced frame comes back
    as it is. Raises MissingExtraError without pyworld.
    """
    world = _world()
    sound = samples.astype(np.float64)
    curves = []
    for curve in _pitch_curve(world, sound, sample_rate):
        curves.append(curve)
        yield None
    f0 = np.concatenate(curves)  # [frames] Hz, 0 where unvoiced
    voiced = f0 > 0
    if not voiced.any():
        yield samples
        return
    mean, wanted = f0[voiced].mean(), f0.copy()
    wanted[voiced] = np.maximum(pitch * mean + intonation * (f0[voiced] - mean), 1.0)
    changed = np.zeros(len(samples), np.float32)
    turns = 0.0
    for begin, end in _pieces(voiced):
        turns = _speak_anew(world, sound, sample_rate, (f0, wanted), (begin, end), turns, changed)
        yield None
    yield np.asarray(changed / max(1.0, np.abs(changed).max()), np.float32)


def _world() -> Any:
    try:
        import pyworld
    except ImportError as error:
        raise missing_extra("pitch and intonation need", "pyworld", "pitch") from error
    return pyworld


def _pitch_curve(world: Any, sound: F64, rate: int) -> Iterator[F64]:
    """F0 of some frames after the other; what is short is seen as a whole."""
    frames = int(len(sound) / rate / FRAME_S) + 1
    step = frames if frames <= ANALYSED + 2 * AROUND else ANALYSED
    for begin in range(0, frames, step):
        first = max(0, begin - AROUND) if step < frames else 0
        last = min(frames, begin + step + AROUND)
        f0, _ = world.harvest(sound[_sample(first, rate) : _sample(last, rate)], rate)
        found = np.zeros(step)
        here = f0[begin - first : begin - first + step]
        found[: len(here)] = here
        yield found[: frames - begin]


def _pieces(voiced: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Frames in pieces that end, where they can, in the middle of an unvoiced stretch: no phase is lost there."""
    begin, frames = 0, len(voiced)
    while frames - begin > LONGEST:
        silent = np.flatnonzero(~voiced[begin + SHORTEST : begin + LONGEST])
        runs = np.split(silent, np.flatnonzero(np.diff(silent) > 1) + 1)
        longest = max(runs, key=len)
        end = begin + SHORTEST + int(longest[len(longest) // 2]) if len(longest) else begin + LONGEST
        yield begin, end
        begin = end
    yield begin, frames


def _speak_anew(
    world: Any, sound: F64, rate: int, pitches: tuple[F64, F64], piece: tuple[int, int], turns: float, changed: F32
) -> float:
    """Add the frames of `piece` at their new pitch to `changed` [N]; neighbours are faded into each other.

    `turns` is how many periods were spoken until its beginning; what comes back, until its end.
    """
    first, last = max(0, piece[0] - BESIDE), min(len(pitches[0]), piece[1] + BESIDE)
    f0, wanted = (curve[first:last].copy() for curve in pitches)
    begin, end = piece[0] - first, piece[1] - first
    _in_phase(wanted[:begin], turns - _turns(wanted, 0, begin, rate))
    place = _sample(first, rate)
    here = sound[place : _sample(last, rate)]
    times = np.arange(len(f0)) * FRAME_S
    spectrum = world.cheaptrick(here, f0, times, rate)
    aperiodicity = world.d4c(here, f0, times, rate)
    spoken = world.synthesize(wanted, spectrum, aperiodicity, rate)[: len(changed) - place]  # up to 5 ms longer
    seconds = (np.arange(len(spoken)) + place) / rate
    share = np.ones(len(spoken))
    if first > 0:
        share *= np.clip((seconds - piece[0] * FRAME_S) / FADE_S + 0.5, 0.0, 1.0)
    if last < len(pitches[0]):
        share *= np.clip((piece[1] * FRAME_S - seconds) / FADE_S + 0.5, 0.0, 1.0)
    changed[place : place + len(spoken)] += (spoken * share).astype(np.float32)
    return turns + _turns(wanted, begin, end, rate)


def _turns(f0: F64, begin: int, end: int, rate: int) -> float:
    """Periods between two frames, as WORLD counts them: sample by sample, half of a turning frame is unvoiced."""
    at = np.arange(_sample(begin, rate), _sample(end, rate)) / (rate * FRAME_S)
    frames = np.arange(len(f0))
    voiced = np.interp(at, frames, (f0 > 0).astype(np.float64)) > 0.5
    return float(np.where(voiced, np.interp(at, frames, f0), UNVOICED_HZ).sum() / rate)


def _in_phase(before: F64, turns: float) -> None:
    """Bend what is spoken `before` a piece and not heard by the part of a period that is missing to whole `turns`."""
    voiced = before > 0
    if voiced.any():
        before[voiced] += ((turns + 0.5) % 1.0 - 0.5) / (FRAME_S * np.count_nonzero(voiced))


def _sample(frame: int, rate: int) -> int:
    return round(frame * FRAME_S * rate)
