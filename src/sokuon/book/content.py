"""What a book is, whatever file it came from: chapters of headings, paragraphs and breaks, in the engine's markup."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sokuon.text.markup import without_markup

PART_CHARACTERS = 20_000
"""A book without chapters is cut into parts of at most this, an hour of sound: finished ones are kept."""

Kind = Literal["paragraph", "heading", "break"]


@dataclass(frozen=True)
class Block:
    """One paragraph or heading, its `text` as the engine takes it ({漢字|かんじ}); a break between scenes has none."""

    text: str
    kind: Kind = "paragraph"
    level: int = 0
    """Of a heading: 1 is the highest."""


BREAK = Block("", "break")


@dataclass(frozen=True)
class Chapter:
    """What becomes one sound file, or one mark of an M4B."""

    title: str
    blocks: tuple[Block, ...]

    @property
    def characters(self) -> int:
        """Of all it says."""
        return sum(len(block.text) for block in self.blocks)


@dataclass(frozen=True)
class Book:
    """Title and author are "" where the file does not tell them; `cover` is a JPEG or PNG."""

    title: str
    author: str
    chapters: tuple[Chapter, ...]
    cover: bytes | None = None

    @property
    def characters(self) -> int:
        """Of all chapters."""
        return sum(chapter.characters for chapter in self.chapters)


def heading(text: str, level: int) -> Block:
    """A heading of that level."""
    return Block(text, "heading", level)


def chapters_of(blocks: Iterable[Block], title: str) -> tuple[Chapter, ...]:
    """Blocks divided at the headings of the highest level that there are several of, and those above it.

    What stands before the first of them is a chapter called `title`; a book with no such headings is cut into parts.
    """
    tidy = tuple(tidied(blocks))
    level = _chapter_level(tidy)
    starts = dict.fromkeys(i for i, block in enumerate(tidy) if block.kind == "heading" and block.level <= level)
    if len(starts) < 2:
        return tuple(_parts(tidy, title))
    return joined(
        Chapter(without_markup(tidy[begin].text) if begin in starts else title, tidy[begin:end])
        for begin, end in zip([0, *starts], [*starts, len(tidy)], strict=True)
        if begin < end
    )


def joined(chapters: Iterable[Chapter]) -> tuple[Chapter, ...]:
    """The same chapters, those that are nothing but a heading (a part's) put before the one that follows."""
    found: list[Chapter] = []
    held: list[Chapter] = []
    for chapter in chapters:
        blocks = tuple(tidied(chapter.blocks))
        if not blocks:
            continue
        if all(block.kind == "heading" for block in blocks):
            held.append(replace(chapter, blocks=blocks))
            continue
        before = tuple(block for other in held for block in other.blocks)
        title = "　".join(part for part in (*(other.title for other in held), chapter.title) if part)
        found.append(Chapter(title, before + blocks))
        held = []
    return (*found, *held)


def tidied(blocks: Iterable[Block]) -> Iterator[Block]:
    """No break at either end, none twice, none beside a heading, which has its own pauses; no empty text."""
    last: Block | None = None
    waiting = False
    for block in blocks:
        if block.kind == "break":
            waiting = last is not None and last.kind != "heading"
            continue
        if not block.text.strip():
            continue
        if waiting and block.kind != "heading":
            yield BREAK
        waiting, last = False, block
        yield block


def _chapter_level(blocks: Sequence[Block]) -> int:
    levels = [block.level for block in blocks if block.kind == "heading"]
    return next((level for level in sorted(set(levels)) if levels.count(level) > 1), 0)


def _parts(blocks: tuple[Block, ...], title: str) -> Iterator[Chapter]:
    """The whole as one chapter, or in parts that end with a paragraph."""
    parts: list[list[Block]] = [[]]
    characters = 0
    for block in blocks:
        characters += len(block.text)
        if characters > PART_CHARACTERS and parts[-1]:
            parts.append([])
            characters = len(block.text)
        parts[-1].append(block)
    for number, part in enumerate(parts, 1):
        if part:
            yield Chapter(f"{title} {number}".strip() if len(parts) > 1 else title, tuple(tidied(part)))
