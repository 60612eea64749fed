"""Every row of readings.tsv is read as a Japanese reader would."""

from __future__ import annotations

import pytest
from readings import Reading, sounds, table

from sokuon.text import FrontEnd
from sokuon.text.morae import word_phones

_FRONT_END = FrontEnd()


def _spoken(text: str) -> str:
    return sounds(symbol for sentence in _FRONT_END.sentences(text) for symbol in sentence.phonemes.symbols)


@pytest.mark.parametrize("row", table(), ids=lambda row: row.text)
def test_reading(row: Reading) -> None:
    expected = {sounds(phone for word in word_phones([reading]) for phone in word) for reading in row.expected}
    assert _spoken(row.text) in expected


def test_the_table_is_large_enough() -> None:
    assert len(table()) >= 300
