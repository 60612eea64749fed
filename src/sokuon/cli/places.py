"""Voices and BERTs on the command line: how they are named, found, and fetched while someone watches."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sokuon.cli.japanese import told
from sokuon.cli.terminal import note, progress_bar

if TYPE_CHECKING:
    from rich.progress import TaskID

    from sokuon.voices.fetch.watch import Watch

VoiceOption = Annotated[
    str | None,
    typer.Option(
        "--voice", "-v", envvar="SOKUON_VOICE",
        help="Voice: folder, file, or hf://, s3://, https://, aivis:// address; the built-in one if left out.",
    ),
]  # fmt: skip
ModelOption = Annotated[str | None, typer.Option("--model", help="Which voice, where a place holds several.")]
BertOption = Annotated[str | None, typer.Option(help="Folder or address of the BERT the voice was trained on.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Fetch the usual BERT without asking.")]

_NAME_CHARACTERS = 40


@contextmanager
def watching(quiet: bool = False) -> Iterator[Watch]:
    """Bars for what is fetched, and sentences about it, on standard error."""
    from sokuon.voices.fetch.watch import SILENT, Watch

    if quiet:
        yield SILENT
        return
    bar = progress_bar()
    tasks: dict[str, TaskID] = {}

    def progress(name: str, done: int, total: int) -> None:
        if name not in tasks:
            bar.start()  # not before: a question may be asked first
            tasks[name] = bar.add_task(name[-_NAME_CHARACTERS:].replace("[", "("))
        bar.update(tasks[name], completed=done, total=total or None)

    try:
        yield Watch(progress, note)
    finally:
        bar.stop()


def find_both(
    voice: str | None, model: str | None, bert: str | None, yes: bool, quiet: bool
) -> tuple[Path | None, Path | None]:
    """Voice and BERT as places of this machine, fetched where they must be; None for what is built in."""
    if voice is None and bert is None:
        return None, None
    from sokuon.voices.berts import QUESTION, find_bert
    from sokuon.voices.sources import resolve

    with watching(quiet) as watch:
        if voice is None:
            return None, resolve(str(bert), kind="bert", watch=watch)
        folder = resolve(voice, model, watch=watch)
        return folder, find_bert(folder, bert, lambda: _agreed(yes, QUESTION), watch)


def _agreed(yes: bool, question: str) -> bool:
    """True if `--yes` was given, or a person at a terminal agrees."""
    return yes or (sys.stdin.isatty() and sys.stderr.isatty() and typer.confirm(told(question), default=True, err=True))
