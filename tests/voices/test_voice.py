"""A converted voice folder: what is read, and what is said about a damaged one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sokuon.errors import OptionError, VoiceError, VoiceNotFoundError
from sokuon.formats.voice import Manifest
from sokuon.voices.voice import Voice


@pytest.fixture
def folder(converted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(converted / "voice", tmp_path / "voice"))


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "voice.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_the_folder_says(voice: Voice, tiny: Path) -> None:
    config = json.loads((tiny / "voice" / "config.json").read_text())
    manifest = voice.manifest
    assert (manifest.name, manifest.add_blank, manifest.bert_width) == ("Tiny", True, 32)
    assert manifest.speakers == config["data"]["spk2id"]
    assert manifest.styles == config["data"]["style2id"]
    assert voice.sample_rate == config["data"]["sampling_rate"]
    assert manifest.decoder.hop == config["data"]["hop_length"]
    np.testing.assert_array_equal(voice.style_vectors, np.load(tiny / "voice" / "style_vectors.npy"))


def test_manifest_is_read_as_written(folder: Path) -> None:
    manifest = Voice.open(folder).manifest
    (folder / "voice.json").unlink()
    manifest.write(folder)
    assert Voice.open(folder).manifest == manifest


def test_style_is_neutral_plus_weight_times_the_difference(voice: Voice) -> None:
    neutral, happy = voice.style_vectors
    np.testing.assert_array_equal(voice.style("Happy", 0.0), neutral)
    np.testing.assert_allclose(voice.style("Happy", 1.0), happy, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(voice.style("Happy", 2.5), neutral + 2.5 * (happy - neutral), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(voice.style(None, 3.0), neutral)
    assert voice.style("Happy", np.float64(0.5)).dtype == np.float32


def test_speaker_of_no_name_is_the_one_with_the_lowest_number(folder: Path) -> None:
    edit(folder, speakers={"B": 1, "A": 0})
    voice = Voice.open(folder)
    np.testing.assert_array_equal(voice.speaker(None), voice.speaker_table[0])
    np.testing.assert_array_equal(voice.speaker("B"), voice.speaker_table[1])


def test_a_speaker_that_has_no_row_is_said(folder: Path) -> None:
    edit(folder, speakers={"A": 0, "Ghost": 7})
    with pytest.raises(VoiceError, match=r"speakers\.npy has 2 rows, fewer than the speakers of its voice need"):
        Voice.open(folder)


def test_a_number_that_is_no_speaker_is_said(folder: Path) -> None:
    with pytest.raises(OptionError, match="no speaker 7; numbers go from 0 to 1"):
        Voice.open(folder).speaker(7)


@pytest.mark.parametrize("shape", [(2,), (2, 5), (2, 0), (0, 6)])
def test_speakers_must_fit_the_voice(folder: Path, shape: tuple[int, ...]) -> None:
    np.save(folder / "speakers.npy", np.zeros(shape, np.float32))
    with pytest.raises(VoiceError, match=r"speakers\.npy has .*convert the voice again"):
        Voice.open(folder)


@pytest.mark.parametrize("name", ["voice.json", "style_vectors.npy", "speakers.npy"])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(VoiceNotFoundError, match=f"{name} does not exist; convert the voice"):
        Voice.open(folder)


@pytest.mark.parametrize("name", ["voice.json", "style_vectors.npy", "speakers.npy"])
@pytest.mark.parametrize("content", [b"", b"{", b"\x93NUMPY", b"[]", b"\xff\xfe\x00"])
def test_damaged_file_is_named(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(VoiceError, match=f"{name} .*convert the voice again"):
        Voice.open(folder)


def test_no_code_is_run_from_an_array_file(folder: Path) -> None:
    np.save(folder / "speakers.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(VoiceError, match=r"speakers\.npy cannot be read"):
        Voice.open(folder)


def test_other_format_is_said(folder: Path) -> None:
    edit(folder, format=99)
    with pytest.raises(VoiceError, match="format 99, this version reads 3; convert the voice again"):
        Voice.open(folder)


@pytest.mark.parametrize("change", [{"extra": 1}, {"decoder": {}}, {"decoder": None}])
def test_manifest_with_other_keys_is_damaged(folder: Path, change: dict[str, Any]) -> None:
    edit(folder, **change)
    with pytest.raises(VoiceError, match="is damaged"):
        Voice.open(folder)


@pytest.mark.parametrize("shape", [(2,), (2, 255), (1, 256)])
def test_style_vectors_must_fit_the_styles(folder: Path, shape: tuple[int, ...]) -> None:
    np.save(folder / "style_vectors.npy", np.zeros(shape, np.float32))
    with pytest.raises(VoiceError, match=r"style_vectors\.npy has"):
        Voice.open(folder)


def test_name_in_any_script_survives(tmp_path: Path, voice: Voice) -> None:
    manifest = Manifest(**{**voice.manifest.__dict__, "name": "声🎵", "licence": "利用規約"})
    manifest.write(tmp_path)
    text = (tmp_path / "voice.json").read_text(encoding="utf-8")
    assert "声🎵" in text
    assert "利用規約" in text
