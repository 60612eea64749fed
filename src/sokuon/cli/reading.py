"""Where the text comes from: an argument, a file, standard input, in whatever encoding it was written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sokuon.cli.terminal import note
from sokuon.errors import OptionError, TextError
from sokuon.text.encodings import bounded, content, decoded

FileOption = Annotated[Path | None, typer.Option("--file", "-f", help="Text file; - is standard input.")]
EncodingOption = Annotated[
    str | None, typer.Option(help="Encoding of file or standard input, such as shift_jis; found out if left out.")
]

_MOST_MB, _ADVICE = 64, "split the text"  # a long novel has one or two


def read_text(text: str | None, file: Path | None, encoding: str | None) -> str:
    """The text to be spoken. Raises OptionError for two sources, TextError for none or one that cannot be read."""
    if text is not None and text != "-":
        if file is not None:
            raise OptionError("give the text or --file, not both.")
        _refuse_broken(text)
    elif file is None or str(file) == "-":
        text = decoded(_standard_input(), encoding, "standard input")
    else:
        text = decoded(content(file, _MOST_MB, _ADVICE), encoding, str(file))
    if not text.strip():
        raise TextError("there is nothing to say; give a text, --file, or standard input.")
    return text


def _refuse_broken(text: str) -> None:
    """An argument that is not in the locale's encoding arrives with surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise TextError("the text is not in the encoding of this terminal; put it into a file.") from error


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise TextError("standard input is closed; give a text or --file.")
    if sys.stdin.isatty():
        note("reading from the terminal; end with Ctrl-D on a line of its own")
    return bounded(sys.stdin.buffer, "standard input", _MOST_MB, _ADVICE)
