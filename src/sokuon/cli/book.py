"""`sokuon book`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sokuon.cli.japanese import told
from sokuon.cli.places import BertOption, ModelOption, VoiceOption, YesOption, find_both
from sokuon.cli.reading import EncodingOption
from sokuon.cli.say import speaker_named
from sokuon.cli.terminal import ThreadsOption, clock, library_notes, note, progress_bar
from sokuon.errors import AudioError, OptionError
from sokuon.options import SynthesisOptions

if TYPE_CHECKING:
    from rich.progress import Progress

    from sokuon.book.cast import Cast, Manner
    from sokuon.book.content import Book, Chapter
    from sokuon.book.making import Made, Order
    from sokuon.book.narrator import Narrator, Part
    from sokuon.engine import Engine
    from sokuon.text.dictionary import UserDictionary

_DEFAULT = SynthesisOptions()
_MOST_COVER_BYTES = 16_000_000


def book(
    file: Annotated[Path, typer.Argument(metavar="BOOK", help="EPUB, Markdown, Aozora Bunko or plain text.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for a file a chapter, or one NAME.m4b.")
    ] = None,
    format: Annotated[str, typer.Option(help="Of files in a folder: mp3, opus, ogg, flac or wav.")] = "mp3",
    cast: Annotated[Path | None, typer.Option(help="TOML file: who speaks what, by which voice and style.")] = None,
    subtitles: Annotated[str | None, typer.Option(help="Also write subtitles: srt or vtt.")] = None,
    title: Annotated[str | None, typer.Option(help="Title, instead of the book's own.")] = None,
    author: Annotated[str | None, typer.Option(help="Author, instead of the book's own.")] = None,
    cover: Annotated[Path | None, typer.Option(help="Cover (JPEG or PNG), instead of the book's own.")] = None,
    chapters: Annotated[bool, typer.Option("--chapters", help="List the chapters and end.")] = False,
    encoding: EncodingOption = None,
    voice: VoiceOption = None,
    model: ModelOption = None,
    bert: BertOption = None,
    yes: YesOption = False,
    speaker: Annotated[str | None, typer.Option(help="Speaker, by name or number.")] = None,
    style: Annotated[str | None, typer.Option(help="Style, by name (see `sokuon voices`).")] = None,
    style_weight: Annotated[
        float, typer.Option(help="0 neutral, 1 the style, more exaggerates.")
    ] = _DEFAULT.style_weight,
    speed: Annotated[float, typer.Option(help="2 is twice as fast.")] = _DEFAULT.speed,
    dictionary: Annotated[Path | None, typer.Option(help="User dictionary (JSON) instead of the usual one.")] = None,
    threads: ThreadsOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Read a book aloud: a sound file a chapter, or one M4B. A run goes on where the last one stopped."""
    from sokuon.book.cast import Cast, read_cast
    from sokuon.book.reading import read_book

    usual = SynthesisOptions(style=style, style_weight=style_weight, speed=speed)
    _check(output, format, subtitles, chapters)
    roles = Cast() if cast is None else read_cast(cast)
    found = _named(read_book(file, encoding), title, author, cover)
    if output is None or chapters:
        _list(found)
        return
    with library_notes(quiet):
        from sokuon.book.making import Order
        from sokuon.cli.words import open_dictionary

        words = open_dictionary(dictionary)
        narrator = _narrator(roles, (voice, model, bert), yes, quiet, words, threads, usual, speaker)
        order = Order(found, roles, narrator, subtitles, _version(words))
        _make(order, output, format.lower(), quiet)


def _check(output: Path | None, format: str, subtitles: str | None, chapters: bool) -> None:
    """Raise OptionError or AudioError for what could only fail after the work."""
    from sokuon.audio.subtitles import check_subtitles
    from sokuon.book.making import CHAPTER_FORMATS
    from sokuon.storage.files import check_place

    if output is None and not chapters:
        raise OptionError("give --output: a folder, or a file NAME.m4b.")
    if format.lower() not in CHAPTER_FORMATS:
        raise OptionError(f"format is {format!r}; it must be one of {', '.join(CHAPTER_FORMATS)}.")
    if subtitles is not None:
        check_subtitles(subtitles)
    if output is not None and _is_whole(output):
        check_place(output)
    elif output is not None and output.exists() and not output.is_dir():
        raise AudioError(f"{output} is a file; give a folder for the chapters, or a file NAME.m4b.")


def _is_whole(output: Path) -> bool:
    """Whether the book becomes one file."""
    return output.suffix.lower() == ".m4b"


def _named(book: Book, title: str | None, author: str | None, cover: Path | None) -> Book:
    """The book with what was said about it instead of what it says."""
    picture = book.cover
    if cover is not None:
        try:
            with cover.open("rb") as file:
                picture = file.read(_MOST_COVER_BYTES)
        except (OSError, ValueError) as error:
            raise OptionError(
                f"{cover} cannot be read ({getattr(error, 'strerror', error)}); check the path."
            ) from error
        if not picture.startswith((b"\xff\xd8\xff", b"\x89PNG")):
            raise OptionError(f"{cover} is neither JPEG nor PNG; give one of these as cover.")
    return replace(
        book,
        title=book.title if title is None else title,
        author=book.author if author is None else author,
        cover=picture,
    )


