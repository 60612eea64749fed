"""`sokuon serve`."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from sokuon.cli.places import BertOption, YesOption, watching
from sokuon.cli.terminal import ThreadsOption
from sokuon.errors import missing_extra


def serve(
    voices: Annotated[
        list[str] | None,
        typer.Argument(help="Voices: folders, files or addresses, or folders of voices; else the built-in voice."),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.", show_default="50021")] = None,
    api_key: Annotated[str | None, typer.Option(help="Key that requests must carry.")] = None,
    threads: ThreadsOption = None,
    memory: Annotated[str | None, typer.Option(help="Unload voices beyond this, such as 3GB.")] = None,
    bert: BertOption = None,
    wyoming: Annotated[int | None, typer.Option(help="Port of the Wyoming protocol (Home Assistant).")] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    yes: YesOption = False,
    origin: Annotated[list[str] | None, typer.Option(help="Browser origin to let in besides this machine's.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with these settings and more.")] = None,
    dictionary: Annotated[Path | None, typer.Option(help="User dictionary (JSON) instead of the usual one.")] = None,
) -> None:
    """Serve voices to OpenAI, VOICEVOX and Style-Bert-VITS2 clients."""
    parts = server_parts()
    from sokuon.cli.words import open_dictionary

    given = {
        "host": host, "port": port, "api_key": api_key, "threads": threads, "memory": memory, "wyoming_port": wyoming,
        "origins": tuple(origin or ()), "places": tuple(voices or ()), "bert": bert,
    }  # fmt: skip
    parts.set_up_log(log_level)
    parts.keep_memory_together()
    settings = parts.read_settings(config, given)
    places, bert_folder = found_places(list(settings.places), settings.bert, yes)
    parts.serve(parts.make_service(places, bert_folder, settings, open_dictionary(dictionary)))


def server_parts() -> ModuleType:
    """`sokuon.server.run`. Raises MissingExtraError."""
    try:
        from sokuon.server import run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("sokuon"):
            raise
        raise missing_extra("the server needs", str(error.name), "server") from error
    return run


def found_places(voices: list[str], bert: str | None, yes: bool) -> tuple[list[Path], Path | None]:
    """Voices and BERT as places of this machine, fetched where they are addresses."""
    from sokuon.voices.berts import BERT
    from sokuon.voices.fetch.address import parse
    from sokuon.voices.sources import resolve

    bert = BERT if bert is None and yes and voices else bert
    with watching() as watch:
        found = ((name, parse(name)) for name in voices)
        places = [place if isinstance(place, Path) else resolve(name, watch=watch) for name, place in found]
        return places, None if bert is None else resolve(bert, kind="bert", watch=watch)
