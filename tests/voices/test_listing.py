"""What `sokuon voices` shows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tiny_voice import TinyVoice, make_tiny_voice

from sokuon.errors import VoiceError, VoiceNotFoundError
from sokuon.voices.listing import summaries


def test_published_and_converted_folders_say_the_same(tiny: Path, converted: Path) -> None:
    (published,), (ready,) = summaries(tiny / "voice"), summaries(converted / "voice")
    assert (published.converted, ready.converted) == (False, True)
    for summary in (published, ready):
        assert summary.name == "Tiny"
        assert summary.speakers == ("Speaker0", "Speaker1")
        assert summary.styles == ("Neutral", "Happy")
        assert summary.sample_rate == 8000
        assert summary.problem is None
    assert published.megabytes == pytest.approx(0.192, abs=0.01)


def test_each_voice_of_a_folder_is_listed_by_name(tmp_path: Path) -> None:
    for name in ("b", "a"):
        make_tiny_voice(tmp_path / name, 1, TinyVoice(styles=3))
    (tmp_path / "c").mkdir()
    (tmp_path / "readme.txt").touch()
    found = summaries(tmp_path)
    assert [summary.folder.name for summary in found] == ["a", "b"]
    assert found[0].styles == ("Neutral", "Happy", "Sad")


def test_licence_is_the_first_line_of_its_file(tmp_path: Path, tiny: Path) -> None:
    shutil.copytree(tiny / "voice", tmp_path / "voice")
    (tmp_path / "voice" / "LICENSE.txt").write_text("\n\nCC BY 4.0 \nand more", encoding="utf-8")
    assert summaries(tmp_path / "voice")[0].licence == "CC BY 4.0"


@pytest.mark.parametrize("content", [None, "nothing"])
def test_no_voice_is_said(tmp_path: Path, content: str | None) -> None:
    if content:
        (tmp_path / content).mkdir()
    with pytest.raises(VoiceNotFoundError, match="holds no voice"):
        summaries(tmp_path)
    with pytest.raises(VoiceNotFoundError, match="is not a folder"):
        summaries(tmp_path / "missing")


def test_a_voice_that_cannot_be_used_does_not_hide_the_others(tmp_path: Path) -> None:
    for name in ("a", "old"):
        make_tiny_voice(tmp_path / name, 1)
    config = json.loads((tmp_path / "old" / "config.json").read_text())
    (tmp_path / "old" / "config.json").write_text(json.dumps(config | {"version": "2.7.0"}))
    good, bad = summaries(tmp_path)
    assert good.problem is None
    assert bad.problem is not None
    assert "not a JP-Extra voice" in bad.problem
    with pytest.raises(VoiceError, match="not a JP-Extra voice"):
        summaries(tmp_path / "old")
