"""`sokuon studio`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sokuon.cli.places import BertOption, YesOption
from sokuon.cli.serve import found_places, server_parts
from sokuon.cli.terminal import ThreadsOption, note


def studio(
    voices: Annotated[
        list[str] | None,
        typer.Argument(help="Voices: folders, files or addresses, or folders of voices; else the built-in voice."),
    ] = None,
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 0,
    threads: ThreadsOption = None,
    bert: BertOption = None,
    yes: YesOption = False,
    dictionary: Annotated[Path | None, typer.Option(help="User dictionary (JSON) instead of the usual one.")] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
) -> None:
    """Open the studio: a page to hear, see and correct a voice."""
    parts = server_parts()
    from sokuon.cli.words import open_dictionary

    def opened(url: str) -> None:
        note(f"The studio is at {url} (Ctrl-C ends it).")
        if browser:
            import webbrowser

            webbrowser.open(url)

    parts.keep_memory_together()
    settings = parts.read_settings(None, {"host": "127.0.0.1", "port": port, "threads": threads})
    places, bert_folder = found_places(voices or [], bert, yes)
    parts.serve(parts.make_service(places, bert_folder, settings, open_dictionary(dictionary)), opened)
