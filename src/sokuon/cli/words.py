"""Commands about words: `sokuon phonemes` and `sokuon dict`. Thin: mounted by `sokuon.cli.app`, which prints errors."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sokuon.cli.reading import EncodingOption, FileOption, read_text
from sokuon.errors import DictionaryError, printable
from sokuon.text.dictionary import DEFAULT_PRIORITY, WORD_TYPES, DictionaryWord, UserDictionary
from sokuon.text.morae import is_punctuation

if TYPE_CHECKING:
    from sokuon.text.frontend import Sentence
    from sokuon.text.words import Word

dict_app = typer.Typer(help="The user dictionary: words whose reading and accent you decide.", no_args_is_help=True)

DictionaryOption = Annotated[
    Path | None,
    typer.Option("--dictionary", "-d", help="Dictionary file instead of the usual one.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for programs.")]


def dictionary_path() -> Path | None:
    """`$SOKUON_DICTIONARY`, or dictionary.json in the user's data folder; None for a user without a home."""
    named = os.environ.get("SOKUON_DICTIONARY")
    if named:
        return Path(named)
    import platformdirs

    with contextlib.suppress(RuntimeError):  # a number without a passwd entry, and no HOME
        return platformdirs.user_data_path("sokuon") / "dictionary.json"
    return None


def open_dictionary(path: Path | None) -> UserDictionary:
    """The dictionary at `path`, which must exist, or the user's own, empty if there is no file yet."""
    if path is not None and not path.exists():
        raise DictionaryError(f"{path} does not exist; `sokuon dict add` makes a dictionary.")
    return UserDictionary(path or dictionary_path())


def _to_change(path: Path | None) -> UserDictionary:
    """As `open_dictionary`, but a file that is still to be made."""
    path = path or dictionary_path()
    if path is None:
        raise DictionaryError("there is no home folder to keep a dictionary in; set SOKUON_DICTIONARY to a file.")
    return UserDictionary(path)


@dict_app.command()
def add(
    surface: Annotated[str, typer.Argument(help="As written in texts.")],
    reading: Annotated[str, typer.Argument(help="Kana as pronounced, such as タンタンメン.")],
    accent: Annotated[int, typer.Option(help="The pitch falls after this mora; 0 is flat.")] = 0,
    word_type: Annotated[str, typer.Option("--type", help=f"One of {', '.join(WORD_TYPES)}.")] = "PROPER_NOUN",
    priority: Annotated[int, typer.Option(help="0 to 10: how strongly it is preferred.")] = DEFAULT_PRIORITY,
    dictionary: DictionaryOption = None,
) -> None:
    """Add a word, or change one."""
    _to_change(dictionary).add(DictionaryWord(surface, reading, accent, word_type, priority))


@dict_app.command()
def remove(
    surface: Annotated[str, typer.Argument(help="As written in texts.")], dictionary: DictionaryOption = None
) -> None:
    """Remove a word."""
    open_dictionary(dictionary).remove(surface)


@dict_app.command(name="list")
def list_words(dictionary: DictionaryOption = None, as_json: JsonOption = False) -> None:
    """Show all words: surface, reading, accent, type, priority."""
    words = open_dictionary(dictionary).words()
    if as_json:
        typer.echo(json.dumps([asdict(word) for word in words], ensure_ascii=False))
        return
    for word in words:
        typer.echo(f"{word.surface}\t{word.reading}\t{word.accent}\t{word.word_type}\t{word.priority}")


@dict_app.command(name="import")
def import_words(
    file: Annotated[Path, typer.Argument(help="JSON of Sokuon, VOICEVOX or Style-Bert-VITS2.")],
    dictionary: DictionaryOption = None,
) -> None:
    """Add the words of another dictionary."""
    typer.echo(f"{_to_change(dictionary).import_file(file)} words added")


@dict_app.command(name="export")
def export_words(
    file: Annotated[Path, typer.Argument(help="JSON file to write.")], dictionary: DictionaryOption = None
) -> None:
    """Write all words to a file."""
    typer.echo(f"{open_dictionary(dictionary).export_file(file)} words written")


def phonemes(
    text: Annotated[str | None, typer.Argument(help="Text to analyse; - or nothing is standard input.")] = None,
    file: FileOption = None,
    encoding: EncodingOption = None,
    as_json: JsonOption = False,
    dictionary: DictionaryOption = None,
) -> None:
    """Show how a text will be read: words, readings, accents and phonemes."""
    from sokuon.text.frontend import FrontEnd

    words = open_dictionary(dictionary)
    sentences = FrontEnd(words).sentences(read_text(text, file, encoding))
    if as_json:
        typer.echo(json.dumps([as_record(sentence) for sentence in sentences], ensure_ascii=False))
        return
    for sentence in sentences:
        typer.echo(printable("\n".join(as_lines(sentence)), "\n\u3000"))


def as_record(sentence: Sentence) -> dict[str, Any]:
    """A sentence as plain data: what programs read."""
    return {
        "source": sentence.source,
        "words": [asdict(word) for word in sentence.words],
        "text": sentence.phonemes.text,
        "phonemes": list(sentence.phonemes.symbols),
        "tones": list(sentence.phonemes.tones),
        "word2ph": list(sentence.phonemes.word2ph),
        "pause_after_s": sentence.pause_after_s,
        "ends_paragraph": sentence.ends_paragraph,
    }


def as_lines(sentence: Sentence) -> list[str]:
    """A sentence for a person: its source, its accent phrases, its phonemes with rises and falls of the pitch."""
    pause = [] if sentence.pause_after_s is None else [f"  pause    {sentence.pause_after_s:g} s"]
    return [
        sentence.source,
        f"  words    {' '.join(word.surface for word in sentence.words)}",
        f"  reading  {_phrases(sentence.words)}",
        f"  phonemes {_with_pitch(sentence)}",
        *pause,
    ]


def _phrases(words: tuple[Word, ...]) -> str:
    """Readings, accent phrases parted by "/" and followed by the mora after which the pitch falls."""
    phrases: list[tuple[str, int]] = []
    for word in words:
        if is_punctuation(word.reading):
            continue
        if word.starts_phrase or not phrases:
            phrases.append(("", word.accent))
        reading, accent = phrases[-1]
        phrases[-1] = (reading + word.reading, accent)
    return " / ".join(f"{reading}[{accent}]" for reading, accent in phrases)


def _with_pitch(sentence: Sentence) -> str:
    """Phonemes, ↑ before those where the pitch rises and ↓ where it falls."""
    marks = {1: "↑", -1: "↓", 0: ""}
    pairs = list(zip(sentence.phonemes.symbols, sentence.phonemes.tones, strict=True))[1:-1]
    levels = [0, *(tone for _, tone in pairs)]
    return " ".join(marks[tone - before] + symbol for (symbol, tone), before in zip(pairs, levels, strict=False))
