"""Every option with every kind of value: spoken, or refused with one short sentence of ours, in bounded time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from itertools import count, repeat
from typing import Any

import numpy as np
import pytest

from sokuon import Engine, SynthesisOptions
from sokuon.errors import OptionError, SokuonError
from sokuon.networks.threads import thread_count
from sokuon.text.phonemes import PhonemeError

FIELDS = tuple(SynthesisOptions.__dataclass_fields__)
MESSAGE_CHARACTERS = 500
SECONDS = 10.0  # of processor, for a sentence of two morae: what is spoken takes 0.05 s


class IntLike:
    """Converts to a whole number, and is none."""

    def __index__(self) -> int:
        return 3


class BadRepr(float):
    """A number that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class BadFloat:
    """Fails whatever it is asked."""

    def __float__(self) -> float:
        raise RuntimeError("no float")

    def __iter__(self) -> Iterator[str]:
        raise TypeError("no items")


def values() -> list[Any]:
    """Made anew for each field: iterators are used up."""
    numbers = [0, -0.0, 1, -1, 0.5, 2, 1e-9, -1e-9, 1e9, 1e308, -1e308, 5e-324, math.nan, math.inf, -math.inf]
    large = [2**63, 2**64, -(2**63), 2**1000, 10**400, -(10**400), 10**5000, -(10**5000)]
    exact = [Fraction(1, 2), Fraction(10**400, 3), Fraction(1, 10**400), Decimal("1"), Decimal("NaN"), 1 + 2j]
    numpy = [
        np.float16(1),
        np.float32("nan"),
        np.float64(1),
        np.int64(1),
        np.uint8(1),
        np.longdouble(1),
        np.bool_(True),
    ]
    arrays = [
        np.array(1.0),
        np.array([1.0]),
        np.array([1.0, 2.0]),
        np.zeros((6, 1), int),
        np.array(["a"]),
        np.array([]),
    ]
    texts = ["", "1", "a\nb\x1b[31m", "\ud800", "x" * 10**6, "Neutral", "\0", "_hai._", b"1", bytearray(b"1")]
    lists = [
        [],
        [1],
        [0] * 6,
        ["_"],
        list("_hai._"),
        [None],
        [[]],
        [math.nan],
        ["\ud800"],
        [0] * 10**5,
        {},
        {1},
        (),
        (),
    ]
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    others = [True, False, object(), type, len, IntLike(), BadRepr(1.0), BadFloat()]
    endless = [iter("_hai._"), count(), repeat("a")]
    return [*numbers, *large, *exact, *numpy, *arrays, *texts, *lists, deep, *others, *endless]


def check(engine: Engine, **changes: Any) -> bool:
    """Whether it is spoken; anything but sound or a sentence of ours fails."""
    begin = time.process_time()
    try:
        audio = engine.speak("はい。", SynthesisOptions().changed(**changes))
    except SokuonError as error:
        message = str(error)
        assert 10 < len(message) <= MESSAGE_CHARACTERS
        assert "\n" not in message
        assert "\x1b" not in message
        spoken = False
    else:
        assert np.isfinite(audio.samples).all()
        assert len(audio.samples) < 120 * audio.sample_rate
        spoken = True
    assert time.process_time() - begin < SECONDS
    return spoken


@pytest.mark.parametrize("field", FIELDS)
def test_any_value_is_spoken_or_refused(engine: Engine, field: str) -> None:
    outcomes = [check(engine, **{field: value}) for value in values()]
    assert len(outcomes) * len(FIELDS) > 1000
    assert not all(outcomes)


PHONES = ["_", "h", "a", "i", ".", "_"]
GIVEN: dict[str, dict[str, Any]] = {
    "as many": {"phonemes": PHONES, "tones": [0] * 6},
    "too few": {"phonemes": PHONES, "tones": [0]},
    "empty": {"phonemes": [], "tones": []},
    "one": {"phonemes": ["_"], "tones": [0]},
    "no ends": {"phonemes": ["h", "a", "i"], "tones": [0] * 3},
    "a string": {"phonemes": "_hai._", "tones": "000000"},
    "unhashable": {"phonemes": [[1]] * 6, "tones": [0] * 6},
    "numbers": {"phonemes": [1] * 6, "tones": [0] * 6},
    "arrays": {"phonemes": np.array(PHONES), "tones": np.zeros(6, int)},
    "tones of two dimensions": {"phonemes": PHONES, "tones": np.zeros((6, 1), int)},
    "large tones": {"phonemes": PHONES, "tones": [10**5000] * 6},
    "tones of None": {"phonemes": PHONES, "tones": [None] * 6},
    "tones of nan": {"phonemes": PHONES, "tones": [math.nan] * 6},
    "iterators": {"phonemes": iter(PHONES), "tones": iter([0] * 6)},
    "endless": {"phonemes": repeat("a"), "tones": repeat(0)},
    "many": {"phonemes": ["_", *["a"] * 9000, "_"], "tones": [0] * 9002},
    "unknown": {"phonemes": ["_", "zz", "_"], "tones": [0] * 3},
    "a surrogate": {"phonemes": ["_", "\ud800", "_"], "tones": [0] * 3},
    "an escape": {"phonemes": ["_", "a\nb\x1b[31m", "_"], "tones": [0] * 3},
    "only tones": {"tones": [0] * 6},
    "durations too few": {"durations": [0.1]},
    "durations too long": {"durations": [60.0] * 6},
    "durations of nan": {"durations": [math.nan] * 6},
    "durations of none": {"durations": [None] * 6},
    "durations of nothing": {"durations": [0.0] * 6},
    "durations huge": {"durations": [10**5000] * 6},
}


@pytest.mark.parametrize("name", GIVEN)
def test_what_is_given_fits_or_is_refused(engine: Engine, name: str) -> None:
    case = dict(GIVEN[name])
    expected = name in ("as many", "a string", "arrays", "iterators", "durations of none", "durations of nothing")
    if name in ("a string", "durations too long"):
        return  # either is fine: characters are phonemes, and a minute of a is a minute of a
    assert check(engine, **case) == (expected or name == "only tones")


def test_long_given_phonemes_cost_little(engine: Engine) -> None:
    """1,000 phonemes against 390 of the text's own: the longest common subsequence is a table of both."""
    front_end_text = "かきくけこ" * 39 + "。"
    begin = time.process_time()
    with suppress(PhonemeError):  # whether the counts can be moved is not the question
        engine.speak(front_end_text, phonemes=["_", *["k", "a", "i"] * 330, "_"], tones=[0] * 992)
    assert time.process_time() - begin < SECONDS


@pytest.mark.parametrize("asked", [5000, 10**9, 2**64, 10**400, 10**5000], ids=range(5))
def test_threads_are_bounded_by_the_processors(asked: int) -> None:
    assert 1 <= thread_count(asked) <= 4096


@pytest.mark.parametrize("asked", [True, 1.5, "2", -(10**5000), math.nan, [], BadRepr(2.0)], ids=range(7))
def test_other_threads_are_refused(asked: Any) -> None:
    with pytest.raises(OptionError, match="whole number from 1 up"):
        thread_count(asked)


def test_an_unknown_option_is_refused_whatever_its_name(engine: Engine) -> None:
    for name in ("foo", "\ud800", "x" * 10**6, "a\x1b[31m"):
        assert not check(engine, **{name: 1})
