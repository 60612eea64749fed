"""The benchmark's texts, read from texts.txt."""

from __future__ import annotations

from pathlib import Path

TEXTS = Path(__file__).with_name("texts.txt")


def read_texts(path: Path = TEXTS) -> dict[str, str]:
    """Name → text, in the file's order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t", 1) for line in lines if line and not line.startswith("#"))
    return {name: text.strip() for name, text in pairs}
