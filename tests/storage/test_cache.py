"""Published folders are converted once, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import sokuon
from sokuon.errors import VoiceError, VoiceNotFoundError
from sokuon.loading import converted_voice
from sokuon.storage.cache import _temporary_folder, cache_folder, cached
from sokuon.storage.locks import take_lock

LOAD = "import sys, sokuon; sokuon.load(sys.argv[1], bert=sys.argv[2], threads=1, precision='fp32', backend='onnx')"


class Converter:
    """Counts its runs and writes one file."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, source: Path, target: Path) -> None:
        self.runs += 1
        target.mkdir()
        (target / "made").write_bytes((source / "a").read_bytes())


@pytest.fixture(autouse=True)
def _new_temporary_folder() -> None:
    _temporary_folder.cache_clear()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOKUON_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path: Path) -> list[Path]:
    (tmp_path / "source").mkdir()
    paths = [tmp_path / "source" / name for name in ("a", "b")]
    for path in paths:
        path.write_text(path.name)
    return paths


def test_cache_is_where_the_variable_says_or_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOKUON_CACHE", "somewhere")
    assert cache_folder() == Path("somewhere")
    monkeypatch.setenv("SOKUON_CACHE", "")
    assert cache_folder().name == "sokuon"


def test_same_content_is_converted_once(cache: Path, source: list[Path]) -> None:
    convert = Converter()
    first = cached("voices", source, convert)
    assert cached("voices", source, convert) == first
    os.utime(source[0])  # another time, the same content
    assert cached("voices", source, convert) == first
    assert convert.runs == 1
    assert first.parent == cache / "voices"
    assert (first / "made").read_text() == "a"


@pytest.mark.usefixtures("cache")
def test_changed_content_or_variant_is_converted_anew(source: list[Path]) -> None:
    convert = Converter()
    folders = {cached("voices", source, convert), cached("voices", source, convert, "q8")}
    source[1].write_text("other")
    folders.add(cached("voices", source, convert))
    assert len(folders) == convert.runs == 3
    source[1].write_text("b")
    assert cached("voices", source, convert) in folders


@pytest.mark.parametrize("damage", ["lost", "cut", "unlisted", "list", "list of another kind"])
def test_damaged_folder_is_converted_again(cache: Path, source: list[Path], damage: str) -> None:
    convert = Converter()
    folder = cached("voices", source, convert)
    other = cached("voices", source, convert, "q8")
    lists = {"unlisted": None, "list": "{", "list of another kind": "[1]"}
    if damage in lists:
        (folder / "contents.json").unlink()
        if lists[damage] is not None:
            (folder / "contents.json").write_text(lists[damage])
    else:
        (folder / "made").write_bytes(b"")
        if damage == "lost":
            (folder / "made").unlink()
    assert cached("voices", source, convert) == cached("voices", source, convert) == folder
    assert convert.runs == 3
    assert (folder / "made").read_text() == "a"
    assert {*(cache / "voices").glob("[!k]*")} == {folder, other}


def test_a_file_that_others_put_into_a_folder_is_no_damage(cache: Path, source: list[Path]) -> None:
    convert = Converter()
    (cached("voices", source, convert) / ".DS_Store").touch()
    cached("voices", source, convert)
    assert convert.runs == 1
    assert cache.is_dir()


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a folder in use stays")
def test_conversions_of_older_converters_are_removed(
    cache: Path, source: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the same source and variant. Files that are open or mapped stay readable."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a").write_text("another voice")
    older: dict[int, Path] = {}
    for version in (1, 2):
        monkeypatch.setattr("sokuon.storage.cache._CONVERTERS", {"voices": version})
        kept = {cached("voices", [tmp_path / "b" / "a"], Converter()), cached("voices", source, Converter(), "q8")}
        older[version] = cached("voices", source, Converter())
        if version == 1:
            (older[1] / "contents.json").unlink()  # the first version wrote none
    assert not older[1].exists()
    with (older[2] / "made").open() as file:
        monkeypatch.setattr("sokuon.storage.cache._CONVERTERS", {"voices": 3})
        new = cached("voices", source, Converter())
        assert {*(cache / "voices").glob("[!k]*")} == {new, *kept}
        assert file.read() == "a"


