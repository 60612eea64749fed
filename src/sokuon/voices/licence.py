"""The licence that lies beside a published voice."""

from __future__ import annotations

from pathlib import Path

_MOST_BYTES = 1_000_000
_LINE_CHARACTERS = 100


def read_licence(source: Path) -> str | None:
    """First line of a licence file beside the voice, for `sokuon voices`."""
    path = _licence_file(source)
    if path is None:
        return None
    return first_line(_read(path)) or path.name


def licence_text(source: Path) -> str | None:
    """The whole licence file beside the voice; None if there is none."""
    path = _licence_file(source)
    return None if path is None else _read(path)


def first_line(text: str) -> str:
    """The first line that says something, short enough for a table."""
    lines = [line.strip(" #*\t") for line in text.splitlines()]
    return next((line[:_LINE_CHARACTERS] for line in lines if line), "")


def _licence_file(source: Path) -> Path | None:
    for path in sorted(source.glob("*")):
        if path.is_file() and path.stem.upper() in {"LICENSE", "LICENCE", "TERMS"}:
            return path
    return None


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MOST_BYTES).decode("utf-8", errors="replace")
