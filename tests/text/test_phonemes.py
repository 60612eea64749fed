from __future__ import annotations

import random

import numpy as np
import pytest

from sokuon.text import SYMBOLS, PhonemeError, Phonemes, with_given
from sokuon.text.accent import align_tones
from sokuon.text.morae import word_phones
from sokuon.text.phonemes import spread_evenly
from sokuon.text.words import Analysis, phonemes_of

_RAIN = Phonemes(
    symbols=("_", "ky", "o", "o", "w", "a", "a", "m", "e", ".", "_"),
    tones=(0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0),
    text="今日は雨.",
    word2ph=(1, 2, 1, 2, 3, 1, 1),
)


def test_slots_are_those_of_the_trained_voices() -> None:
    slots = _RAIN.slots()
    assert slots.ids.tolist() == [0, 0, 0, 58, 0, 65, 0, 65, 0, 97, 0, 8, 0, 8, 0, 60, 0, 26, 0, 107, 0, 0, 0]
    assert slots.tones.tolist() == [0, 6, 0, 7, 0, 7, 0, 6, 0, 6, 0, 6, 0, 7, 0, 6, 0, 6, 0, 6, 0, 6, 0]
    assert slots.languages.tolist() == [0, 1] * 11 + [0]
    assert slots.counts == (3, 4, 2, 4, 6, 2, 2)
    assert slots.symbols[3] == "ky"
    assert all(values.dtype == np.int64 for values in (slots.ids, slots.tones, slots.languages))


def test_slots_without_blanks() -> None:
    slots = _RAIN.slots(add_blank=False)
    assert slots.ids.tolist() == [0, 58, 65, 65, 97, 8, 8, 60, 26, 107, 0]
    assert slots.counts == _RAIN.word2ph


def test_the_inventory_is_the_trained_one() -> None:
    assert len(SYMBOLS) == 112
    assert [SYMBOLS.index(symbol) for symbol in ("_", "N", "a", "ky", "q", "zy", "!", "-", "UNK")] == [
        0, 5, 8, 58, 73, 102, 103, 109, 111,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change", [{"tones": (0,)}, {"text": "雨"}, {"word2ph": (1,) * 7}, {"tones": (2,) * 11}, {"symbols": ("kw",) * 11}]
)
def test_what_does_not_fit_is_refused(change: dict[str, object]) -> None:
    fields = {name: getattr(_RAIN, name) for name in ("symbols", "tones", "text", "word2ph")}
    with pytest.raises(PhonemeError):
        Phonemes(**(fields | change))  # type: ignore[arg-type]


def test_given_tones_replace_the_tones() -> None:
    assert with_given(_RAIN, None, [0] * 11).tones == (0,) * 11
    with pytest.raises(PhonemeError):
        with_given(_RAIN, None, [0])


def test_given_phonemes_alone_are_ignored() -> None:
    assert with_given(_RAIN, ["_", "a", "_"], None) == _RAIN


def test_given_phonemes_move_the_counts() -> None:
    longer = ["_", "ky", "o", "o", "o", "w", "a", "a", "m", "e", ".", "_"]
    made = with_given(_RAIN, longer, [0] * 12)
    assert made.symbols == tuple(longer)
    assert sum(made.word2ph) == 12
    assert made.word2ph[0] == made.word2ph[-1] == 1
    with pytest.raises(PhonemeError, match="cannot be shared"):
        with_given(_RAIN, ["_", *["a"] * 60, "_"], [0] * 62)
    with pytest.raises(PhonemeError, match="as many"):
        with_given(_RAIN, longer, [0])


def test_any_given_phonemes_fit_or_are_refused() -> None:
    rng = random.Random(1)
    for _ in range(500):
        given = ["_", *rng.choices(["a", "k", "o", "N", "."], k=rng.randint(0, 40)), "_"]
        try:
            made = with_given(_RAIN, given, [0] * len(given))
        except PhonemeError:
            continue
        assert all(1 <= count <= 6 for count in made.word2ph[1:-1]) or len(given) == len(_RAIN.symbols)


def test_empty_text_is_two_boundaries() -> None:
    assert phonemes_of(Analysis((), ())) == Phonemes(("_", "_"), (0, 0), "", (1, 1))


def test_phones_are_shared_left_heavy() -> None:
    assert spread_evenly(5, 3) == [2, 2, 1]
    assert spread_evenly(1, 3) == [1, 0, 0]
    assert spread_evenly(0, 0) == []


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        (["ソーナノカーー"], "s o o n a n o k a a a"),
        (["ーー", "テスト"], "- - t e s u t o"),
        (["ア", "ー", "ッ", "ー"], "a a q q"),
        (["クヮ", "グヮ"], "k u w a g u w a"),
        (["ン", "!?", "ヂュ"], "N ! ? j i y u"),
        (["デェ", "トゥ", "ヴュ"], "d e e t u by u"),
    ],
)
def test_kana_to_phones(readings: list[str], expected: str) -> None:
    assert [phone for word in word_phones(readings) for phone in word] == expected.split()


def test_tones_go_on_where_readings_and_labels_disagree() -> None:
    labelled = [("k", 0), ("a", 0), ("x", 1), ("t", 1), ("a", 1)]
    assert align_tones(["k", "a", "t", "a", "."], labelled) == [0, 0, 1, 1, 0]
    assert align_tones(["k", "a", "z", "t", "a"], labelled) == [0, 0, 0, 1, 1]
    assert align_tones(["a", "b"], []) == [0, 0]
