"""What the programs of bench/ share: the texts, folders made once, a table, a median with its spread."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TEXTS = Path(__file__).with_name("texts.txt")


def read_texts(path: Path = TEXTS) -> dict[str, str]:
    """Name → text, in the file's order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t", 1) for line in lines if line and not line.startswith("#"))
    return {name: text.strip() for name, text in pairs}


def once(target: Path, make: Callable[[Path], Any]) -> Path:
    """`target`, made by calling `make` on a new folder beside it that is renamed when complete."""
    if target.exists():
        return target
    print(f"making {target} …", file=sys.stderr)
    unfinished = target.with_name(target.name + ".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    make(unfinished)
    return unfinished.rename(target)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all but the first column aligned right."""
    lines = [heads, ["---", *["--:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def middle(values: Sequence[float], unit: str, digits: int = 2) -> str:
    """Median (lowest-highest) with a unit."""
    text = f"{median(values):.{digits}f}{unit}"
    return text if len(values) == 1 else f"{text} ({min(values):.{digits}f}-{max(values):.{digits}f})"
