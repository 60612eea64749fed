"""The command line in this process and in its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import MAIN, Done, Main, Run

from sokuon.cli import app as cli


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the language of who runs the tests."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE", "SOKUON_VOICE", "SOKUON_BERT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture
def command(converted: Path) -> tuple[str, ...]:
    """`sokuon say` with the tiny voice."""
    voice, bert = str(converted / "voice"), str(converted / "bert")
    return (*MAIN, "say", "--voice", voice, "--bert", bert, "--threads", "1", "--backend", "onnx")


@pytest.fixture
def say(command: tuple[str, ...], tmp_path: Path) -> Run:
    """Runs `sokuon say ARGUMENTS` in a folder of its own."""

    def run(*arguments: str, text: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*command, *arguments], input=text, capture_output=True, cwd=tmp_path, timeout=120)

    return run


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Main:
    """Runs `sokuon ARGUMENTS` in this process, by its entry point, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["sokuon", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return Done(int(ended.value.code or 0), said.out, said.err)

    return run
