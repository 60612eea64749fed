"""Hugging Face, by a stand-in on loopback: each fault, the cache it shares with other programs, offline work."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from servers import Answer, Hub, Server, serving
from typer.testing import CliRunner

from sokuon.cli.bench import bench
from sokuon.cli.serve import found_places
from sokuon.errors import DownloadError, OptionError, VoiceError
from sokuon.server.settings import read_settings
from sokuon.voices.berts import BERT, find_bert
from sokuon.voices.fetch import store
from sokuon.voices.fetch.watch import Watch
from sokuon.voices.sources import Request, find, has_news, resolve

hub_library = pytest.importorskip("huggingface_hub", reason="needs the extra `hub`")

WEIGHTS = bytes(range(256)) * 8000  # 2 MB: a large file, behind a redirect
FILES = {
    f"{name}/{leaf}": data
    for name in ("one", "two")
    for leaf, data in {
        "config.json": b"{}", "style_vectors.npy": b"styles", f"{name}_e1_s10.safetensors": name.encode() + WEIGHTS,
        f"{name}_e2_s20.safetensors": WEIGHTS + name.encode(), "LICENSE": b"CC0",
    }.items()
} | {"README.md": b"card", "big.wav": WEIGHTS}  # fmt: skip


@pytest.fixture
def hub() -> Hub:
    return Hub(dict(FILES))


@pytest.fixture
def server(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    from huggingface_hub import constants

    with serving(hub) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))  # read once, at its import
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "hf" / "token"))
        monkeypatch.setattr(constants, "DEFAULT_ETAG_TIMEOUT", 5)
        yield running


def test_only_the_files_of_one_voice_are_fetched_once(server: Server) -> None:
    seen: list[tuple[str, int, int]] = []
    found = resolve("hf://someone/voices", "one", watch=Watch(lambda *step: seen.append(step)))
    names = {"config.json", "style_vectors.npy", "one_e2_s20.safetensors", "LICENSE"}
    assert {path.name for path in found.iterdir()} == names
    assert (found / "one_e2_s20.safetensors").read_bytes() == WEIGHTS + b"one"
    assert not any("two" in request.path or "big" in request.path for request in server.seen)
    assert seen[-1][1] == seen[-1][2] > 0
    asked = len(server.seen)
    assert resolve("hf://someone/voices", "one") == found
    assert len(server.seen) == asked


@pytest.mark.usefixtures("server")
def test_revision_checksums_and_licence_are_recorded(hub: Hub) -> None:
    resolve("hf://someone/voices@v1/one")
    ((_, record),) = store.records()
    assert (record.address, record.revision, record.licence) == ("hf://someone/voices@v1/one", hub.commit, hub.licence)
    assert record.files["one_e2_s20.safetensors"]["sha256"] == store.digest(_weights(store.records()))


@pytest.mark.usefixtures("server")
def test_news_are_changed_files_of_this_voice_and_not_of_its_repository(hub: Hub, server: Server) -> None:
    resolve("hf://someone/voices", "one")
    ((_, record),) = store.records()
    assert not has_news(record)
    hub.commit = "f" * 40
    hub.files = hub.files | {"README.md": b"another card", "two/config.json": b"[]"}
    asked = len(server.seen)
    assert not has_news(record)
    assert len(server.seen) == asked + 1
    for changed in ({"one/config.json": b"[]"}, {"one/one_e2_s20.safetensors": b"one" + WEIGHTS}, {"one/LICENSE": b""}):
        before, hub.files = hub.files, hub.files | changed
        assert has_news(record), changed
        hub.files = before
    hub.files = hub.files | {"one/one_e3_s30.safetensors": WEIGHTS}
    assert has_news(record)
    resolve_again = find(Request("hf://someone/voices", "one", refresh=True))
    assert (resolve_again / "one_e3_s30.safetensors").is_file()
    assert not has_news(next(store.records())[1])


@pytest.mark.usefixtures("server")
def test_news_need_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve("hf://someone/voices", "one")
    monkeypatch.setenv("SOKUON_OFFLINE", "1")
    with pytest.raises(DownloadError, match="unset SOKUON_OFFLINE"):
        has_news(next(store.records())[1])


def test_a_settings_file_of_the_server_may_hold_addresses(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "sokuon.toml"
    file.write_text(f'places = ["hf://someone/voices/one", "file://{tmp_path}"]\n')
    fetched, local = found_places(list(read_settings(file, {}).places), None, yes=False)[0]
    assert (fetched / "one_e2_s20.safetensors").read_bytes() == WEIGHTS + b"one"
    assert local == tmp_path
    assert not any("two" in request.path for request in server.seen)


def test_bench_takes_addresses(server: Server) -> None:
    app = typer.Typer()
    app.command()(bench)
    done = CliRunner().invoke(app, ["--voice", "hf://someone/voices", "--model", "one", "--threads", "1"])
    assert isinstance(done.exception, VoiceError), done.output  # what it fetched is no voice
    assert any("one_e2_s20" in request.path for request in server.seen)


def _weights(records: Iterator[tuple[Path, store.Record]]) -> Path:
    ((home, record),) = records
    place = store.place_of(home, record)
    assert place is not None
    return place / "one_e2_s20.safetensors"


def test_page_addresses_mean_the_same(server: Server) -> None:
    page = resolve(f"{server.url}/someone/voices/tree/main/one")
    assert page.name == "one"
    weights = resolve(f"{server.url}/someone/voices/blob/main/one/one_e1_s10.safetensors")
    assert weights.name == "one_e1_s10.safetensors"
    assert weights.read_bytes() == b"one" + WEIGHTS


def test_several_voices_are_listed(server: Server) -> None:
    with pytest.raises(OptionError, match=r"hf://someone/voices holds 2 voices; .*: one, two\."):
        resolve("hf://someone/voices")
    assert server.count("resolve") == 0


@pytest.mark.parametrize("fault", [Answer(429, headers={"Retry-After": "0"}), Answer(503), Answer(cut=1_000_000)])
@pytest.mark.parametrize("where", ["/api/models", "GET /lfs/"])
def test_what_may_pass_is_tried_again(server: Server, where: str, fault: Answer) -> None:
    server.faults += [(where, fault)] * 2
    found = resolve("hf://someone/voices/one")
    assert (found / "one_e2_s20.safetensors").read_bytes() == WEIGHTS + b"one"


def test_after_a_cut_only_the_rest_is_fetched(server: Server) -> None:
    server.faults += [("GET /lfs/", Answer(cut=1_500_000))]
    resolve("hf://someone/voices/one")
    asked = [request.headers.get("range") for request in server.seen if request.path.startswith("/lfs/")]
    assert len(asked) == 2, asked
    assert asked[1] not in (None, "bytes=0-")


@pytest.mark.usefixtures("server")
def test_private_repositories_need_a_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.token = "secret"
    with pytest.raises(DownloadError, match=r"does not exist or is private; .*HF_TOKEN"):
        resolve("hf://someone/voices/one")
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert resolve("hf://someone/voices/one").is_dir()


def test_gated_repositories_are_said(server: Server) -> None:
    gated = Answer(403, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"})
    for where in ("/api/models", "/resolve/"):  # the hub lists what it does not give
        server.faults += [(where, gated)]
        with pytest.raises(DownloadError, match=r"accept its terms on its page .*HF_TOKEN"):
            resolve("hf://someone/voices/one")


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("hf://someone/else", "does not exist or is private"),
        ("hf://someone/voices@v9/one", "has no revision v9"),
        ("hf://someone/voices/three", "holds no voice"),
    ],
)
@pytest.mark.usefixtures("server")
def test_what_is_not_there_is_said(address: str, problem: str) -> None:
    with pytest.raises((DownloadError, FileNotFoundError), match=problem):
        resolve(address)


def test_a_file_that_is_not_what_was_announced_is_not_used(server: Server, own_cache: Path) -> None:
    size = len(WEIGHTS) + len("one")
    server.faults += [("GET /lfs/", Answer(200, b"x" * size)), ("GET /lfs/", Answer(200, b"x" * (size - 1)))]
    for problem in ("arrived with checksum", "bytes where"):
        with pytest.raises(DownloadError, match=problem):
            resolve("hf://someone/voices/one")
        assert list(store.records()) == []
    assert not list(own_cache.rglob("one_e2_s20.safetensors"))


def another_program(server: Server, voice: str) -> None:
    for path in FILES:
        if path.startswith(f"{voice}/"):
            hub_library.hf_hub_download("someone/voices", path, endpoint=server.url)


def test_without_the_network(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What we fetched is used, and so is what another program left in the cache of Hugging Face."""
    found = resolve("hf://someone/voices/one")
    another_program(server, "two")
    asked = len(server.seen)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert resolve("hf://someone/voices/one") == found
    other = resolve("hf://someone/voices/two")
    assert (other / "config.json").read_bytes() == b"{}"
    with pytest.raises(DownloadError, match="forbids the network"):
        resolve("hf://someone/else")
    assert len(server.seen) == asked


