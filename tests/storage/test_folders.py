"""A folder appears whole or not at all, and never in place of something that is not ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sokuon.errors import VoiceError
from sokuon.storage.folders import replacing_folder

MARKER = "voice.json"


def write(target: Path, text: str = "new") -> None:
    with replacing_folder(target, MARKER) as folder:
        (folder / MARKER).write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("there", ["nothing", "an empty folder", "ours", "missing parents"])
def test_a_folder_is_written_where_it_may_be(tmp_path: Path, there: str) -> None:
    target = tmp_path / "a" / "b" if there == "missing parents" else tmp_path / "a"
    if there == "an empty folder":
        target.mkdir()
    if there == "ours":
        write(target, "old")
        for name in ("left_over.onnx", "about.json", "flow.onnx.lock", ".sokuon-0123456789abcdef.tmp"):
            (target / name).touch()
    write(target)
    assert names(target) == [MARKER]
    assert (target / MARKER).read_text() == "new"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("precious", ["notes.txt", "config.json", "model.safetensors", "bert/", ".hidden"])
def test_what_others_put_into_a_converted_folder_is_kept(tmp_path: Path, precious: str) -> None:
    """A voice.json alone does not make a folder ours, and a BERT beside a voice is not to be lost."""
    write(tmp_path / "a", "old")
    if precious.endswith("/"):
        (tmp_path / "a" / precious).mkdir()
    else:
        (tmp_path / "a" / precious).touch()
    with pytest.raises(VoiceError, match=r"also holds .*, which would be lost; choose another place or move it"):
        write(tmp_path / "a")
    assert (tmp_path / "a" / precious).exists()
    assert (tmp_path / "a" / MARKER).read_text() == "old"


@pytest.mark.parametrize("there", ["a file", "a foreign folder"])
def test_what_is_not_ours_is_kept(tmp_path: Path, there: str) -> None:
    target = tmp_path / "a"
    if there == "a file":
        target.write_text("precious")
    else:
        target.mkdir()
        (target / "precious").touch()
    with pytest.raises(VoiceError, match="is not a converted folder; choose another place"):
        write(target)
    assert target.is_file() or names(target) == ["precious"]
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("error", [VoiceError, KeyboardInterrupt])
def test_failure_keeps_the_old_folder(tmp_path: Path, error: type[BaseException]) -> None:
    write(tmp_path / "a", "old")

    def fail() -> None:
        with replacing_folder(tmp_path / "a", MARKER) as folder:
            (folder / MARKER).write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert (tmp_path / "a" / MARKER).read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_the_folder_one_stands_in_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write(Path("."))
    assert names(tmp_path / "here") == [MARKER]


def test_others_may_read_the_folder(tmp_path: Path) -> None:
    write(tmp_path / "a")
    assert (tmp_path / "a").stat().st_mode & 0o555 == 0o555


def test_a_failed_second_rename_brings_the_old_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a", "old")
    rename = os.replace

    def refuse(source: Path, target: Path) -> None:
        if str(source).endswith(".tmp"):
            raise PermissionError(13, "in use", str(target))
        rename(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError):
        write(tmp_path / "a", "new")
    assert (tmp_path / "a" / MARKER).read_text() == "old"
    assert names(tmp_path) == ["a"]
