"""Ranges, kinds and names of options."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from sokuon import SynthesisOptions
from sokuon.errors import OptionError
from sokuon.options import _RANGES


@pytest.mark.parametrize("name", _RANGES)
def test_both_ends_of_a_range_are_allowed_and_nothing_beyond(name: str) -> None:
    low, high = _RANGES[name]
    for value in (low, high):
        assert getattr(SynthesisOptions(**{name: value}), name) == value
    for value in (math.nextafter(low, -math.inf), math.nextafter(high, math.inf)):
        with pytest.raises(OptionError, match=f"^{name} is .*must lie between {re.escape(f'{low:g}')} and {high:g}"):
            SynthesisOptions(**{name: value})


@pytest.mark.parametrize("value", [math.nan, math.inf, "1", True, None, [1.0], 1 + 0j])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(OptionError, match=r"^speed is .*must be a number from 0\.1 to 10"):
        SynthesisOptions(speed=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [1, np.float32(1), np.float64(1), np.int64(1)])
def test_any_kind_of_number_is_a_number(value: float) -> None:
    assert SynthesisOptions(speed=value, pause=value, sdp_ratio=value).speed == 1


@pytest.mark.parametrize("seed", [-1, 1.0, "7", True])
def test_seed_is_a_whole_number(seed: object) -> None:
    with pytest.raises(OptionError, match=r"^seed is "):
        SynthesisOptions(seed=seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [None, 0, np.uint32(7), 2**70])
def test_seeds(seed: int | None) -> None:
    assert SynthesisOptions(seed=seed).seed == seed


@pytest.mark.parametrize("speaker", [1.5, True, ("a",)])
def test_speaker_is_a_name_or_a_number(speaker: object) -> None:
    with pytest.raises(OptionError, match=r"^speaker is "):
        SynthesisOptions(speaker=speaker)  # type: ignore[arg-type]


def test_phonemes_without_tones_are_not_silently_ignored() -> None:
    with pytest.raises(OptionError, match="without tones"):
        SynthesisOptions(phonemes=["_", "a", "_"])


def test_changed_copies_and_checks() -> None:
    options = SynthesisOptions(speed=2)
    assert options.changed(pause=1.0) == SynthesisOptions(speed=2, pause=1.0)
    assert options == SynthesisOptions(speed=2)
    with pytest.raises(OptionError, match="no option 'sped'"):
        options.changed(sped=1)
    with pytest.raises(OptionError, match="pause is -1"):
        options.changed(pause=-1)


def test_world_is_only_asked_where_it_has_work() -> None:
    assert not SynthesisOptions().reshapes_pitch
    assert SynthesisOptions(pitch=1.1).reshapes_pitch
    assert SynthesisOptions(intonation=0.0).reshapes_pitch
