"""Plain text: headings by how they are written, breaks between scenes, ruby as web novels have it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from sokuon.book.content import BREAK, Block, Book, chapters_of, heading
from sokuon.book.ruby import with_ruby

_NUMBER = "[0-9０-９一二三四五六七八九十百千〇零]{1,6}"
_REST = r"(?:[\s:：―—.．-].{0,60})?"
_PARTS = re.compile(rf"第\s*{_NUMBER}\s*[部巻編篇]{_REST}|(?i:part)\s+\w{{1,8}}{_REST}")
_CHAPTERS = re.compile(
    rf"第\s*{_NUMBER}\s*[章話幕回節夜]{_REST}|(?i:chapter)\s+\w{{1,8}}{_REST}"
    rf"|(?:プロローグ|エピローグ|序章?|終章|幕間|間章|あとがき|まえがき|はじめに|おわりに|番外編?){_REST}"
)
_NUMBERS = re.compile(rf"{_NUMBER}|[IVXivx]{{1,6}}")
_SCENE = re.compile(r"(?:[*＊☆★◇◆□■○●◎※†‡✽❖♦~〜─━—―=＝#＃-]\s*){1,40}")
_MANY_BLANKS = 3


def read_plain(text: str, title: str) -> Book:
    """A book called `title`, whose author is not known."""
    return Book(title, "", chapters_of(_blocks(text.split("\n")), title))


def _blocks(lines: Sequence[str]) -> Iterator[Block]:
    stripped = [line.strip() for line in lines]
    enough = _blanks_of_a_break(stripped)
    blanks = enough
    for number, line in enumerate(stripped):
        if not line:
            blanks += 1
            if blanks == enough:
                yield BREAK
            continue
        alone = blanks > 0 and not any(stripped[number + 1 : number + 2])
        blanks = 0
        level = _level(line, alone)
        if level:
            yield heading(with_ruby(line), level)
        elif _SCENE.fullmatch(line):
            yield BREAK
        else:
            yield Block(with_ruby(line))


def _level(line: str, alone: bool) -> int:
    """Of a heading; 0 for a paragraph. A bare number has to stand alone between blank lines."""
    if _PARTS.fullmatch(line):
        return 1
    if _CHAPTERS.fullmatch(line):
        return 2
    return 3 if alone and _NUMBERS.fullmatch(line) else 0


def _blanks_of_a_break(lines: Sequence[str]) -> int:
    """Blank lines that part scenes: one where paragraphs follow each other line by line, else several."""
    pairs = [(bool(a), bool(b)) for a, b in pairwise(lines)]
    return 1 if pairs.count((True, True)) > pairs.count((True, False)) else _MANY_BLANKS
