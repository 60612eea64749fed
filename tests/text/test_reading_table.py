"""`data/readings.tsv`: its form, and that context decides."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from sokuon.text import DictionaryWord, FrontEnd, UserDictionary
from sokuon.text.morae import split_morae
from sokuon.text.readings import choose_readings, table
from sokuon.text.tables import FOREIGN_MORAE

_FRONT_END = FrontEnd()
_LINES = Path(__file__).with_name("heteronyms.tsv").read_text(encoding="utf-8").splitlines()


def reading(text: str, front_end: FrontEnd = _FRONT_END) -> str:
    return "".join(w.reading for s in front_end.sentences(text) for w in s.words if w.reading not in ",.?!")


def test_every_row_has_its_columns_and_a_speakable_reading() -> None:
    for line in files("sokuon.text").joinpath("data/readings.tsv").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            fields = line.split("\t")
            assert len(fields) == 6 or (len(fields) == 7 and fields[6].count(",") == 6), line
    for rows in table().rows.values():
        for row in rows:
            morae = split_morae(row.said)
            assert all(mora in FOREIGN_MORAE or mora == "ー" for mora in morae), row
            assert row.accent is None or 0 <= row.accent <= len(morae), row


def heard(kana: str) -> str:
    """Long vowels and ヲ, ヅ, ヂ folded."""
    plain = kana.translate(str.maketrans("ヲヅヂ", "オズジ", "ー"))
    return re.sub("(?<=[オコソトノホモヨロゴゾドボポョ])ウ|(?<=[エケセテネヘメレゲゼデベペェ])イ", "", plain)


@pytest.mark.parametrize("line", _LINES)
def test_context_decides(line: str) -> None:
    """Everyday sentences of our own around words with two readings."""
    text, kana = line.split("\t")
    assert heard(reading(text)) == heard(kana)


def test_words_of_the_user_keep_their_reading(tmp_path: Path) -> None:
    dictionary = UserDictionary(tmp_path / "words.json")
    dictionary.add(DictionaryWord("貴女", "キジョ", 1))
    assert reading("貴女の本。", FrontEnd(dictionary)) == "キジョノホン"


def test_a_word_that_ends_inside_a_morpheme_stays() -> None:
    morphemes = ["主人,名詞,一般,*,*,*,*,主人,シュジン,シュジン,1/3,C1"]
    assert choose_readings(["声,名詞,一般,*,*,*,*,声,コエ,コエ,1/2,C1", *morphemes])[1:] == morphemes
