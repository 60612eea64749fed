"""Text from arguments, files and pipes, in the encodings that Japanese text comes in."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from command_line import SHORT, Main, Run, one_line_error

from sokuon.cli.reading import decoded, read_text
from sokuon.errors import OptionError, TextError

NOVEL = "吾輩は猫である。名前はまだ無い。\nどこで生れたかとんと見当がつかぬ。"
ENCODINGS = (
    "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp932", "shift_jis", "euc_jp", "iso2022_jp",
)  # fmt: skip


TEXTS = (NOVEL, "はい。", "東京都渋谷区", "テスト１２３ ABC", "ｶﾀｶﾅは半角です。", "①㈱も読む")


def _fits(text: str, encoding: str) -> bool:
    """Whether the encoding has these characters, and what tells it: without kana UTF-16 is told by its mark alone."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return not (encoding.startswith("utf-16-") and text == "東京都渋谷区")


@pytest.mark.parametrize(("text", "encoding"), [(t, e) for t in TEXTS for e in ENCODINGS if _fits(t, e)])
def test_encoding_is_found_out(text: str, encoding: str) -> None:
    assert decoded(text.encode(encoding), None, "x") == text


def test_encoding_can_be_named() -> None:
    assert decoded("東京都".encode("utf-16-be"), "utf-16-be", "x") == "東京都"
    assert decoded("東京都".encode("utf-16"), "utf-16-le", "x") == "東京都"  # its mark is no text


@pytest.mark.parametrize("name", ["klingon", "hex", "rot13", ""])
def test_no_encoding_of_that_name(name: str) -> None:
    with pytest.raises(OptionError, match=f"encoding is {name!r}; use one such as"):
        decoded(b"abc", name, "x")


@pytest.mark.parametrize(
    "data", [b"abc\xff", bytes(range(256)), b"\x89PNG\r\n\x1a\n" * 9, b"\x00" * 50, b"\xff\xfe\x00"]
)
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(TextError, match="--encoding"):
        decoded(data, None, "x")


def test_a_wrong_encoding_is_said() -> None:
    with pytest.raises(TextError, match=r"x is not euc_jp text \(.*\); check its --encoding"):
        decoded("はい。ｱ".encode("cp932") + b"\xff", "euc_jp", "x")


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
    monkeypatch.setattr("sokuon.cli.reading._MOST_BYTES", 1000)
    with pytest.raises(TextError, match="more than 0 MB; split the text"):
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
