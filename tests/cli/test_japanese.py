"""Help and messages for a Japanese locale: nothing is left out, nothing is stale."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from command_line import SHORT, Main

from sokuon.cli import app as cli
from sokuon.cli.japanese import in_japanese
from sokuon.cli.japanese_texts import HELP, MESSAGES

KANA = re.compile("[ぁ-んァ-ヶ]")


@pytest.fixture
def japanese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LC_ALL")
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")


def texts(command: Any) -> Iterator[str]:
    yield from filter(None, (command.help, command.short_help))
    for param in command.params:
        yield from filter(None, (getattr(param, "help", None), getattr(param, "rich_help_panel", None)))
    for below in getattr(command, "commands", {}).values():
        yield from texts(below)


def test_every_help_text_has_its_japanese_and_no_japanese_is_stale() -> None:
    """Add what is missing to `sokuon.cli.japanese_texts.HELP`."""
    cli._mount()
    english = set(texts(typer.main.get_command(cli.app)))
    assert sorted(english - set(HELP)) == []
    assert sorted(set(HELP) - english) == []


@pytest.mark.usefixtures("japanese")
@pytest.mark.parametrize("name", ["say", "voices", "convert", "bench", "phonemes", "dict", "serve"])
def test_help_is_japanese(main: Main, name: str) -> None:
    out = main(name, "--help").out
    rows = [row for row in out.splitlines() if re.search(r"^│ .*[a-z]", row)]
    assert any(KANA.search(row) for row in rows)
    assert not re.search(r"Sound file, or|Show this message|\[default|─ (Options|Arguments|Commands) ─", out)
    assert "─ オプション ─" in out or "─ コマンド ─" in out


@pytest.mark.usefixtures("japanese")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("say", ""), "読み上げるものがありません"),
        (("say", "😀"), "'😀' には読み上げられる文字がありません"),
        (("say", SHORT, "-f", "x"), "どちらか一方だけ"),
        (("say", "-f", "missing.txt"), "missing.txt を読めません（No such file or directory）"),
        (("say", "-f", "binary.txt"), "binary.txt の文字コードが分かりません"),
        (("say", "-f", "binary.txt", "--encoding", "utf-8"), "binary.txt は utf-8 のテキストではありません"),
        (("say", "-f", "binary.txt", "--encoding", "x"), "文字コード x はありません"),
        (("say", SHORT, "--voice", "nowhere"), "nowhere がありません"),
        (("say", SHORT, "-o", "nowhere/a.wav"), "nowhere というフォルダーはありません"),
        (("say", SHORT, "-o", "a.txt"), "txt という音声形式はありません"),
        (("say", SHORT, "--subtitles", "a.txt"), "txt という字幕形式はありません"),
        (("say", SHORT, "--subtitles", "a.srt", "-o", "-"), "字幕と時刻には"),
        (("say", SHORT, "--style", "Angry"), "スタイル Angry はありません。Neutral"),
        (("say", SHORT, "--speaker", "9"), "話者 9 はありません。番号は0から"),
        (("say", SHORT, "--speaker", "x"), "話者 x はありません。"),
        (("say", SHORT, "--speed", "99"), "speed の 99 は範囲外です。0.1 から 10"),
        (("say", SHORT, "--speed", "x"), "は数ではありません"),
        (("say", SHORT, "--backend", "gpu"), "backend に gpu は指定できません"),
        (("say", SHORT, "--dictionary", "none.json"), "none.json がありません"),
        (("say", "--loud"), "--loud というオプションはありません"),
        (("shout",), "shout というコマンドはありません"),
        (("dict", "add"), "を指定してください"),
        (("dict", "remove", "雨", "-d", "words.json"), "辞書に 雨 はありません"),
        (("voices", "missing"), "missing はフォルダーではありません"),
    ],
)
def test_errors_are_japanese(main: Main, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    (tmp_path / "binary.txt").write_bytes(b"abc\xff")
    (tmp_path / "words.json").write_text('{"words": []}')
    done = main(*arguments, *(["-q"] if arguments[0] == "say" else []))
    assert done.status in (1, 2)
    assert done.err.startswith("エラー: ")
    assert words in done.err
    assert done.err.count("\n") == 1


@pytest.mark.usefixtures("japanese")
def test_notes_are_japanese(main: Main, command: tuple[str, ...]) -> None:
    assert re.fullmatch(r"speech\.wav: \d\.\d 秒\n", main(*command[3:], SHORT).err)


def test_every_template_takes_the_groups_of_its_pattern() -> None:
    for pattern, template in MESSAGES:
        groups = re.compile(pattern).groups
        assert KANA.search(template) or template.isascii() is False
        assert {int(n) for n in re.findall(r"\{(\d)\}", template)} <= set(range(groups))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"LANG": "ja_JP.UTF-8"}, True),
        ({"LANG": "en_US.UTF-8"}, False),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "ja_JP.UTF-8"}, True),
        ({"LANG": "ja_JP.UTF-8", "LC_MESSAGES": "C"}, False),
        ({"LANG": "ja_JP.UTF-8", "LANGUAGE": "en:ja"}, False),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "ja:en"}, True),
        ({"LANG": "C.UTF-8", "LANGUAGE": "ja"}, False),
        ({}, False),
    ],
)
def test_the_locale_decides(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: bool) -> None:
    monkeypatch.delenv("LC_ALL")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert in_japanese() is expected
