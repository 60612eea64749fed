"""`sokuon pull`, `voices`, `remove`, `cache`, `merge`, `export`: commands about the voices of this machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sokuon.cli.places import ModelOption, watching
from sokuon.cli.terminal import console, note
from sokuon.errors import OptionError, SokuonError

if TYPE_CHECKING:
    from rich.table import Table

    from sokuon.voices.fetch.store import Record

cache_app = typer.Typer(help="The cache of fetched and converted voices.", no_args_is_help=True)
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def pull(
    names: Annotated[
        list[str] | None, typer.Argument(help="Addresses of voices or BERTs; else everything that was fetched.")
    ] = None,
    model: ModelOption = None,
) -> None:
    """Fetch voices, or what is new of them, and convert them."""
    from sokuon.voices.installed import installed
    from sokuon.voices.sources import Request, find, kind_of

    wanted = [Request(name, model, refresh=True) for name in names or ()] or [
        Request(i.record.address, i.record.model, "bert" if i.record.kind == "bert" else "voice", refresh=True)
        for i in installed()
    ]
    if not wanted:
        raise OptionError("nothing was fetched yet; give the address of a voice.")
    for request in wanted:
        with watching() as watch:
            request = kind_of(request, watch)
            place = find(request, watch)
        _converted(place, request.kind)


def _converted(place: Path, kind: str) -> None:
    from sokuon.loading import converted_bert, converted_voice

    folder = converted_voice(place) if kind == "voice" else converted_bert(place, "q8")
    note(f"{place} is ready ({folder}).")


def voices(
    folder: Annotated[
        Path | None, typer.Argument(help="A voice folder or a folder of voices; else the built-in one.")
    ] = None,
    search: Annotated[str | None, typer.Option(help="Look for voices on Hugging Face and AivisHub instead.")] = None,
    updates: Annotated[bool, typer.Option("--updates", help="Ask each place of a fetched voice for news.")] = False,
) -> None:
    """Show speakers, styles, size, licence; without a folder also what was fetched, and from where."""
    from sokuon.voices.listing import voice_table

    if search is not None:
        console().print(_found(search))
        return
    console().print(voice_table(folder))
    if folder is None:
        table = _fetched(updates)
        if table.row_count:
            console().print(table)


def _fetched(updates: bool) -> Table:
    from rich.table import Table

    from sokuon.voices.installed import installed

    table = Table("fetched", "kind", "from", "revision", "size", "licence", "on", *(["update"] if updates else []))
    for item in installed():
        record = item.record
        place = record.address + (f" ({record.model})" if record.model else "")
        revision = record.revision if len(record.revision) <= 16 else f"{record.revision[:12]}…"
        size = f"{record.size / 1e6:.0f} MB" + ("" if item.place else ", files missing")
        row = [item.name, record.kind, place, revision, size, item.licence, record.fetched[:10]]
        table.add_row(*map(_shown, [*row, _update(record)] if updates else row))
    return table


def _update(record: Record) -> str:
    """What `sokuon pull` would bring; a place that does not answer is told of, and the others are still asked."""
    from sokuon.voices.sources import has_news

    try:
        with watching() as watch:
            return "yes" if has_news(record, watch) else "no"
    except SokuonError as error:
        note(f"{record.address}: {error}")
        return "?"


def _found(word: str) -> Table:
    from rich.table import Table

    from sokuon.voices.search import search

    table = Table("address", "name", "licence", "downloads")
    with watching() as watch:
        for item in search(word, watch):
            table.add_row(*map(_shown, (item.address, item.name, item.licence, str(item.downloads))))
    return table


def remove(
    names: Annotated[list[str], typer.Argument(help="Addresses or names, as `sokuon voices` shows them.")],
) -> None:
    """Delete fetched voices and what was converted from them."""
    from sokuon.voices.installed import remove as delete

    for name in names:
        for item in delete(name):
            note(f"{item.record.address}: {item.record.size / 1e6:.0f} MB removed.")


@cache_app.command("size")
def cache_size() -> None:
    """Show what lies in the cache."""
    from rich.table import Table

    from sokuon.storage.cache import cache_folder
    from sokuon.voices.installed import contents

    table = Table("kind", "folder", "size", title=_shown(str(cache_folder())))
    kept = contents()
    for item in kept:
        table.add_row(item.kind, _shown(item.folder.name), f"{item.size / 1e6:.0f} MB")
    table.add_row("", "", f"{sum(item.size for item in kept) / 1e6:.0f} MB")
    console().print(table)


@cache_app.command("prune")
def cache_prune(
    days: Annotated[float | None, typer.Option(min=0, help="Delete what was not used for so many days.")] = None,
    size: Annotated[str | None, typer.Option(help="Delete the longest unused until so much is left, e.g. 2GB.")] = None,
) -> None:
    """Delete what was not used for long; it is fetched or converted again when it is needed."""
    from sokuon.voices.installed import prune

    if days is None and size is None:
        raise OptionError("say what is to go: --days or --size.")
    for item in prune(days, None if size is None else _bytes(size)):
        note(f"{item.folder.name}: {item.size / 1e6:.0f} MB removed.")


def merge(
    first: Annotated[str, typer.Argument(help="Voice whose speakers and settings stay.")],
    second: Annotated[str, typer.Argument(help="Voice that is mixed in.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    voice: Annotated[float, typer.Option(help="Share of the second in the voice's colour.")] = 0.5,
    pitch: Annotated[float, typer.Option(help="Share of the second in its pitch.")] = 0.5,
    style: Annotated[float, typer.Option(help="Share of the second in the way of speaking.")] = 0.5,
    tempo: Annotated[float, typer.Option(help="Share of the second in the tempo.")] = 0.5,
    name: Annotated[str | None, typer.Option(help="Name of the new voice; else that of the folder.")] = None,
) -> None:
    """Mix two voices into a new one."""
    from sokuon.convert.merge import Mix, merge_voices
    from sokuon.voices.sources import resolve

    mix = Mix(voice, pitch, style, tempo)
    with watching() as watch:
        places = [resolve(source, watch=watch) for source in (first, second)]
    merge_voices(places[0], places[1], output, mix, name)
    note(f"{output} is ready; the terms of both voices apply to it.")


def export(
    source: Annotated[str, typer.Argument(help="Voice: a folder, a file or an address.")],
    target: Annotated[Path, typer.Argument(help="File (aivmx) or folder to write.")],
    to: Annotated[str, typer.Option(help="sbv2-onnx, aivmx or hayakoe.")],
    model: ModelOption = None,
) -> None:
    """Write a voice in the layout of another program."""
    from sokuon.export.voice import Layout, export_voice
    from sokuon.voices.sources import resolve

    if to not in {layout.value for layout in Layout}:
        raise OptionError(f"--to is {to[:40]!r}; it must be sbv2-onnx, aivmx or hayakoe.")
    with watching() as watch:
        place = resolve(source, model, watch=watch)
    export_voice(place, target, Layout(to))
    note(f"{target} is ready.")


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)\s*([KMGT]?)B?", text.strip().upper())
    if not found:
        raise OptionError(f"size is {text[:40]!r}; write a number with MB or GB, such as 2GB.")
    return int(float(found[1]) * _UNITS[found[2]])


def _shown(text: str) -> str:
    """A voice's own words in a table: no control of the terminal."""
    from rich.markup import escape

    from sokuon.errors import printable

    return escape(printable(text))