def test_failed_conversion_leaves_nothing(cache: Path, source: list[Path]) -> None:
    def failing(_: Path, target: Path) -> None:
        target.mkdir()
        (target / "half").touch()
        raise VoiceError("no")

    with pytest.raises(VoiceError, match="no"):
        cached("voices", source, failing)
    assert [path.name for path in (cache / "voices").iterdir()] == ["known.json"]


def test_of_two_conversions_the_first_one_stays(cache: Path, source: list[Path]) -> None:
    """A folder in use must not be replaced: on Windows it cannot be, elsewhere a reader would meet a gap."""
    convert = Converter()

    def overtaken(folder: Path, target: Path) -> None:
        convert(folder, target)
        inner.append(cached("voices", source, convert))
        (inner[0] / "mark").touch()

    inner: list[Path] = []
    assert cached("voices", source, overtaken) == inner[0]
    assert (inner[0] / "mark").exists()
    assert not list((cache / "voices").glob(".*"))


@pytest.mark.parametrize("content", [b"\xff\xfe", b"{", b"[1]", b"", None])
def test_unreadable_list_of_known_files_does_no_harm(cache: Path, source: list[Path], content: bytes | None) -> None:
    known = cache / "voices" / "known.json"
    if content is None:
        known.mkdir(parents=True)  # can neither be read nor written
    else:
        known.parent.mkdir(parents=True)
        known.write_bytes(content)
    convert = Converter()
    assert cached("voices", source, convert) == cached("voices", source, convert)
    assert convert.runs == 1


