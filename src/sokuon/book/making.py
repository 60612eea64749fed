"""A book → its sound files, chapter by chapter; what an earlier run finished is kept."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Protocol

from sokuon.audio.formats import FORMATS, Labels
from sokuon.audio.sound import Audio, PhonemeTiming, SentenceTiming
from sokuon.audio.subtitles import subtitles
from sokuon.audio.writer import Timeline, write_file
from sokuon.book.cast import Cast
from sokuon.book.content import Book, Chapter
from sokuon.book.narrator import Narrator
from sokuon.book.record import Finished, Records, key_of
from sokuon.book.script import Passage, passages
from sokuon.errors import AudioError
from sokuon.storage.files import write_atomically

CHAPTER_FORMATS = tuple(name for name in FORMATS if name != "pcm")
_RECORDS = ".sokuon-book"
_NAME_CHARACTERS = 50
_FORBIDDEN = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f]')
_COVERS = {b"\xff\xd8\xff": "cover.jpg", b"\x89PN": "cover.png"}


@dataclass(frozen=True)
class Made:
    """A chapter as it is now: `kept` if an earlier run made it."""

    title: str
    finished: Finished
    kept: bool


class Watcher(Protocol):
    """Is told how a run goes on."""

    def begin(self, number: int, chapter: Chapter, kept: bool) -> None:
        """A chapter begins, or is there already."""

    def spoken(self, characters: int) -> None:
        """More of it was spoken."""

    def end(self, number: int, chapter: Chapter, seconds: float) -> None:
        """It is finished, so long."""


@dataclass(frozen=True)
class Order:
    """What is to be made."""

    book: Book
    cast: Cast
    narrator: Narrator
    subtitles: str | None = None
    """srt, vtt or none."""
    settings: str = ""
    """What else the sound depends on: the engine's version, a dictionary."""

    def passages(self, chapter: Chapter) -> tuple[Passage, ...]:
        """What is spoken of a chapter."""
        return passages(chapter, self.cast)

    def key(self, number: int, format: str) -> str:
        """What the file of a chapter depends on."""
        chapter = self.book.chapters[number - 1]
        parts = self.narrator.settings(self.passages(chapter))
        labels = self.labels(number)
        return key_of(parts, format, self.settings, labels.title, labels.artist, labels.album, number)

    def labels(self, number: int) -> Labels:
        """What the file of a chapter says about itself."""
        book = self.book
        title = book.chapters[number - 1].title or f"{number}"
        serial = int(key_of(book.title, title, number)[:8], 16)
        return Labels(title, book.author, book.title, number, serial)


def make_files(order: Order, folder: Path, format: str, watcher: Watcher) -> tuple[Made, ...]:
    """One file a chapter in a folder, subtitles beside them, and the cover. Raises AudioError, OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    records = Records(folder / _RECORDS, folder)
    names = [f"{stem}.{format}" for stem in _stems(order.book)]
    with records.held():
        _refuse_foreign(folder, names, records)

        def write(pieces: Iterable[Audio], path: Path, number: int) -> None:
            write_file(pieces, order.narrator.sample_rate, path, format, order.labels(number))

        made = tuple(make_chapters(order, records, [folder / name for name in names], format, write, watcher))
        for chapter in made:
            write_subtitles(order, [chapter], folder / chapter.finished.file, [chapter.finished.seconds])
        if order.book.cover is not None:
            write_atomically(folder / _COVERS.get(order.book.cover[:3], "cover"), order.book.cover)
    return made


def make_chapters(
    order: Order,
    records: Records,
    paths: list[Path],
    format: str,
    write: Callable[[Iterable[Audio], Path, int], None],
    watcher: Watcher,
) -> Iterator[Made]:
    """The chapters at `paths`, each written by `write`(pieces, path, number) unless it is there already."""
    for number, (chapter, path) in enumerate(zip(order.book.chapters, paths, strict=True), 1):
        key = order.key(number, format)
        finished = records.finished(number, key)
        kept = finished is not None and finished.file == path.name
        watcher.begin(number, chapter, kept)
        if finished is None or not kept:
            timeline = Timeline(order.narrator.sample_rate)
            pieces = timeline.watch(_watched(order.narrator.speak(order.passages(chapter)), watcher))
            write(pieces, path, number)
            finished = records.finish(number, key, path, timeline)
        watcher.end(number, chapter, finished.seconds)
        yield Made(chapter.title, finished, kept)


def write_subtitles(order: Order, chapters: Sequence[Made], sound: Path, seconds: Sequence[float]) -> None:
    """Beside `sound`, of the chapters that are in it and how long each lasts there, if they were asked for."""
    if order.subtitles is None:
        return
    sentences: list[SentenceTiming] = []
    commas: list[PhonemeTiming] = []
    for chapter, begin in zip(chapters, accumulate(seconds, initial=0.0), strict=False):
        made = chapter.finished
        sentences += [replace(s, start=s.start + begin, end=s.end + begin) for s in made.sentences if s.text]
        commas += [replace(c, start=c.start + begin, end=c.end + begin) for c in made.commas]
    text = subtitles(sentences, order.subtitles, commas)
    write_atomically(sound.with_suffix(f".{order.subtitles}"), text.encode())


def _watched(pieces: Iterable[Audio], watcher: Watcher) -> Iterator[Audio]:
    for piece in pieces:
        if piece.sentences:
            watcher.spoken(sum(len(sentence.text) for sentence in piece.sentences))
        yield piece


def _refuse_foreign(folder: Path, names: list[str], records: Records) -> None:
    """Raise AudioError rather than replace a file that no run of ours wrote."""
    for number, name in enumerate(names, 1):
        if (folder / name).exists() and ((own := records.written(number)) is None or own.file != name):
            raise AudioError(f"{folder / name} is there and not of this book; choose another folder, or move it.")


def _stems(book: Book) -> list[str]:
    """Names of files without what file systems do not take: 01 はじまり."""
    digits = max(2, len(str(len(book.chapters))))
    return [f"{n:0{digits}} {_safe(chapter.title)}".strip() for n, chapter in enumerate(book.chapters, 1)]


def _safe(title: str) -> str:
    text = _FORBIDDEN.sub(" ", unicodedata.normalize("NFC", title))
    text = "".join(char for char in text if char.isprintable() or char == "\u3000")
    return " ".join(text.split(" "))[:_NAME_CHARACTERS].strip(" .\u3000")
