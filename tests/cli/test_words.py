from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from sokuon.cli.words import dict_app, phonemes

_APP = typer.Typer()
_APP.command()(phonemes)
_APP.add_typer(dict_app, name="dict")


@pytest.fixture(autouse=True)
def own_dictionary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "dictionary.json"
    monkeypatch.setenv("SOKUON_DICTIONARY", str(path))
    return path


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(_APP, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def test_phonemes_for_a_person() -> None:
    assert _run("phonemes", "今日は雨。[pause 1s]").splitlines() == [
        "今日は雨。[pause 1s]",
        "  words    今日 は 雨 .",
        "  reading  キョーワ[1] / アメ[1]",
        "  phonemes ↑ky o ↓o w a ↑a ↓m e .",
        "  pause    1 s",
    ]


def test_phonemes_for_programs() -> None:
    (record,) = json.loads(_run("phonemes", "--json", "雨"))
    assert record["phonemes"] == ["_", "a", "m", "e", "_"]
    assert record["tones"] == [0, 1, 0, 0, 0]
    assert record["words"] == [{"surface": "雨", "reading": "アメ", "accent": 1, "starts_phrase": True}]


def test_words_are_added_used_and_removed() -> None:
    _run("dict", "add", "担々麺", "だんだんめん", "--accent", "3")
    assert _run("dict", "list") == "担々麺\tダンダンメン\t3\tPROPER_NOUN\t8\n"
    assert "ダンダンメン[3]" in _run("phonemes", "担々麺")
    _run("dict", "remove", "担々麺")
    assert json.loads(_run("dict", "list", "--json")) == []


def test_export_and_import(tmp_path: Path) -> None:
    _run("dict", "add", "橋", "ハシ")
    assert _run("dict", "export", str(tmp_path / "words.json")) == "1 words written\n"
    _run("dict", "remove", "橋")
    assert _run("dict", "import", str(tmp_path / "words.json")) == "1 words added\n"
    assert "橋" in _run("dict", "list")
