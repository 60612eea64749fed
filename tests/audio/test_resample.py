"""Resampling: tones keep pitch, size and place; what the lower rate cannot hold vanishes; pieces are the whole."""

from __future__ import annotations

import numpy as np
import pytest

from sokuon.audio.resample import Resampler, resample
from sokuon.errors import AudioError

PAIRS = [(44100, 48000), (44100, 24000), (24000, 48000), (48000, 24000), (22050, 16000), (44100, 8000), (8000, 44100)]


def tone(hertz: float, rate: int, seconds: float = 0.5) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate).astype(np.float32)


def decibels(samples: np.ndarray) -> float:
    """Of the middle, where no edge is heard; a full tone is 0."""
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    return float(10 * np.log10(2 * np.mean(middle.astype(np.float64) ** 2) + 1e-20))


@pytest.mark.parametrize(("rate", "wanted"), PAIRS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_tone_keeps_its_pitch_size_and_place(rate: int, wanted: int, share: float) -> None:
    """Within 0.1 dB over the band kept, and what else there is (images, aliases, float32) below -95 dB."""
    hertz = share * min(rate, wanted) / 2
    made, expected = resample(tone(hertz, rate), rate, wanted), tone(hertz, wanted)
    assert made.dtype == np.float32
    assert len(made) == -(-round(rate * 0.5) * wanted // rate)
    made, expected = made[: len(expected)], expected[: len(made)]
    size = np.dot(made[999:-999], expected[999:-999]) / np.dot(expected[999:-999], expected[999:-999])
    assert abs(20 * np.log10(size)) < 0.1
    assert decibels(made - size * expected) < -95


@pytest.mark.parametrize(("rate", "wanted"), [pair for pair in PAIRS if pair[0] > pair[1]])
@pytest.mark.parametrize("share", [1.0, 1.1, 1.5])
def test_what_the_lower_rate_cannot_hold_vanishes(rate: int, wanted: int, share: float) -> None:
    hertz = share * wanted / 2 + 1
    if hertz < rate / 2:
        assert decibels(resample(tone(hertz, rate), rate, wanted)) < -100


@pytest.mark.parametrize(("rate", "wanted"), [*PAIRS, (44099, 48000), (44100, 44100), (1001, 48000), (192000, 8000)])
def test_pieces_are_the_whole(rate: int, wanted: int) -> None:
    random = np.random.default_rng(5)
    samples = random.standard_normal(3000).astype(np.float32)
    resampler, made, begin = Resampler(rate, wanted), [], 0
    while begin < len(samples):
        count = int(random.integers(0, 700))
        made.append(resampler.push(samples[begin : begin + count]))
        begin += count
    made.append(resampler.finish())
    whole = resample(samples, rate, wanted)
    assert len(whole) == pytest.approx(len(samples) * wanted / rate, rel=1e-4, abs=1)
    np.testing.assert_allclose(np.concatenate(made), whole, atol=1e-5)  # products of other sizes round otherwise


def test_no_samples_and_one_sample() -> None:
    assert len(resample(np.zeros(0, np.float32), 44100, 48000)) == 0
    assert len(resample(np.ones(1, np.float32), 44100, 48000)) == 2


@pytest.mark.parametrize("rates", [(0, 48000), (44100, 999), (10**9, 8000), (-1, 8000)])
def test_a_rate_no_sound_has_is_said(rates: tuple[int, int]) -> None:
    with pytest.raises(AudioError, match="cannot be resampled; rates from 1000"):
        Resampler(*rates)


def test_a_constant_stays_that_constant() -> None:
    made = resample(np.full(4410, 0.5, np.float32), 44100, 48000)
    np.testing.assert_allclose(made[500:-500], 0.5, atol=1e-6)
