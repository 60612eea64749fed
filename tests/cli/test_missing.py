"""What is said where the native library is missing: why, and what to do about it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import SHORT, Main

import sokuon
from sokuon.native import library as native

ROOT = Path(__file__).parents[2]
BUILD_FAILED = ROOT / "native/failed/_native/why_missing.txt"  # pyproject.toml installs it where the C++ build fails
NO_COMPILER = "no C++ compiler was found when Sokuon was installed"


@pytest.fixture
def missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a library that is not there."""
    monkeypatch.setenv(native.LIBRARY_VARIABLE, str(tmp_path / "libsokuon.so"))
    native.library.cache_clear()
    yield tmp_path
    native.library.cache_clear()


def test_a_failed_build_is_told_with_its_remedy(
    missing: Path, converted: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (missing / "why_missing.txt").write_bytes(BUILD_FAILED.read_bytes())
    assert native.available() == (False, "the C++ build failed when Sokuon was installed")
    sokuon.load(converted / "voice", bert=converted / "bert", threads=1)
    (told,) = (record.getMessage() for record in caplog.records if record.name == "sokuon.loading")
    assert told.startswith("the C++ networks cannot run here (the C++ build failed when Sokuon was installed); ")
    assert "less than half the speed. Install g++ 11 or later, or clang, then Sokuon again with `pip install " in told


@pytest.mark.parametrize("file", ["libsokuon.so", "why_missing.txt"])
def test_an_editable_installation_finds_what_was_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    """The package is then the folder of the sources and one beside it."""
    monkeypatch.delenv(native.LIBRARY_VARIABLE, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(sokuon, "__path__", [str(tmp_path / "sources"), str(tmp_path / "built")])
    assert native._library_file() == tmp_path / "sources/_native/libsokuon.so"
    (tmp_path / "built/_native").mkdir(parents=True)
    (tmp_path / "built/_native" / file).touch()
    assert native._library_file() == tmp_path / "built/_native/libsokuon.so"


def test_without_a_note_there_is_no_remedy(missing: Path, converted: Path, caplog: pytest.LogCaptureFixture) -> None:
    sokuon.load(converted / "voice", bert=converted / "bert", threads=1)
    assert f"({missing / 'libsokuon.so'} does not exist)" in caplog.text
    assert "pip install" not in caplog.text


@pytest.mark.parametrize(
    ("language", "expected"),
    [("en_US.UTF-8", f"cannot run here ({NO_COMPILER});"), ("ja_JP.UTF-8", "C++コンパイラーがなかったため")],
)
def test_the_command_says_it_once(
    missing: Path, main: Main, monkeypatch: pytest.MonkeyPatch, language: str, expected: str
) -> None:
    monkeypatch.setenv("LC_ALL", language)
    (missing / "why_missing.txt").write_text(NO_COMPILER + "\n")
    done = main("say", SHORT, "-q")
    assert done.status == 0
    assert done.err.count(expected) == 1
    assert "pip install --force-reinstall" in done.err


def test_the_notes_are_those_that_the_builds_install() -> None:
    assert f'why_missing.txt "{NO_COMPILER}\\n"' in (ROOT / "CMakeLists.txt").read_text()
    failed = (ROOT / "pyproject.toml").read_text().partition("if.failed = true")[2]
    assert 'cmake.define.SOKUON_NATIVE = "OFF"' in failed
    assert "install(DIRECTORY native/failed/_native DESTINATION sokuon)" in (ROOT / "CMakeLists.txt").read_text()


def test_the_server_says_it_too(missing: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("fastapi", reason="extra: server")
    from sokuon.server.run import make_service
    from sokuon.server.settings import Settings

    (missing / "why_missing.txt").write_text(NO_COMPILER + "\n")
    make_service([], None, Settings(port=0, threads=1, data=missing))
    assert f"cannot run here ({NO_COMPILER});" in caplog.text


WITHOUT_PYGMENTS = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pygments", "markdown_it"):
            raise ModuleNotFoundError(name)

import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in ("pygments", "markdown_it") else found(name, *rest)
sys.meta_path.insert(0, Missing())
from sokuon.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("language", "expected"), [("en_US.UTF-8", "Factor on the pitch"), ("ja_JP.UTF-8", "声の高さ")]
)
def test_the_native_path_alone_has_plain_help(monkeypatch: pytest.MonkeyPatch, language: str, expected: str) -> None:
    """requirements-native.txt leaves out what only colours it."""
    monkeypatch.setenv("LC_ALL", language)
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    for arguments in (["say", "--help"], ["--help"], ["voices"]):
        command = [sys.executable, "-c", WITHOUT_PYGMENTS, *arguments]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.count("sokuon[pitch]") == 2 * (arguments[0] == "say")
        assert expected in done.stdout or arguments[0] != "say"
        assert "╭" not in done.stdout