def test_what_another_program_fetched_is_not_fetched_again(server: Server) -> None:
    another_program(server, "two")
    loaded = server.count("GET /lfs/")
    resolve("hf://someone/voices/two")
    assert server.count("GET /lfs/") == loaded


FETCH = "import sys; from sokuon.voices.sources import resolve; print(resolve(sys.argv[1], sys.argv[2]))"


def background() -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FETCH, "hf://someone/voices", "one"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))


def test_two_processes_at_once_fetch_once(server: Server) -> None:
    server.faults += [("/api/models", Answer(503, headers={"Retry-After": "1"}))]
    processes = [background() for _ in range(2)]
    said = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert said[0][0] == said[1][0]
    assert server.count("GET /lfs/") == 1


def test_a_killed_download_resumes(server: Server, own_cache: Path) -> None:
    release = threading.Event()
    server.faults += [("GET /lfs/", Answer(cut=1_200_000, stall=release))]
    process = background()
    deadline = time.monotonic() + 30
    while not [p for p in own_cache.rglob(".*.part") if p.stat().st_size > 500_000]:
        assert time.monotonic() < deadline, process.poll()
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=30)
    release.set()
    assert list(store.records()) == []
    found = resolve("hf://someone/voices", "one")
    assert (found / "one_e2_s20.safetensors").read_bytes() == WEIGHTS + b"one"
    asked = [request.headers.get("range", "") for request in server.seen if request.path.startswith("/lfs/")]
    assert int(asked[-1].removeprefix("bytes=").rstrip("-")) > 500_000


@pytest.mark.usefixtures("server")
def test_pull_brings_a_new_revision(hub: Hub) -> None:
    old = resolve("hf://someone/voices/one")
    hub.files["one/config.json"], hub.commit = b'{"new": 1}', "beef" + "0" * 36
    assert resolve("hf://someone/voices/one") == old
    new = find(Request("hf://someone/voices/one", refresh=True))
    assert (new / "config.json").read_bytes() == b'{"new": 1}'
    assert not old.exists()


def test_the_usual_bert_is_fetched_only_after_a_yes(hub: Hub, server: Server, tmp_path: Path) -> None:
    hub.repo = BERT.removeprefix("hf://")
    hub.files = {"config.json": b"{}", "vocab.txt": b"a", "pytorch_model.bin": WEIGHTS, "tf_model.h5": WEIGHTS}
    with pytest.raises(FileNotFoundError, match=r"let it be fetched with download=True \(--yes\)"):
        find_bert(tmp_path, None, lambda: False)
    assert server.seen == []
    found = find_bert(tmp_path, None, lambda: True)
    assert {path.name for path in found.iterdir()} == {"config.json", "vocab.txt", "pytorch_model.bin"}
    assert find_bert(tmp_path, None, lambda: False) == found  # it is here now
