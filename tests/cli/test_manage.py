"""`sokuon pull`, `voices`, `remove`, `cache`, `merge`, `export`, on a server on loopback."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import Main, one_line_error
from servers import Answer, Request, Server, ranged, serving
from tiny_voice import make_tiny_voice

from sokuon.export.voice import Layout, export_voice

pytest.importorskip("httpx2", reason="needs the extra `hub`")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOKUON_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def server(tiny: Path, tmp_path: Path) -> Iterator[Server]:
    """Serves the tiny voice as /tiny.aivmx."""
    export_voice(tiny / "voice", tmp_path / "tiny.aivmx", Layout.AIVMX)
    body = (tmp_path / "tiny.aivmx").read_bytes()

    def answer(request: Request) -> Answer:
        return ranged(request, body, "one") if request.path == "/tiny.aivmx" else Answer(404)

    with serving(answer) as running:
        yield running


def test_pull_voices_say_and_remove(server: Server, main: Main, tiny: Path, cache: Path) -> None:
    address = f"{server.url}/tiny.aivmx"
    done = main("pull", address)
    assert (done.status, "is ready" in done.err) == (0, True), done.err
    assert len([*(cache / "voices").glob("tiny-*")]) == 1
    asked = len(server.seen)
    said = main("say", "はい。", "--voice", address, "--bert", str(tiny / "bert"), "-o", "out.wav", "--threads", "1")
    assert said.status == 0, said.err
    assert Path("out.wav").stat().st_size > 100
    assert len(server.seen) == asked
    listed = main("voices")
    assert all(word in listed.out for word in (address, "tiny", "0 MB")), listed.out
    removed = main("remove", address)
    assert "removed" in removed.err
    assert not [*(cache / "sources").iterdir()]
    assert not [*(cache / "voices").glob("tiny-*")]
    one_line_error(main("remove", address), "was not fetched")


def test_pull_without_names_brings_what_is_new(server: Server, main: Main) -> None:
    one_line_error(main("pull"), "nothing was fetched yet", status=2)
    main("pull", f"{server.url}/tiny.aivmx")
    asked = server.count("HEAD")
    assert main("pull").status == 0
    assert server.count("HEAD") > asked


def test_updates_are_shown_and_a_place_that_fails_does_not_hide_the_others(
    server: Server, main: Main, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    main("pull", f"{server.url}/tiny.aivmx")
    assert "update" not in main("voices").out
    assert (shown := main("voices", "--updates")).out.rstrip().splitlines()[-2].split()[-2] == "no", shown.out
    server.faults += [("HEAD /tiny.aivmx", Answer(404))]
    failed = main("voices", "--updates")
    assert (failed.status, failed.out.rstrip().splitlines()[-2].split()[-2]) == (0, "?"), failed.out
    assert f"{server.url}/tiny.aivmx: " in failed.err
    server.faults += [("HEAD /tiny.aivmx", Answer(200, b"", {"ETag": '"two"'}))]
    assert main("voices", "--updates").out.rstrip().splitlines()[-2].split()[-2] == "yes"


def test_a_folder_of_several_voices_and_one_by_name(main: Main, tmp_path: Path, tiny: Path) -> None:
    for name in ("one", "two"):
        make_tiny_voice(tmp_path / "many" / name, 1)
    how = ("--bert", str(tiny / "bert"), "-o", "out.wav", "--threads", "1")
    several = main("say", "はい。", "--voice", str(tmp_path / "many"), *how)
    one_line_error(several, "holds 2 voices; name one of them as the model: one, two", status=2)
    assert main("say", "はい。", "--voice", str(tmp_path / "many"), "--model", "two", *how).status == 0


def test_without_a_bert_a_pipe_is_not_asked(main: Main, tiny: Path) -> None:
    one_line_error(main("say", "はい。", "--voice", str(tiny / "voice")), "no BERT for", "(--yes)")


def test_cache_shows_and_prunes(main: Main, server: Server, cache: Path) -> None:
    main("pull", f"{server.url}/tiny.aivmx")
    assert "sources" in main("cache", "size").out
    main("cache", "prune", "--days", "1")
    assert [*(cache / "voices").glob("tiny-*")]
    for path in cache.rglob("*"):
        os.utime(path, (time.time() - 200_000,) * 2)
    assert "removed" in main("cache", "prune", "--days", "1").err
    assert not [*(cache / "voices").glob("tiny-*")]
    main("pull", f"{server.url}/tiny.aivmx")
    main("cache", "prune", "--size", "0.1kb")
    assert "0 MB" in main("cache", "size").out
    one_line_error(main("cache", "prune"), "say what is to go", status=2)
    one_line_error(main("cache", "prune", "--size", "much"), "write a number with MB or GB", status=2)


def test_merge_and_export(main: Main, tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny / "voice", tmp_path / "other")
    done = main("merge", str(tiny / "voice"), str(tmp_path / "other"), "-o", str(tmp_path / "c"), "--pitch", "1")
    assert (done.status, (tmp_path / "c" / "merged.json").is_file()) == (0, True), done.err
    done = main("export", str(tmp_path / "c"), str(tmp_path / "c.aivmx"), "--to", "aivmx")
    assert (done.status, (tmp_path / "c.aivmx").is_file()) == (0, True), done.err
    one_line_error(
        main("export", str(tmp_path / "c"), "x", "--to", "mp3"), "must be sbv2-onnx, aivmx or hayakoe", status=2
    )


def test_search_asks_both_places(main: Main, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub", reason="needs the extra `hub`")

    def answer(request: Request) -> Answer:
        if request.path == "/api/models":
            return Answer(200, b'[{"id": "some/voice", "downloads": 7, "cardData": {"license": "cc0-1.0"}}]')
        model: dict[str, Any] = {"aivm_model_uuid": "u-u", "name": "\\u58f0", "model_files": [{"license_type": "ACML"}]}
        return Answer(200, str({"aivm_models": [model]}).replace("'", '"').replace("\\\\", "\\").encode())

    with serving(answer) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("SOKUON_AIVISHUB", server.url)
        done = main("voices", "--search", "voice")
    assert all(word in done.out for word in ("hf://some/voice", "cc0-1.0", "aivis://u-u", "ACML")), (done.out, done.err)