def _list(book: Book) -> None:
    by = f", {book.author}" if book.author else ""
    typer.echo(f"{book.title}{by}")
    for number, chapter in enumerate(book.chapters, 1):
        typer.echo(f"{number:3}  {chapter.title}  ({chapter.characters})")


def _narrator(
    cast: Cast,
    main: tuple[str | None, str | None, str | None],
    yes: bool,
    quiet: bool,
    words: UserDictionary,
    threads: int | None,
    usual: SynthesisOptions,
    speaker: str | None,
) -> Narrator:
    """An engine with the voices of all manners; those without one of their own have the one that was asked for."""
    import sokuon
    from sokuon.book.narrator import Narrator

    voice, model, bert = main
    places = find_both(voice, model, bert, yes, quiet)
    engine = sokuon.load(places[0], bert=places[1], dictionary=words, threads=threads)
    usual = usual.changed(speaker=speaker_named(engine, speaker))
    loaded: dict[tuple[str | None, ...], tuple[str | None, str]] = {(None, None, None): (None, _digest(*places))}
    parts: dict[Manner, Part] = {}
    for manner in cast.manners:
        key = (manner.voice, manner.model, manner.bert)
        if key not in loaded:
            loaded[key] = _add_voice(engine, *find_both(manner.voice, manner.model, manner.bert, yes, quiet))
        parts[manner] = _part(manner, usual, *loaded[key])
    return Narrator(engine, parts)


def _part(manner: Manner, usual: SynthesisOptions, voice: str | None, files: str) -> Part:
    """How a manner is spoken; another voice has no use for the speaker and style that the first was asked for."""
    from sokuon.book.narrator import Part

    if voice is not None:
        usual = usual.changed(speaker=None, style=None)
    return Part(manner.options(usual, voice), files)


def _add_voice(engine: Engine, folder: Path | None, bert: Path | None) -> tuple[str, str]:
    """The name it was loaded under, and the digest of its files."""
    from sokuon.voices.builtin import BUILTIN, builtin_bert

    place = folder or BUILTIN / "voice"
    berts = builtin_bert("q8") if folder is None and bert is None else bert
    name = engine.add_voice(place, name=f"cast {len(engine.voices)}", bert=berts)
    return name, _digest(folder, bert)


def _digest(folder: Path | None, bert: Path | None) -> str:
    from sokuon.book.narrator import digest_of_files
    from sokuon.voices.builtin import BUILTIN

    return digest_of_files(folder or BUILTIN) + ("" if bert is None else digest_of_files(bert))


def _version(words: UserDictionary) -> str:
    """What the sound depends on besides text, voices and options."""
    from sokuon import __version__
    from sokuon.book.record import key_of

    return key_of(__version__, repr(words.words()))


def _make(order: Order, output: Path, format: str, quiet: bool) -> None:
    with _watching(order.book, quiet) as watcher:
        if _is_whole(output):
            from sokuon.book.m4b import make_m4b

            made = make_m4b(order, output, watcher)
        else:
            from sokuon.book.making import make_files

            made = make_files(order, output, format, watcher)
    if not quiet:
        _report(output, made)


def _report(output: Path, made: tuple[Made, ...] | None) -> None:
    if made is None:
        note(f"{output} is there already.")
        return
    seconds = sum(chapter.finished.seconds for chapter in made)
    note(f"{output}: {len(made)} chapter{'s' if len(made) > 1 else ''}, {clock(seconds)} of sound.")


@contextmanager
def _watching(book: Book, quiet: bool) -> Iterator[_Watcher]:
    """A bar where somebody can see it, else a line a chapter."""
    with progress_bar() as bar:
        yield _Watcher(book, bar, quiet)


class _Watcher:
    """Shows how a run goes on: characters spoken, of those that were not there at the beginning."""

    def __init__(self, book: Book, bar: Progress, quiet: bool) -> None:
        self._bar, self._quiet, self._count = bar, quiet, len(book.chapters)
        self._left, self._spoken, self._start = book.characters, 0, time.monotonic()  # but for this chapter's
        self._task = bar.add_task(told("speaking"), total=self._left, visible=not quiet)
        self._kept, self._here, self._most = False, 0, 0

    def begin(self, number: int, chapter: Chapter, kept: bool) -> None:
        """See making.Watcher."""
        self._kept, self._here, self._most = kept, 0, 0 if kept else chapter.characters
        self._left -= chapter.characters
        self._bar.update(self._task, total=self._spoken + self._most + self._left)
        self._bar.update(self._task, description=f"{number}/{self._count}")

    def spoken(self, characters: int) -> None:
        """See making.Watcher."""
        self._here = min(self._here + characters, self._most)  # what is spoken is no longer than what is written
        self._bar.update(self._task, completed=self._spoken + self._here)

    def end(self, number: int, chapter: Chapter, seconds: float) -> None:
        """See making.Watcher."""
        self._spoken += self._most
        self._bar.update(self._task, completed=self._spoken)
        if self._quiet:
            return
        what = f"{number}/{self._count} {chapter.title or number}: {clock(seconds)}"
        if self._kept:
            note(f"{what}, kept")
        elif self._spoken and self._left:
            left = self._left * (time.monotonic() - self._start) / self._spoken
            note(f"{what}, {clock(left)} left")
        else:
            note(what)
