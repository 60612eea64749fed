"""A table of lines, `sokuon batch` over it in a process of its own, and what an undisturbed run makes of it."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from batch_running import COUNT, batch_command, environment, texts

Batch = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lines from one character to several sentences, two of which cannot be spoken."""
    path = tmp_path_factory.mktemp("table") / "lines.jsonl"
    rows = [{"id": f"line-{n:02d}", "text": text} for n, text in enumerate(texts(COUNT))]
    rows[5]["text"] = "……"
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    lines[11] = '{"id": '
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    """Runs `sokuon batch ARGUMENTS`."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            batch_command(*arguments), capture_output=True, text=True, cwd=tmp_path, env=environment(), timeout=300
        )

    return run


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts `sokuon batch ARGUMENTS`, with signals as in a terminal."""

    def begin(*arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            batch_command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment(),
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
        )

    return begin


@pytest.fixture(scope="session")
def undisturbed(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run that nothing disturbed, by one worker."""
    folder = tmp_path_factory.mktemp("undisturbed") / "out"
    done = subprocess.run(
        batch_command(table, folder, "--workers", 1), capture_output=True, text=True, env=environment(), timeout=300
    )
    assert done.returncode == 1, done.stderr
    assert f"2 of {COUNT} rows have no sound" in done.stderr
    return folder
