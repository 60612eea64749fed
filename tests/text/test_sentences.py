from __future__ import annotations

import time

import pytest

from sokuon.text import FrontEnd
from sokuon.text.sentences import MAX_CHARACTERS, split_long, split_sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("え！？ほんと。", ["え！？", "ほんと。"]),
        ("！！！なに？？？", ["！！！なに？？？"]),
        ("「はい。」と言った。", ["「はい。", "」と言った。"]),
        ("雨。\n\n  雪\n", ["雨。", "雪"]),
        ("…。", ["…。"]),
        ("", []),
        (" \n ", []),
        ("https://a.jp/?q=1 を見て！次", ["https://a.jp/?q=1 を見て！", "次"]),
        ("3.14です。次", ["3.14です。", "次"]),
    ],
)
def test_cuts(text: str, expected: list[str]) -> None:
    assert list(split_sentences(text)) == expected


@pytest.mark.parametrize("text", ["あ" * 1000, "今日は雨、" * 200, "word " * 300, "漢字かな" * 300, "。" * 500])
def test_long_sentences_are_cut_and_nothing_is_lost(text: str) -> None:
    pieces = list(split_sentences(text))
    assert "".join(pieces).replace(" ", "") == text.replace(" ", "")
    assert all(len(piece) <= MAX_CHARACTERS for piece in pieces)


def test_a_long_sentence_is_cut_after_a_comma() -> None:
    assert list(split_long("あいうえ、かきくけこさ", 8)) == ["あいうえ、", "かきくけこさ"]


def test_cutting_is_lazy() -> None:
    assert next(split_sentences("雨。" * 1_000_000)) == "雨。"


@pytest.mark.parametrize("mark", ["!", "。", "。\n", "？ ", "…!", "a?b!", "\ue002"])
def test_cutting_takes_time_in_proportion(mark: str) -> None:
    """100,000 characters take 0.05 s; joined and searched anew for each mark they took more than 40 s."""
    begin = time.process_time()
    text = mark * (100_000 // len(mark))
    assert sum(len(piece) for piece in split_sentences(text)) <= len(text)
    assert time.process_time() - begin < 4


@pytest.mark.parametrize("between", ["\n\n", "\n \u3000\n", "。\n\n\n", " \n\t\n\n "])
def test_blank_lines_end_a_paragraph(between: str) -> None:
    sentences = list(FrontEnd().sentences(f"一つ目{between}二つ目\n三つ目"))
    assert [sentence.ends_paragraph for sentence in sentences] == [True, False, False]
    assert [sentence.source.rstrip("。") for sentence in sentences] == ["一つ目", "二つ目", "三つ目"]


@pytest.mark.parametrize("blank", ["\n\n", "\n \n\n"])
def test_blank_lines_after_a_pause_end_the_sentence_before_it(blank: str) -> None:
    sentences = list(FrontEnd().sentences(f"一つ目。[pause 1s]{blank}二つ目。三つ目。"))
    assert [(s.source, s.ends_paragraph, s.pause_after_s) for s in sentences] == [
        ("一つ目。[pause 1s]", True, 1.0), ("二つ目。", False, None), ("三つ目。", False, None),
    ]  # fmt: skip


def test_blank_lines_between_two_pauses_lose_neither() -> None:
    sentences = list(FrontEnd().sentences("一つ目。[pause 1s]\n\n[pause 2s]二つ目。三つ目。"))
    assert sum(s.pause_after_s or 0 for s in sentences) == 3.0
    assert [s.ends_paragraph for s in sentences if s.pause_after_s is None] == [False, False]


def test_blank_lines_before_the_first_word_end_no_paragraph() -> None:
    assert [s.ends_paragraph for s in FrontEnd().sentences("\n\n一つ目。二つ目。")] == [False, False]


def test_a_paragraph_mark_of_the_users_own_is_none() -> None:
    assert [s.ends_paragraph for s in FrontEnd().sentences("一つ\ue003目。二つ目。")] == [False, False]
