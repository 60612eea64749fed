"""Ruby that the dictionary agrees with."""

from __future__ import annotations

import pytest

from sokuon.book.readings import without_needless
from sokuon.book.ruby import with_ruby
from sokuon.text import FrontEnd


@pytest.fixture(scope="module")
def front_end() -> FrontEnd:
    return FrontEnd()


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("一番｜獰悪《どうあく》な種族。", "一番獰悪な種族。"),
        ("先生《せんせい》と東京《とうきょう》へ。明日《あす》は雨。", "先生と東京へ。{明日|アス}は雨。"),
        ("明日《あした》は雨。", "明日は雨。"),
        ("理想《イデア》の人《ひと》", "{理想|イデア}の人"),
        ("　２０２４年の桜《さくら》", "　２０２４年の桜"),
        ("強敵《とも》よ", "{強敵|トモ}よ"),
        ("青空文庫《あおぞらぶんこ》です。", "青空文庫です。"),
        ("〓《なぞ》だ", "{〓|ナゾ}だ"),
        ("{橋|ハシ|2}を桜《さくら》と[pause 1s]", "{橋|ハシ|2}を桜と[pause 1s]"),
        ("日光《にっこう》\n\n桜《さくら》\n", "日光\n\n桜\n"),
    ],
)
def test_readings_that_words_have_anyway_are_left_out(front_end: FrontEnd, written: str, kept: str) -> None:
    assert without_needless(with_ruby(written), front_end) == kept


def test_the_accent_is_then_the_dictionary_s(front_end: FrontEnd) -> None:
    given = with_ruby("東京《とうきょう》と桜《さくら》と先生《せんせい》。")
    plain = front_end.phonemize("東京と桜と先生。")
    assert front_end.phonemize(given).tones != plain.tones
    assert front_end.phonemize(without_needless(given, front_end)) == plain
