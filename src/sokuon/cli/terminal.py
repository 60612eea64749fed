"""What several commands share: common options, notes and errors on standard error, a progress bar."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from sokuon.cli.japanese import told
from sokuon.errors import OptionError, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

ENGINE_PANEL = "Engine"  # of a help text

ThreadsOption = Annotated[int | None, typer.Option(help="Threads; all that this process may use if left out.")]
PrecisionOption = Annotated[
    str, typer.Option(help="BERT weights when converting: fp32, q8 or q4.", rich_help_panel=ENGINE_PANEL)
]
BackendOption = Annotated[str, typer.Option(help="auto, native or onnx.", rich_help_panel=ENGINE_PANEL)]
WeightsOption = Annotated[
    str, typer.Option(help="Flow and decoder in memory: q16 or fp32.", rich_help_panel=ENGINE_PANEL)
]

_PIPE_COLUMNS = 1000  # no terminal, no reason to break lines
_LONGEST_MESSAGE = 600


def whole_number(name: str, value: str | None) -> int | None:
    """An option as a number. Raises OptionError; `int` itself refuses 5,000 digits, and reads other scripts' digits."""
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and len(value) < 19):
        raise OptionError(f"{name} is {value[:40]!r}; it must be a whole number.")
    return int(value)


def clock(seconds: float) -> str:
    """1:02:03, 2:03, or 4.5 s where it is short."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def say_error(message: str) -> None:
    """One line on standard error."""
    text = printable(told(" ".join(message.split())))
    text = text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + "…"
    typer.echo(f"{told('error')}: {text}", err=True)


def note(message: str) -> None:
    """A line on standard error that is no error."""
    typer.echo(printable(told(message)), err=True)


class _Notes(logging.Handler):
    """What the library has to say (a conversion, a slow path), for whoever waits."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING or not record.name.startswith("sokuon.networks"):  # which ones run
            note(record.getMessage())


@contextmanager
def library_notes(quiet: bool = False) -> Iterator[None]:
    """Show what the library logs while the block runs; only warnings where `quiet`."""
    logger, handler = logging.getLogger("sokuon"), _Notes(logging.WARNING if quiet else logging.INFO)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(handler.level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def console() -> Console:
    """For tables on standard output; in a pipe nothing is cut."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _PIPE_COLUMNS)


def progress_bar() -> Progress:
    """A bar on standard error; silent where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    err = Console(stderr=True)
    return Progress(*columns, TimeRemainingColumn(), console=err, transient=True, disable=not err.is_terminal)


def open_streams() -> None:
    """Give each standard stream somewhere to go, and none a character it cannot write.

    A closed stream's number would go to the next file opened, and libraries that print would print into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if name == "stdin" else os.O_WRONLY)
        if name == "stdin":
            continue
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  # as long as the process
        with contextlib.suppress(AttributeError):  # what stands in for it in a test
            getattr(sys, name).reconfigure(errors="backslashreplace")
