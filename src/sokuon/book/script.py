"""A chapter as the engine reads it: passages of one manner each, with the pauses that headings and breaks ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sokuon.book.cast import Cast, Manner
from sokuon.book.content import Chapter
from sokuon.text.markup import without_markup

HEADING_S = 1.0
"""Silence after a heading; before one that stands within a chapter it is that of a break."""
BREAK_S = 1.5
"""Silence between two scenes."""
END_S = 1.5
"""Silence at the end of a chapter."""
TURN_S = 0.3
"""Silence where another manner begins within a paragraph."""
PARAGRAPH_S = 0.7
"""Silence between paragraphs of different manners; within one manner the voice finds it."""

_ENDED = re.compile(r"[。．！？!?…―—‥]$")
_SAID = re.compile(r"\s*と(?!い[うふ]|は|も|か)")
_LONGEST_NAME = 20


@dataclass(frozen=True)
class Passage:
    """A text in the engine's markup, pauses included, and how it is spoken."""

    text: str
    manner: Manner


@dataclass
class _Line:
    text: str
    manner: Manner
    pause_s: float | None = None
    ends_paragraph: bool = False


def passages(chapter: Chapter, cast: Cast) -> tuple[Passage, ...]:
    """What is spoken one after the other; two neighbours differ in their manner."""
    found: list[Passage] = []
    text = ""
    lines = list(_lines(chapter, cast))
    for line, after in zip(lines, [*lines[1:], None], strict=True):
        text += line.text
        if after is not None and after.manner == line.manner:
            text += "" if not line.ends_paragraph else "\n\n" if line.pause_s is None else f"{_pause(line.pause_s)}\n"
            continue
        turn_s = PARAGRAPH_S if line.ends_paragraph else TURN_S
        end_s = END_S if after is None else turn_s if line.pause_s is None else line.pause_s
        found.append(Passage(text + _pause(end_s), line.manner))
        text = ""
    return tuple(found)


def _pause(seconds: float) -> str:
    return f"[pause {seconds:g}s]"


def _lines(chapter: Chapter, cast: Cast) -> Iterator[_Line]:
    """Pieces of blocks; each is told what silence follows it when the next block is seen."""
    last: _Line | None = None
    for block in chapter.blocks:
        if last is not None and block.kind != "paragraph" and last.pause_s is None:
            last.pause_s = BREAK_S
        if block.kind == "break":
            continue
        pieces = [(block.text, cast.narration)] if block.kind == "heading" else _pieces(block.text, cast)
        for text, manner in pieces:
            if last is not None:
                yield last
            last = _Line(text, manner)
        if last is not None:
            last.ends_paragraph = True
            if block.kind == "heading":
                last.pause_s = HEADING_S
    if last is not None:
        yield last


def _pieces(text: str, cast: Cast) -> Iterable[tuple[str, Manner]]:
    """A paragraph divided into narration and what somebody says."""
    if cast.dialogue is None and not cast.names:
        return [(text, cast.narration)]
    speaker, text = _speaker(text, cast)
    spoken = speaker or cast.dialogue or cast.narration
    pieces: list[tuple[str, Manner]] = []
    begin, first = 0, len(text) - len(text.lstrip())
    for start, end in _quotes(text):
        if start <= first or _is_said(text, start, end):
            pieces += [(text[begin:start], cast.narration), (text[start:end], spoken)]
            begin = end
    pieces.append((text[begin:], cast.narration))
    return [(piece, manner) for piece, manner in pieces if piece.strip()]


def _speaker(text: str, cast: Cast) -> tuple[Manner | None, str]:
    """Of 太郎「…」 with 太郎 in the cast: his manner, and what he says. The name itself is not spoken."""
    before, bracket, after = text.partition("「")
    name = without_markup(before).strip().removesuffix("：").removesuffix(":")
    if not bracket or len(name) > _LONGEST_NAME or name not in cast.names:
        return None, text
    return cast.names[name], bracket + after


def _quotes(text: str) -> Iterator[tuple[int, int]]:
    """Where the outermost 「…」 of a text lie; one that is not closed lasts to the end."""
    depth = start = 0
    for place, char in enumerate(text):
        if char == "「":
            start = start if depth else place
            depth += 1
        elif char == "」" and depth:
            depth -= 1
            if not depth:
                yield start, place + 1
    if depth:
        yield start, len(text)


def _is_said(text: str, start: int, end: int) -> bool:
    """Somebody says what does not begin the paragraph: it ends as a sentence does, or と follows; else it is a word."""
    inner = text[start + 1 : end].removesuffix("」")
    return bool(_ENDED.search(inner)) or _SAID.match(text, end) is not None
