"""Files by HTTP, and AivisHub: every way a server can fail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import Aivis, Answer, Request, Server, ranged, serving

from sokuon.errors import DownloadError, MissingExtraError
from sokuon.voices.fetch import http, store
from sokuon.voices.fetch.watch import Watch
from sokuon.voices.sources import Request as Wanted
from sokuon.voices.sources import find, resolve

pytest.importorskip("httpx2", reason="needs the extra `hub`")

BODY = bytes(range(256)) * 4000  # 1 MB
UUID = "22e8ed77-94fe-4ef2-871f-a86f94e9a579"


class Files:
    """One file whose content may change."""

    def __init__(self) -> None:
        self.body, self.etag = BODY, "one"

    def __call__(self, request: Request) -> Answer:
        return ranged(request, self.body, self.etag) if request.path == "/voice.aivmx" else Answer(404)


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
def server(files: Files) -> Iterator[Server]:
    with serving(files) as running:
        yield running


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if ".part" in path.name]


def test_a_file_is_fetched_once_and_recorded(server: Server, own_cache: Path) -> None:
    url = f"{server.url}/voice.aivmx"
    found = resolve(url)
    assert (found.name, found.read_bytes()) == ("voice.aivmx", BODY)
    asked = len(server.seen)
    assert resolve(url) == found
    assert len(server.seen) == asked
    ((_, record),) = store.records()
    assert (record.address, record.size) == (url, len(BODY))
    assert record.files["voice.aivmx"]["sha256"] == store.digest(found)
    assert leftovers(own_cache) == []


def test_progress_is_told(server: Server) -> None:
    seen: list[tuple[str, int, int]] = []
    resolve(f"{server.url}/voice.aivmx", watch=Watch(lambda *step: seen.append(step)))
    assert seen[-1] == ("voice.aivmx", len(BODY), len(BODY))


@pytest.mark.parametrize("fault", [Answer(503), Answer(429, headers={"Retry-After": "0"}), Answer(cut=1000)])
def test_what_may_pass_is_tried_again(server: Server, fault: Answer) -> None:
    server.faults += [("GET", fault)] * 3
    notes: list[str] = []
    assert resolve(f"{server.url}/voice.aivmx", watch=Watch(note=notes.append)).read_bytes() == BODY
    assert server.count("GET") == 4
    assert len(notes) == 3


def test_after_a_cut_only_the_rest_is_fetched(server: Server) -> None:
    server.faults += [("GET", Answer(cut=700_000))]
    assert resolve(f"{server.url}/voice.aivmx").read_bytes() == BODY
    start = int(server.seen[-1].headers["range"].removeprefix("bytes=").rstrip("-"))
    assert 0 < start <= 700_000


def test_a_file_that_changed_meanwhile_is_fetched_anew(server: Server, files: Files, tmp_path: Path) -> None:
    server.faults += [("GET", Answer(cut=100_000))] * 5
    with pytest.raises(DownloadError, match="could not be fetched in 5 attempts"):
        http.download(f"{server.url}/voice.aivmx", tmp_path / "v", Watch())
    files.body, files.etag = BODY[::-1], "two"
    http.download(f"{server.url}/voice.aivmx", tmp_path / "v", Watch())
    assert (tmp_path / "v").read_bytes() == BODY[::-1]


def test_a_shorter_file_does_not_keep_the_old_end(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".v.part").write_bytes(BODY * 2)
    (tmp_path / ".v.part.json").write_text('{"validator": "\\"one\\""}')
    http.download(f"{server.url}/voice.aivmx", tmp_path / "v", Watch())
    assert (tmp_path / "v").read_bytes() == BODY


@pytest.mark.parametrize(
    ("status", "remedy"), [(401, "log in"), (403, "ask its owner"), (404, "check the address"), (410, "withdrawn")]
)
def test_refusals_are_final_and_said(server: Server, status: int, remedy: str) -> None:
    server.faults += [("", Answer(status))]
    with pytest.raises(DownloadError, match=f"answered {status}; .*{remedy}"):
        resolve(f"{server.url}/voice.aivmx")
    assert len(server.seen) == 1
    assert list(store.records()) == []


def test_without_the_network_what_is_there_is_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{server.url}/voice.aivmx"
    monkeypatch.setenv("SOKUON_OFFLINE", "1")
    with pytest.raises(DownloadError, match="not on this machine, and SOKUON_OFFLINE"):
        resolve(url)
    monkeypatch.delenv("SOKUON_OFFLINE")
    found = resolve(url)
    monkeypatch.setenv("SOKUON_OFFLINE", "1")
    asked = len(server.seen)
    assert resolve(url) == find(Wanted(url, refresh=True)) == found
    assert len(server.seen) == asked


def test_pulling_again_brings_news_and_drops_the_old(server: Server, files: Files) -> None:
    url = f"{server.url}/voice.aivmx"
    old = resolve(url)
    files.body, files.etag = b"new", "two"
    assert resolve(url) == old
    new = find(Wanted(url, refresh=True))
    assert (new.read_bytes(), old.exists()) == (b"new", False)
    assert resolve(url) == new


def test_a_damaged_copy_is_fetched_again(server: Server) -> None:
    url = f"{server.url}/voice.aivmx"
    found = resolve(url)
    found.write_bytes(b"half")
    assert resolve(url).read_bytes() == BODY


FETCH = "import sys; from sokuon.voices.sources import resolve; print(resolve(sys.argv[1]))"


def background(url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FETCH, url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))


def test_two_processes_at_once_fetch_once(server: Server) -> None:
    server.faults += [("HEAD", Answer(status=503, headers={"Retry-After": "1"}))]  # the first holds the lock meanwhile
    processes = [background(f"{server.url}/voice.aivmx") for _ in range(2)]
    said = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert said[0][0] == said[1][0]
    assert server.count("GET") == 1


def wait_for(ready: object, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not ready():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_killed_download_resumes_and_nothing_half_written_is_used(server: Server, own_cache: Path) -> None:
    release = threading.Event()
    server.faults += [("GET", Answer(cut=600_000, stall=release))]
    process = background(f"{server.url}/voice.aivmx")
    parts = lambda: [p for p in own_cache.rglob(".*.part") if p.stat().st_size >= 500_000]  # noqa: E731
    wait_for(parts)
    process.kill()
    process.communicate(timeout=30)
    release.set()
    assert list(store.records()) == []
    assert not list(own_cache.rglob("voice.aivmx"))
    assert resolve(f"{server.url}/voice.aivmx").read_bytes() == BODY
    assert int(server.seen[-1].headers["range"].removeprefix("bytes=").rstrip("-")) >= 500_000


@pytest.mark.skipif(os.name != "posix", reason="interrupts are sent otherwise elsewhere")
def test_an_interrupt_is_heard_at_once(server: Server, own_cache: Path) -> None:
    release = threading.Event()
    server.faults += [("GET", Answer(cut=600_000, stall=release))]
    process = background(f"{server.url}/voice.aivmx")
    wait_for(lambda: list(own_cache.rglob(".*.part")))
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    process.communicate(timeout=30)
    release.set()
    assert time.monotonic() - started < 2  # 0.2 s, and the end of the interpreter on a busy machine


def test_a_disk_that_is_too_small_is_said_first(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(DownloadError, match="only 0 MB left"):
        resolve(f"{server.url}/voice.aivmx")


def test_a_missing_library_is_named_with_its_remedy(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, address in (
        ("httpx2", f"{server.url}/voice.aivmx"),
        ("huggingface_hub", "hf://a/b"),
        ("obstore", "s3://b"),
    ):
        monkeypatch.setitem(sys.modules, module, None)
        monkeypatch.setitem(sys.modules, f"{module}.store", None)
        with pytest.raises(MissingExtraError, match=rf"needs {module}; install it with .*'sokuon\[(hub|s3)\]'"):
            resolve(address)


def test_bare_weights_come_with_what_lies_beside_them() -> None:
    paths = {"/a/m.safetensors": b"weights", "/a/config.json": b"{}", "/a/style_vectors.npy": b"styles"}

    def answer(request: Request) -> Answer:
        body = paths.get(request.path)
        return ranged(request, body, "x") if body else Answer(404)

    with serving(answer) as server:
        found = resolve(f"{server.url}/a/m.safetensors?token=1")
        assert {path.name for path in found.parent.iterdir()} == {"m.safetensors", "config.json", "style_vectors.npy"}
        del paths["/a/config.json"]
        assert resolve(f"{server.url}/a/m.safetensors?token=2").name == "m.safetensors"


@pytest.fixture
def aivis(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, Aivis]]:
    hub = Aivis(UUID, {"AIVMX": BODY})
    with serving(hub) as running:
        monkeypatch.setenv("SOKUON_AIVISHUB", running.url)
        yield running, hub


@pytest.mark.usefixtures("aivis")
def test_a_voice_of_aivis_hub() -> None:
    notes: list[str] = []
    found = resolve(f"aivis://{UUID}", watch=Watch(note=notes.append))
    assert (found.name, found.read_bytes()) == (f"{UUID}.aivmx", BODY)
    assert notes == ["試験: licence ACML 1.0."]
    ((_, record),) = store.records()
    assert (record.licence, record.revision.split()[0]) == ("ACML 1.0", "1.2.0")


def test_tensors_are_preferred_where_aivis_hub_has_them(aivis: tuple[Server, Aivis]) -> None:
    aivis[1].files["AIVM"] = b"tensors"
    assert resolve(f"aivis://{UUID}").read_bytes() == b"tensors"


def test_a_withdrawn_voice_is_refused(aivis: tuple[Server, Aivis]) -> None:
    aivis[1].withdrawn = True
    with pytest.raises(DownloadError, match="has withdrawn"):
        resolve(f"aivis://{UUID}")
    assert aivis[0].count("download") == 0


def test_a_file_of_another_checksum_is_not_kept(aivis: tuple[Server, Aivis], own_cache: Path) -> None:
    aivis[1].checksum = "0" * 64
    with pytest.raises(DownloadError, match=r"arrived with checksum .*, not 000000000000"):
        resolve(f"aivis://{UUID}")
    assert not list(own_cache.rglob("*.aivmx"))


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b"null", b"\xff"])
def test_an_answer_that_makes_no_sense_is_said(aivis: tuple[Server, Aivis], body: bytes) -> None:
    aivis[0].faults += [(f"aivm-models/{UUID}", Answer(200, body))]
    with pytest.raises(DownloadError):
        resolve(f"aivis://{UUID}")


def test_where_a_voice_came_from_stays_with_its_conversion(tiny: Path, tmp_path: Path) -> None:
    from sokuon.export.voice import Layout, export_voice
    from sokuon.formats.about import read_about
    from sokuon.loading import converted_voice

    export_voice(tiny / "voice", tmp_path / "tiny.aivmx", Layout.AIVMX)
    body = (tmp_path / "tiny.aivmx").read_bytes()
    with serving(lambda request: ranged(request, body, "one")) as server:
        origin = read_about(converted_voice(resolve(f"{server.url}/tiny.aivmx"))).origin
        assert origin is not None
        assert origin["address"] == f"{server.url}/tiny.aivmx"
        assert list(origin["sha256"]) == ["tiny.aivmx"]
