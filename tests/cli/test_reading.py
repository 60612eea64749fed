"""Text from arguments, files and pipes."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from command_line import SHORT, Main, Run, one_line_error

from sokuon.cli.reading import read_text
from sokuon.errors import TextError

NOVEL = "吾輩は猫である。名前はまだ無い。\nどこで生れたかとんと見当がつかぬ。"


@pytest.mark.parametrize("encoding", ["shift_jis", "utf-16", "euc_jp"])
def test_pipe_in_another_encoding_is_spoken_as_it_is_written(say: Run, tmp_path: Path, encoding: str) -> None:
    for name, text in (("a.wav", NOVEL.encode()), ("b.wav", NOVEL.encode(encoding))):
        done = say("-o", name, text=text)
        assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


@pytest.mark.parametrize("arguments", [("-",), ("-f", "-"), ()])
def test_standard_input_by_any_name(say: Run, arguments: tuple[str, ...], tmp_path: Path) -> None:
    assert say(*arguments, "-o", "a.wav", text=SHORT.encode()).returncode == 0
    assert (tmp_path / "a.wav").is_file()


@pytest.mark.parametrize("arguments", [("-",), ("-f", "-"), ()])
def test_phonemes_from_a_pipe(main: Main, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    class Pipe(io.StringIO):
        buffer = io.BytesIO("雨。".encode("shift_jis"))

    monkeypatch.setattr(sys, "stdin", Pipe())
    done = main("phonemes", *arguments)
    assert (done.status, done.err) == (0, "")
    assert "アメ[1]" in done.out


def test_phonemes_from_a_file(main: Main, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("雨。", encoding="euc_jp")
    assert "アメ[1]" in main("phonemes", "-f", "a.txt").out
    one_line_error(main("phonemes", "雨", "-f", "a.txt"), "not both", status=2)


def test_an_endless_file_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sokuon.cli.reading._MOST_MB", 1)
    with pytest.raises(TextError, match="more than 1 MB; split the text"):
        read_text(None, Path("/dev/zero"), None)


def test_an_argument_in_another_encoding_is_said() -> None:
    with pytest.raises(TextError, match="put it into a file"):
        read_text("\udcff", None, None)


def test_closed_standard_input_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(TextError, match="standard input is closed"):
        read_text(None, None, None)


@pytest.mark.parametrize("text", ["😀", "Привет мир", "。。。", "한국어"])
def test_what_cannot_be_read_is_said(main: Main, command: tuple[str, ...], tmp_path: Path, text: str) -> None:
    one_line_error(main(*command[3:], text, "-o", "a.wav"), "can be read aloud", text[:20])
    assert not list(tmp_path.iterdir())
