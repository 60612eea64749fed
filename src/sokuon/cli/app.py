"""The command line: a thin face over the engine. Heavy modules are imported by the commands that need them."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from sokuon.cli.ends import clean_ends
from sokuon.cli.japanese import in_japanese, japanese_frame, translate, without_markup
from sokuon.cli.places import ModelOption, watching
from sokuon.cli.say import say
from sokuon.cli.terminal import note, open_streams, progress_bar, say_error
from sokuon.errors import OptionError, SokuonError

_PLAIN = find_spec("pygments") is None  # requirements-native.txt leaves out the 9 MB that rich help needs


def _new_app() -> typer.Typer:
    return typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None if _PLAIN else "rich")


app = _new_app()
app.command()(say)
_UsageError: type[Exception] = typer.BadParameter.__mro__[2]  # click's ClickException, wherever typer keeps its click


def _show_version(asked: bool) -> None:
    if asked:
        from sokuon import __version__

        typer.echo(f"sokuon {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[  # seen by its callback
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version.")
    ] = False,
) -> None:
    """速音: Japanese text-to-speech on ordinary CPUs."""


@app.command()
def convert(
    source: Annotated[str, typer.Argument(help="Voice or BERT: a folder, a file or an address.")],
    target: Annotated[Path, typer.Argument(help="Folder to write; an earlier conversion there is replaced.")],
    model: ModelOption = None,
    precision: Annotated[str, typer.Option(help="BERT weights: fp32, q8 or q4.")] = "q8",
) -> None:
    """Convert a voice or a BERT once, to a folder that loads fast."""
    from sokuon.convert.bert import convert_bert
    from sokuon.convert.products import Precision
    from sokuon.convert.voice import convert_voice
    from sokuon.loading import check_precision
    from sokuon.voices.sources import resolve_either

    with watching() as watch:
        place, kind = resolve_either(source, model, watch)
    if kind == "voice":
        from rich.console import Console

        with Console(stderr=True).status("encoder") as status:
            convert_voice(place, target, status.update if sys.stderr.isatty() else note)
    else:
        check_precision(precision)
        with progress_bar() as bar:
            task = bar.add_task("BERT", total=1.0)
            convert_bert(place, target, Precision(precision), lambda share: bar.update(task, completed=share))
    note(f"{target} is ready.")


def main() -> None:
    """Run the command line. A mistake is one line on standard error: status 2 for usage and options, 1 for the rest."""
    try:
        open_streams()
        status = _flushed(_status(sys.argv[1:]))
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


def _status(arguments: list[str]) -> int:
    try:
        with clean_ends():
            return _run(arguments)
    except SokuonError as error:
        say_error(str(error))
        return 2 if isinstance(error, OptionError) else 1
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # `sokuon dict`: help, which newer ones have shown
            typer.echo(error.format_message(), nl=bool(error.format_message()))  # type: ignore[attr-defined]
            return 0
        say_error(_usage(error))
        return 2
    except OSError as error:  # no permission, no space
        say_error(f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror or error}.")
        return 1
    except MemoryError:
        say_error("not enough memory; use fewer threads, a smaller BERT (--precision q4), or a shorter text.")
        return 1
    except typer.Abort:  # click's name for the end of an input that it asks
        return 130


def _run(arguments: list[str]) -> int:
    command = typer.main.get_command(_app_for(arguments))
    arguments = arguments or ["--help"]
    with ExitStack() as stack:
        if in_japanese():
            translate(command)
            if "--help" in arguments and not _PLAIN:
                stack.enter_context(japanese_frame())
        if _PLAIN:
            without_markup(command)
        return int(command.main(arguments, prog_name="sokuon", standalone_mode=False) or 0)


def _usage(error: Exception) -> str:
    """What click says, with where to look."""
    context = getattr(error, "ctx", None)
    where = f" See `{context.command_path} --help`." if context else ""
    return f"{error.format_message().rstrip('.')}.{where}"  # type: ignore[attr-defined]


def _flushed(status: int) -> int:
    """What was printed is out; a reader that has gone is no error."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if not status:  # else it is told already: what could not be written is still in the buffer
            say_error(f"standard output: {error.strerror}.")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return status or 1
    return status


def _app_for(arguments: list[str]) -> typer.Typer:
    """With all commands, or with `say` alone where that is what was called: 50 ms less."""
    if arguments[:1] == ["say"]:
        alone = _new_app()
        alone.callback()(common)
        alone.command()(say)
        return alone
    _mount()
    return app


def _mount() -> None:
    """Commands that live beside their subject."""
    from sokuon.cli.batch import batch
    from sokuon.cli.bench import bench
    from sokuon.cli.book import book
    from sokuon.cli.manage import cache_app, export, merge, pull, remove, voices
    from sokuon.cli.serve import serve
    from sokuon.cli.studio import studio
    from sokuon.cli.words import dict_app, phonemes

    if len(app.registered_groups):
        return
    for command in (batch, book, voices, pull, remove, merge, export, bench):
        app.command()(command)
    app.command()(serve)
    app.command()(studio)
    app.command()(phonemes)
    app.add_typer(dict_app, name="dict")
    app.add_typer(cache_app, name="cache")
