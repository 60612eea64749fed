"""What several commands share: their common options, and a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from sokuon.voices.fetch.watch import Watch

VoiceOption = Annotated[
    str | None,
    typer.Option(
        "--voice", "-v", help="Voice: folder, file, hf://, s3://, https:// or aivis://; the built-in one if left out."
    ),
]
ModelOption = Annotated[str | None, typer.Option("--model", help="Which voice, where a place holds several.")]
BertOption = Annotated[str | None, typer.Option(help="Folder or address of the BERT the voice was trained on.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Fetch the usual BERT without asking.")]
ThreadsOption = Annotated[int | None, typer.Option(help="Threads; all that this process may use if left out.")]


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
            tasks[name] = bar.add_task(name[-40:].replace("[", "("))
        bar.update(tasks[name], completed=done, total=total or None)

    try:
        yield Watch(progress, lambda sentence: typer.echo(sentence, err=True))
    finally:
        bar.stop()


def may_fetch(yes: bool, question: str) -> bool:
    """True if `--yes` was given, or a person at a terminal agrees."""
    return yes or (sys.stdin.isatty() and sys.stderr.isatty() and typer.confirm(question, default=True, err=True))


def progress_bar() -> Progress:
    """A bar on standard error; silent where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    console = Console(stderr=True)
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal)
