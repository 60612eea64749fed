"""Voices that came from AIVM files keep the ids that AivisSpeech gives them, and are listed as its clients expect."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from server_running import running

from sokuon.server.catalogue import Catalogue
from sokuon.server.run import make_service
from sokuon.server.settings import Settings
from sokuon.voices.builtin import BUILTIN, builtin_bert

SPEAKER = "e756b8e4-b606-4e15-99b1-3f9c6a1b2317"  # the example of the specification
MODEL = "a59cb814-0083-4369-8542-f51a29e72af7"
UNKNOWN = "00000000-0000-0000-0000-000000000000"


def voice(folder: Path, name: str, **changes: Any) -> Path:
    """A copy of the built-in voice by another name."""
    shutil.copytree(BUILTIN / "voice", folder / name)
    manifest = json.loads((folder / name / "voice.json").read_text(encoding="utf-8"))
    (folder / name / "voice.json").write_text(json.dumps({**manifest, "name": name, **changes}), encoding="utf-8")
    return folder / name


def from_aivm(folder: Path, name: str, speaker: str = SPEAKER, local: int = 3) -> Path:
    """The same, as if it had been converted from an AIVM file."""
    place = voice(folder, name)
    manifest = json.loads((place / "voice.json").read_text(encoding="utf-8"))
    styles = [
        {"name": style, "icon": None, "local_id": local + row, "voice_samples": []}
        for style, row in manifest["styles"].items()
    ]
    entry = {"name": next(iter(manifest["speakers"])), "icon": "data:image/png;base64,iVBORw0K", "uuid": speaker,
             "local_id": 0, "supported_languages": ["ja"], "styles": styles}  # fmt: skip
    aivm = {"name": name, "uuid": MODEL, "version": "1.2.0", "speakers": [entry]}
    (place / "about.json").write_text(json.dumps({"aivm": aivm}), encoding="utf-8")
    return place


def ids(folder: Path) -> dict[str, tuple[str, str, int]]:
    """Of each voice: its model's UUID, its first speaker's, and its first style's id."""
    listed = Catalogue([folder], lambda _: None).voices  # type: ignore[arg-type, return-value]
    return {v.key: (v.uuid, v.speakers[0].uuid, v.speakers[0].styles[0].id) for v in listed}


def test_ids_are_those_of_the_aivm_file(tmp_path: Path) -> None:
    from_aivm(tmp_path, "aivm")
    assert ids(tmp_path) == {"aivm": (MODEL, SPEAKER, 888753763)}


def test_ids_stay_when_a_voice_is_added(tmp_path: Path) -> None:
    voice(tmp_path, "plain")
    before = ids(tmp_path)
    from_aivm(tmp_path, "aivm")
    assert ids(tmp_path) == {**before, "aivm": (MODEL, SPEAKER, 888753763)}


def test_a_second_copy_of_a_model_goes_by_ids_of_its_own(tmp_path: Path) -> None:
    from_aivm(tmp_path, "aivm")
    from_aivm(tmp_path, "copy")
    found = ids(tmp_path)
    assert found["aivm"] == (MODEL, SPEAKER, 888753763)
    assert len({value for row in found.values() for value in row}) == 6


@pytest.mark.parametrize("speaker", ["no uuid", "", "../../etc/passwd"])
def test_what_is_no_uuid_is_replaced(tmp_path: Path, speaker: str) -> None:
    plain = ids(voice(tmp_path / "plain", "aivm"))
    assert ids(from_aivm(tmp_path, "aivm", speaker))["aivm"][1] == plain["aivm"][1]


def test_a_local_id_that_does_not_fit_gives_way_to_the_order(tmp_path: Path) -> None:
    assert ids(from_aivm(tmp_path, "aivm", local=77))["aivm"][2] == 888753760


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("voices")
    from_aivm(folder, "aivm")
    voice(folder, "plain")
    settings = Settings(port=0, threads=2, data=tmp_path_factory.mktemp("data"))
    service = make_service([folder], builtin_bert("q8"), settings)
    with running(service) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def test_models_are_listed_without_a_path(models: httpx.Client) -> None:
    listed = models.get("/aivm_models").json()
    assert set(listed) == {MODEL, *(number for number in listed if number != MODEL)}
    assert len(listed) == 2
    one = listed[MODEL]
    assert set(one) == {
        "is_loaded", "is_update_available", "is_private_model", "is_default_model", "latest_version", "file_path",
        "file_size", "manifest", "speakers",
    }  # fmt: skip
    assert (one["latest_version"], one["is_private_model"], one["file_path"]) == ("1.2.0", False, "aivm")
    assert one["manifest"]["speakers"][0]["uuid"] == SPEAKER
    assert one["speakers"][0]["speaker"]["speaker_uuid"] == SPEAKER
    assert one["speakers"][0]["speaker_info"]["portrait"] == "iVBORw0K"
    assert one["speakers"][0]["speaker"] in models.get("/speakers").json()
    assert "/" not in "".join(own["file_path"] for own in listed.values())
    other = next(own for number, own in listed.items() if number != MODEL)
    assert other["is_private_model"]
    assert other["manifest"]["speakers"][0]["uuid"] == other["speakers"][0]["speaker"]["speaker_uuid"]


def test_one_model_is_loaded_and_unloaded(models: httpx.Client) -> None:
    for action, loaded in (("load", True), ("unload", False), ("load", True)):
        reply = models.post(f"/aivm_models/{MODEL}/{action}")
        assert (reply.status_code, reply.content, "content-type" in reply.headers) == (204, b"", False)
        assert models.get(f"/aivm_models/{MODEL.upper()}").json()["is_loaded"] is loaded


def test_a_voice_speaks_by_its_published_id(models: httpx.Client) -> None:
    query = models.post("/audio_query", params={"text": "はい", "speaker": 888753763})
    assert models.post("/synthesis", params={"speaker": 888753763}, content=query.content).status_code == 200


def test_unknown_models_and_changes_are_refused(models: httpx.Client) -> None:
    assert models.get(f"/aivm_models/{UNKNOWN}").status_code == 404
    assert models.post(f"/aivm_models/{UNKNOWN}/load").status_code == 404
    for method, path in (("POST", "install"), ("POST", f"{MODEL}/update"), ("DELETE", f"{MODEL}/uninstall")):
        assert models.request(method, f"/aivm_models/{path}").status_code == 403
