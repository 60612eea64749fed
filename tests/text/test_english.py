from __future__ import annotations

import pytest

from sokuon.text.english import EnglishReader
from sokuon.text.kana import is_pronunciation, to_katakana
from sokuon.text.rules.numbers import kanji_number
from sokuon.text.rules.symbols import roman_value
from sokuon.text.rules.web import digit_by_digit

_READER = EnglishReader(lambda word: {"NASA": "ナサ", "abroad": "アブロード"}.get(word))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GitHub", "ギットハブ"),
        ("github", "ギットハブ"),
        ("C++とC#", "シープラスプラスとシーシャープ"),
        ("Wi-Fi", "ワイファイ"),
        ("AT&T", "エーティーアンドティー"),
        ("NASA", "ナサ"),
        ("abroad", "アブロード"),
        ("GPUs", "ジーピーユーズ"),
        ("XQZ", "エックスキューゼット"),
        ("RING", "リング"),
        ("OECD", "オーイーシーディー"),
        ("US軍とus", "ユーエス軍とアス"),
        ("getUserName", "ゲットユーザーネーム"),
        ("MP3", "エムピースリー"),
        ("ABC123", "エービーシー123"),
        ("Let's go!", "レッツ ゴー!"),
        ("Taro's", "タロズ"),
        ("A pen", "ア ペン"),
        ("Aさん", "エーさん"),
        ("日本語", "日本語"),
        ("", ""),
    ],
)
def test_latin_text_becomes_katakana(text: str, expected: str) -> None:
    assert _READER.read(text) == expected


def test_every_row_of_the_table_is_katakana() -> None:
    from sokuon.text.english import _table

    wrong = [word for word, reading in _table().items() if not is_pronunciation(to_katakana(reading))]
    assert not wrong


def test_unsayable_letters_do_not_crash() -> None:
    for word in ("qwrtp" * 20, "x" * 1000, "aeiou" * 300, "A" * 5000, "Ab" * 2000, "a.b" * 500):
        assert _READER.read(word)


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        ("0", "零"),
        ("1000", "千"),
        ("11000", "一万千"),
        ("1234567890123", "一兆二千三百四十五億六千七百八十九万百二十三"),
    ],
)
def test_kanji_numbers(digits: str, expected: str) -> None:
    assert kanji_number(digits) == expected


@pytest.mark.parametrize(("letters", "value"), [("IV", 4), ("XII", 12), ("MMXXIV", 2024), ("IIII", 0), ("VX", 0)])
def test_roman_numerals(letters: str, value: int) -> None:
    assert roman_value(letters) == value


def test_digits_one_by_one() -> None:
    assert digit_by_digit("0120") == "ゼロイチニーゼロ"
