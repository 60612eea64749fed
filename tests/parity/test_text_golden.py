"""Equality with HayaKoe 1.3.1 on its own OpenJTalk analysis (see make_text_golden.py); runs anywhere, in seconds."""

from __future__ import annotations

import gzip
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sokuon.text.characters import fold
from sokuon.text.english import EnglishReader
from sokuon.text.normalize import normalize
from sokuon.text.words import Analysis, Node, phonemes_of, words_of

_GOLDEN = Path(__file__).with_name("text_golden.jsonl.gz")


@cache
def _golden() -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.open(_GOLDEN, "rt", encoding="utf-8")]


def _analysis(record: dict[str, Any]) -> Analysis:
    nodes = tuple(Node(s, pron, accent, moras, bool(chained)) for s, pron, accent, moras, chained in record["nodes"])
    return Analysis(nodes, tuple(record["labels"]))


def _expected(record: dict[str, Any]) -> tuple[list[str], list[int], list[int]]:
    """HayaKoe's answer, with the one intended deviation: kw and gw, which no voice has, are spoken as k u w, g u w."""
    phones, tones, counts = [], [], []
    place = 0
    symbols = record["phones"].split(" ")
    for count in record["word2ph"]:
        own = symbols[place : place + count]
        for phone, tone in zip(own, record["tones"][place : place + count], strict=True):
            expansion = [phone[0], "u", "w"] if phone in ("kw", "gw") else [phone]
            phones += expansion
            tones += [int(tone)] * len(expansion)
        counts.append(count)
        place += count
    return phones, tones, counts


def test_two_thousand_inputs_have_equal_phones_tones_and_counts() -> None:
    assert len(_golden()) >= 2000
    wrong = []
    for record in _golden():
        made = phonemes_of(_analysis(record))
        phones, tones, counts = _expected(record)
        rare = "kw" in record["phones"] or "gw" in record["phones"]
        if (list(made.symbols), list(made.tones)) != (phones, tones) or (not rare and list(made.word2ph) != counts):
            wrong.append((record["text"], made, record))
    assert not wrong, wrong[:3]


def test_words_and_characters_are_equal() -> None:
    for record in _golden():
        assert [word.surface for word in words_of(_analysis(record).nodes)] == record["words"]


_NO_ENGLISH = EnglishReader(lambda _: None)
_PLAIN = re.compile(r"[ぁ-んァ-ンー一-鿿、。！？「」…\s]+")


def test_plain_text_is_normalised_equally() -> None:
    plain = [record for record in _golden() if _PLAIN.fullmatch(record["text"])]
    assert len(plain) > 2000
    for record in plain:
        assert normalize(record["text"], _NO_ENGLISH).replace(" ", "") == record["norm"]


@pytest.mark.parametrize("text", ["：；，、·・。．！？…", "「」『』（）【】", "—–―−-~〜～"])
def test_folding_is_stable(text: str) -> None:
    assert fold(fold(text)) == fold(text)
