"""What several commands share: their common options, and a progress bar."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

VoiceOption = Annotated[
    Path | None, typer.Option("--voice", "-v", help="Voice folder; the built-in voice if left out.")
]
BertOption = Annotated[Path | None, typer.Option(help="Folder of the BERT the voice was trained on.")]
ThreadsOption = Annotated[int | None, typer.Option(help="Threads; all that this process may use if left out.")]


def progress_bar() -> Progress:
    """A bar on standard error; silent where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    console = Console(stderr=True)
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal)
