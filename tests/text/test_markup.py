from __future__ import annotations

import pytest

from sokuon.text import FrontEnd
from sokuon.text.markup import without_markup

_FRONT_END = FrontEnd()


def _said(text: str) -> str:
    return "".join(word.reading for sentence in _FRONT_END.sentences(text) for word in sentence.words)


def test_a_reading_is_forced() -> None:
    assert _said("{担々麺|ダンダンメン}は") == "ダンダンメンワ"
    assert _said("{本気|まじ}で") == "マジデ"


@pytest.mark.parametrize(("accent", "tones"), [(0, "0110"), (1, "1000"), (2, "0110")])
def test_an_accent_is_forced(accent: int, tones: str) -> None:
    phonemes = _FRONT_END.phonemize(f"{{橋|ハシ|{accent}}}")
    assert "".join(map(str, phonemes.tones))[1:-1] == {"0110": "0011", "1000": "1100"}[tones]


def test_a_forced_word_takes_part_in_the_sentence() -> None:
    words = next(_FRONT_END.sentences("今日は{橋|ハシ|2}を渡る")).words
    assert [(word.surface, word.starts_phrase) for word in words] == [
        ("今日", True), ("は", False), ("橋", True), ("を", False), ("渡る", True),
    ]  # fmt: skip


def test_pauses_end_sentences() -> None:
    sentences = list(_FRONT_END.sentences("雨[pause 300ms]雪。[pause 0.5s][pause 1s]風"))
    assert [(s.source, s.pause_after_s) for s in sentences] == [
        ("雨[pause 300ms]", 0.3), ("雪。[pause 0.5s]", 0.5), ("[pause 1s]", 1.0), ("風", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["{a|b}", "{雨|xyz}", "{|ア}", "{雨|}", "{雨}", "[pause]", "[pause 90s]", "[pause -1s]", "{雨|ァ}"]
)
def test_what_only_looks_like_markup_is_text(text: str) -> None:
    sentences = list(_FRONT_END.sentences(text))
    assert "".join(sentence.source for sentence in sentences) == text
    assert all(sentence.pause_after_s is None for sentence in sentences)


def test_sources_are_the_users_own_text() -> None:
    text = "{橋|ハシ}の上。C++と\ue000私用領域。"
    assert "".join(sentence.source for sentence in _FRONT_END.sentences(text)) == text.replace("\ue000", "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{担々麺|タンタンメン|3}を食べた。", "担々麺を食べた。"),
        ("はい。[pause 300ms]いいえ。", "はい。いいえ。"),
        ("{a|b}と[pause 2 days]はそのまま", "{a|b}と[pause 2 days]はそのまま"),
    ],
)
def test_readers_see_no_markup(text: str, shown: str) -> None:
    assert without_markup(text) == shown