def test_read_only_cache_serves_what_it_holds(cache: Path, source: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    convert = Converter()
    expected = cached("voices", source, convert)
    (cache / "voices" / "known.json").unlink()

    def read_only(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("sokuon.storage.cache.write_atomically", read_only)
    monkeypatch.setattr("tempfile.mkdtemp", read_only)
    assert cached("voices", source, convert) == expected
    source[0].write_text("new")
    with pytest.raises(VoiceError, match=r"cannot be written.*set SOKUON_CACHE to a writable place"):
        cached("voices", source, convert)  # nor is there a temporary folder


def test_cache_that_cannot_be_made_is_said_and_a_temporary_one_serves(
    tmp_path: Path, source: list[Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SOKUON_CACHE", str(tmp_path / "file"))
    convert = Converter()
    made = cached("voices", source, convert)
    assert (made / "made").read_text() == "a"
    assert cached("voices", source, convert) == made
    assert convert.runs == 1
    assert "cannot be written" in caplog.text
    assert "set SOKUON_CACHE to a writable place. What is converted now is kept until this process ends" in caplog.text


def test_temporary_cache_vanishes_with_its_process(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "tmp").mkdir()
    environment = os.environ | {"SOKUON_CACHE": str(tmp_path / "file"), "TMPDIR": str(tmp_path / "tmp")}
    command = [sys.executable, "-c", LOAD, str(tiny / "voice"), str(tiny / "bert")]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert b"SOKUON_CACHE" in done.stderr
    assert not list((tmp_path / "tmp").glob("sokuon-*"))


def test_without_a_home_there_is_a_temporary_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(*_: object, **__: object) -> None:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.delenv("SOKUON_CACHE", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", homeless)
    assert cache_folder().is_dir()


def test_full_cache_is_one_sentence(cache: Path, source: list[Path]) -> None:
    def full(_: Path, target: Path) -> None:
        target.mkdir()
        raise OSError(28, "No space left on device")

    with pytest.raises(VoiceError, match=r"has no room \(No space left on device\); set SOKUON_CACHE"):
        cached("voices", source, full)
    assert not list((cache / "voices").glob(".*"))


@pytest.mark.usefixtures("cache")
def test_missing_file_is_named(source: list[Path]) -> None:
    source[1].unlink()
    with pytest.raises(VoiceNotFoundError, match=r"b does not exist"):
        cached("voices", source, Converter())


def test_folder_of_a_killed_conversion_is_removed(cache: Path, source: list[Path]) -> None:
    """At once where it has a lock that nobody holds, a day later where it tells nothing."""
    names = ("dead", "young", "alive", "old", "new")
    dead, young, alive, old, new = folders = [cache / "voices" / f".{name}.tmp" for name in names]
    for folder in folders:
        folder.mkdir(parents=True)
    for folder in (dead, young):
        os.close(take_lock(folder / ".alive"))
    held = take_lock(alive / ".alive")
    for folder, age_s in ((dead, 100), (alive, 100), (old, 90_000), (new, 100)):
        os.utime(folder, (time.time() - age_s,) * 2)
    cached("voices", source, Converter())
    assert [folder.exists() for folder in (dead, young, alive, old, new)] == [False, True, True, False, True]
    os.close(held)


@pytest.mark.usefixtures("cache")
def test_source_with_a_long_name_is_converted(tmp_path: Path) -> None:
    folder = tmp_path / ("声" * 80)
    folder.mkdir()
    (folder / "a").touch()
    assert cached("voices", [folder / "a"], Converter()).is_dir()


def test_published_voice_is_converted_at_the_first_load(cache: Path, tiny: Path, converted: Path) -> None:
    engines = [sokuon.load(tiny / "voice", bert=tiny / "bert", threads=1, precision="fp32") for _ in range(2)]
    ready = sokuon.load(converted / "voice", bert=converted / "bert", threads=1)
    sounds = [engine.speak("はい。").samples for engine in (*engines, ready)]
    assert np.array_equal(sounds[0], sounds[1])
    assert np.array_equal(sounds[0], sounds[2])
    assert [len(list((cache / kind).glob("[!.k]*"))) for kind in ("voices", "berts")] == [1, 1]


def test_each_precision_of_a_bert_is_kept(cache: Path, tiny: Path, converted: Path) -> None:
    for precision in ("fp32", "q8"):
        sokuon.load(converted / "voice", bert=tiny / "bert", threads=1, precision=precision)
    assert len(list((cache / "berts").glob("[!.k]*"))) == 2


def background(cache: Path, tiny: Path, code: str = LOAD) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", code, str(tiny / "voice"), str(tiny / "bert")]
    return subprocess.Popen(command, env=os.environ | {"SOKUON_CACHE": str(cache)}, stderr=subprocess.PIPE)


def test_two_processes_may_convert_at_once(cache: Path, tiny: Path) -> None:
    processes = [background(cache, tiny) for _ in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    for kind in ("voices", "berts"):
        names = sorted(path.name for path in (cache / kind).iterdir() if path.name != "known.json")
        assert len(names) == 1
        assert names[0].startswith(kind[:-1] + "-")


def killed_when(process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    process.wait(60)


# The converter itself, halted in the middle: after the encoder is written, before the flow is.
HALTED = """
import sys, time
import sokuon.convert.voice_graphs as synthesizer
synthesizer._EMITTERS["flow"] = lambda *_: time.sleep(600)
from pathlib import Path
from sokuon.loading import converted_voice
converted_voice(Path(sys.argv[1]))
"""


def test_killed_conversion_leaves_no_half_folder_and_the_next_one_works(cache: Path, tiny: Path) -> None:
    process = background(cache, tiny, HALTED)
    killed_when(process, lambda: bool(list(cache.glob("voices/.*/**/encoder.weights"))))
    visible = [path.name for path in (cache / "voices").glob("[!.]*")]
    assert visible == ["known.json"]
    folder = converted_voice(tiny / "voice")
    weights = {f"{name}.weights" for name in ("encoder", "flow", "decoder")}
    assert {path.name for path in folder.iterdir()} >= {"voice.json", *weights}


def test_known_digests_are_not_trusted_after_a_change(cache: Path, source: list[Path]) -> None:
    convert = Converter()
    cached("voices", source, convert)
    known = json.loads((cache / "voices" / "known.json").read_text())
    assert len(known) == 2
    source[0].write_text("A")
    os.utime(source[0], ns=(1, 1))
    cached("voices", source, convert)
    assert convert.runs == 2


def test_relative_folders_have_a_name(cache: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(tiny / "voice", tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine")
    assert converted_voice(Path(".")).name.startswith("mine-")
    assert len(list((cache / "voices").glob("mine-*"))) == 1
