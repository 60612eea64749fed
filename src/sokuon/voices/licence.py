"""The licence that lies beside a published voice."""

from __future__ import annotations

from pathlib import Path


def read_licence(source: Path) -> str | None:
    """First line of a licence file beside the voice, for `sokuon voices`."""
    for path in sorted(source.glob("*")):
        if path.is_file() and path.stem.upper() in {"LICENSE", "LICENCE", "TERMS"}:
            lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            return lines[0].strip() if lines else path.name
    return None
