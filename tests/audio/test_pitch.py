"""Pitch in pieces: what WORLD makes of the whole, in bounded time and memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import sokuon
from sokuon.audio.pitch import _pitch_curve, reshape_pitch
from sokuon.storage.tensors import F32

pyworld = pytest.importorskip("pyworld")

TEXT = "駅前の喫茶店で、温かい珈琲を飲みながら、昨日届いた手紙をゆっくり読み返していました。"


def last(work: Iterator[F32 | None]) -> F32:
    """The sound after all the parts of the work."""
    *parts, sound = work
    assert all(part is None for part in parts)
    assert sound is not None
    return sound


def whole(samples: F32, rate: int, pitch: float, intonation: float) -> F32:
    """The same in one piece (spec runtime-behaviour section 6)."""
    sound = samples.astype(np.float64)
    f0, times = pyworld.harvest(sound, rate)
    spectrum, aperiodicity = pyworld.cheaptrick(sound, f0, times, rate), pyworld.d4c(sound, f0, times, rate)
    voiced = f0 > 0
    mean = f0[voiced].mean()
    f0[voiced] = np.maximum(pitch * mean + intonation * (f0[voiced] - mean), 1.0)
    changed = pyworld.synthesize(f0, spectrum, aperiodicity, rate)[: len(samples)]
    return np.asarray(changed / max(1.0, np.abs(changed).max()), np.float32)


@pytest.fixture(scope="module")
def spoken() -> sokuon.Audio:
    return sokuon.load(threads=1).speak(TEXT, seed=3)


def test_a_short_sound_is_what_world_makes_of_it(spoken: sokuon.Audio) -> None:
    short = spoken.samples[: int(0.7 * spoken.sample_rate)]
    expected = whole(short, spoken.sample_rate, 1.2, 0.7)
    np.testing.assert_array_equal(last(reshape_pitch(short, spoken.sample_rate, 1.2, 0.7)), expected)


def test_a_long_sound_has_the_pitch_and_the_loudness_of_the_whole(spoken: sokuon.Audio) -> None:
    rate, sound = spoken.sample_rate, spoken.samples.astype(np.float64)
    curves = np.concatenate(list(_pitch_curve(pyworld, sound, rate))), pyworld.harvest(sound, rate)[0]
    both = (curves[0] > 0) & (curves[1] > 0)
    assert np.mean((curves[0] > 0) == (curves[1] > 0)) > 0.995
    assert np.mean(np.abs(np.log2(curves[0][both] / curves[1][both])) < 5 / 1200) > 0.99
    got, expected = last(reshape_pitch(spoken.samples, rate, 1.2, 0.7)), whole(spoken.samples, rate, 1.2, 0.7)
    assert got.shape == expected.shape
    loud = [20 * np.log10(rms(x, rate) + 1e-3) for x in (got, expected)]
    assert np.abs(loud[0] - loud[1]).mean() < 0.5  # dB; noise is drawn anew, and 10 ms of it differ by chance


def test_pulses_go_on_where_nothing_is_unvoiced() -> None:
    rate = 16000
    t = np.arange(rate * 5) / rate
    turns = 120 * t + 3 * np.sin(2 * t)
    hum = (sum(np.sin(2 * np.pi * k * turns) / k for k in range(1, 20)) * 0.1).astype(np.float32)
    got, expected = last(reshape_pitch(hum, rate, 1.2, 0.7)), whole(hum, rate, 1.2, 0.7)
    for begin in range(0, len(hum) - 400, 400):
        here = slice(begin, begin + 400)
        assert np.corrcoef(got[here], expected[here])[0, 1] > 0.95  # out of phase where it is spoken anew: down to -1


def rms(x: F32, rate: int) -> F32:
    """Of each 10 ms."""
    step = rate // 100
    squares: F32 = x[: len(x) // step * step].reshape(-1, step) ** 2
    return np.asarray(np.sqrt(squares.mean(axis=1)), np.float32)


def test_time_and_memory_do_not_grow_with_the_sentence() -> None:
    rate = 16000
    t = np.arange(rate * 12) / rate
    hum = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 20)).astype(np.float32) * np.float32(0.1)
    work = reshape_pitch(hum, rate, 1.1, 1.0)
    assert sum(1 for _ in work) > 24  # parts of half a second, though nothing in it is unvoiced


def test_silence_and_the_shortest_sounds_come_back() -> None:
    for samples in (np.zeros(44100, np.float32), np.full(50, 0.1, np.float32), np.zeros(1, np.float32)):
        np.testing.assert_array_equal(last(reshape_pitch(samples, 44100, 1.5, 1.0)), samples)
