"""The lock that processes share: one holder at a time, gone with its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sokuon.errors import DictionaryError
from sokuon.storage import locks
from sokuon.storage.locks import locked

HOLDER = """
import sys, time
from pathlib import Path
from sokuon.storage.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
COUNTER = """
import sys
from pathlib import Path
from sokuon.storage.locks import locked
path = Path(sys.argv[1])
for _ in range(100):
    with locked(path):
        path.write_text(str(int(path.read_text()) + 1))
"""


def test_two_never_hold_it(tmp_path: Path) -> None:
    """Each holder reads, adds one and writes: with two holders at once some would be lost."""
    path = tmp_path / "count"
    path.write_text("0")
    children = [subprocess.Popen([sys.executable, "-c", COUNTER, str(path)], env=_environment()) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert path.read_text() == "300"
    assert [file.name for file in tmp_path.iterdir()] == ["count"]


def test_an_old_lock_file_is_not_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A holder that is slow stays the holder, however old the file."""
    monkeypatch.setattr(locks, "_TIMEOUT_S", 0.3)
    path = tmp_path / "a"
    with locked(path):
        os.utime(tmp_path / "a.lock", (1, 1))
        with pytest.raises(DictionaryError, match="in use by another process"), locked(path):
            pytest.fail("two holders")


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a"
    child = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, env=_environment())
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    child.stdout.close()
    begin = time.monotonic()
    with locked(path):
        assert time.monotonic() - begin < 5


def test_a_lock_file_left_behind_is_free(tmp_path: Path) -> None:
    (tmp_path / "a.lock").touch()
    with locked(tmp_path / "a"):
        pass
    assert not list(tmp_path.iterdir())


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
