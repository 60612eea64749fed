"""What the tests of `sokuon batch` and of its runs on Ray share."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from command_line import MAIN

COUNT = 48
_WORDS = ("はい", "雨が降る", "東京の空", "音声を合成する", "明日は晴れでしょう", "電車が来ました", "猫が鳴いている")


def texts(count: int) -> list[str]:
    """Lines of one to four sentences of one to five clauses, each another one."""
    clauses = [_WORDS[n * 5 % len(_WORDS)] + f"{n}" for n in range(count * 8)]
    return [
        "".join("、".join(clauses[n : n + 1 + (n + s) % 5]) + "。" for s in range(1 + n * 7 % 4)) for n in range(count)
    ]


def batch_command(*arguments: object) -> list[str]:
    """`sokuon batch ARGUMENTS`, with the built-in voice."""
    return [*MAIN, "batch", *map(str, arguments)]


def environment() -> dict[str, str]:
    """That of a person who reads English and has set nothing."""
    ours = {name: value for name, value in os.environ.items() if name not in ("SOKUON_VOICE", "SOKUON_BERT")}
    return ours | {"LC_ALL": "C.UTF-8"}


def manifest(folder: Path) -> list[dict[str, Any]]:
    """Its rows, without the time that they took."""
    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [{name: value for name, value in row.items() if name != "computing_s"} for row in rows]


def sounds(folder: Path) -> dict[str, bytes]:
    """Every file that is not the manifest nor ours, by name."""
    files = (path for path in folder.iterdir() if path.is_file() and path.name != "manifest.jsonl")
    return {path.name: path.read_bytes() for path in files}


def assert_same(folder: Path, other: Path) -> None:
    """Two outputs are equal, file by file and row by row."""
    ours, theirs = sounds(folder), sounds(other)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert manifest(folder) == manifest(other)
    assert sorted(path.name for path in (folder / ".sokuon-batch").iterdir()) == ["journal", "lock"]


def wait_for(true: Callable[[], bool], seconds: float = 120) -> None:
    """Returns once something is true; fails if it never is."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)
