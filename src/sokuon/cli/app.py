"""The command line: a thin face over the engine. Heavy modules are imported by the commands that need them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sokuon.cli.say import say
from sokuon.cli.terminal import ModelOption, progress_bar, watching
from sokuon.errors import SokuonError

app = typer.Typer(help="速音: Japanese text-to-speech on ordinary CPUs.", no_args_is_help=True, add_completion=False)
app.command()(say)
_PIPE_COLUMNS = 1000  # no terminal, no reason to break lines


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
            convert_voice(place, target, lambda stage: status.update(stage))
    else:
        check_precision(precision)
        with progress_bar() as bar:
            task = bar.add_task("BERT", total=1.0)
            convert_bert(place, target, Precision(precision), lambda share: bar.update(task, completed=share))
    typer.echo(f"{target} is ready.", err=True)


@app.command()
def voices(
    folder: Annotated[
        Path | None, typer.Argument(help="A voice folder or a folder of voices; else the built-in one.")
    ] = None,
) -> None:
    """Show what a folder holds: speakers, styles, size, licence."""
    from rich.console import Console

    from sokuon.voices.listing import voice_table

    Console(width=None if sys.stdout.isatty() else _PIPE_COLUMNS).print(voice_table(folder))


def main() -> None:
    """Entry point: errors meant for people are one line on standard error and exit status 1."""
    _mount()
    try:
        app(standalone_mode=True)
    except (SokuonError, OSError) as error:  # OSError: no permission, no space
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _mount() -> None:
    """Commands that live beside their subject."""
    from sokuon.cli.bench import bench
    from sokuon.cli.serve import serve
    from sokuon.cli.words import dict_app, phonemes

    app.command()(bench)
    app.command()(serve)
    app.command()(phonemes)
    app.add_typer(dict_app, name="dict")
