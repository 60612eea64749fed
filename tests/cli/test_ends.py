"""How commands end: interrupted, killed, without a home, a disk, or an output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import MAIN, SHORT

LONG = "今日はいい天気ですね。" * 400
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and descriptors as on POSIX")


def _as_in_a_terminal() -> None:
    """A background job ignores SIGINT, one under nohup SIGHUP, and children inherit it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def start(command: tuple[str, ...], *arguments: str, **more: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*command, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=_as_in_a_terminal,
        **more,  # type: ignore[call-overload]
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_kill_leaves_no_file(command: tuple[str, ...], tmp_path: Path, number: signal.Signals) -> None:
    process = start(command, "-o", str(tmp_path / "a.wav"), LONG)
    deadline = time.monotonic() + 60
    while not list(tmp_path.iterdir()):  # the hidden file it writes to
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert errors == b""
    assert not list(tmp_path.iterdir())


def _catches_interrupts(process: subprocess.Popen[bytes]) -> bool:
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) & 1 << (signal.SIGINT - 1))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells which signals a process catches")
@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.05, 0.1, 0.2, 0.4])
def test_an_early_interrupt_prints_no_traceback(command: tuple[str, ...], tmp_path: Path, seconds: float) -> None:
    """Counted from our first line; before it Python itself starts, with tracebacks of its own."""
    process = start(command, "-o", "-", LONG, cwd=tmp_path)
    while not _catches_interrupts(process):  # Python does from its start on
        time.sleep(0.001)
    while _catches_interrupts(process):  # our first line lets the system end it, while modules are imported
        time.sleep(0.001)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT), errors
    assert b"Traceback" not in errors


IMPORTED = """
import os, signal, time
try:
    os.kill(os.getpid(), {number})
    time.sleep(0.01)
except BaseException as end:
    {then}
time.sleep(20)
"""
THEN = {"another error": "raise ImportError('initialization failed') from end", "nothing": "pass"}


@pytest.mark.parametrize("then", THEN)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_an_end_in_an_import_is_one(
    command: tuple[str, ...], tmp_path: Path, number: signal.Signals, then: str
) -> None:
    """Compiled modules make an ImportError of it, told as a missing ONNX Runtime, and CPython's compiler forgets it."""
    (tmp_path / "onnxruntime.py").write_text(IMPORTED.format(number=int(number), then=THEN[then]))
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = start(command, "-o", str(tmp_path / "a.wav"), SHORT, env=os.environ | {"PYTHONPATH": path})
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (128 + number, b"")


def test_latin_1_is_no_error(command: tuple[str, ...], tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    for arguments in (("say", "--help"), ("voices",), ("phonemes", "雨"), ("--help",)):
        done = subprocess.run([*MAIN, *arguments], env=environment, capture_output=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, b"")
    done = subprocess.run([*command, "雨", "-o", "雨.wav"], env=environment, capture_output=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


NAMELESS = """
import pwd
def none(number):
    raise KeyError(number)
pwd.getpwuid = none
from sokuon.__main__ import main
main()
"""


def test_a_user_without_home_and_name_can_speak(tmp_path: Path, tiny: Path) -> None:
    """As in a container that runs with a number of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "SOKUON_NATIVE_LIBRARY") if name in os.environ}
    command = [sys.executable, "-c", NAMELESS, "say", SHORT, "-o", str(tmp_path / "a.wav")]
    own = ["--voice", str(tiny / "voice"), "--bert", str(tiny / "bert"), "--backend", "onnx"]  # needs a cache
    for more, told in (([], False), (own, True)):
        done = subprocess.run([*command, *more], env=kept, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr.decode()
        assert (b"set SOKUON_CACHE to a folder" in done.stderr) is told
        assert b"Traceback" not in done.stderr
        assert (tmp_path / "a.wav").stat().st_size > 200  # the tiny voice says little
    done = subprocess.run([*command[:3], "dict", "add", "雨", "アメ"], env=kept, capture_output=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.decode().startswith("error: there is no home folder to keep a dictionary in")


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_closed_stream_does_no_harm(command: tuple[str, ...], tmp_path: Path, closed: int) -> None:
    def close() -> None:
        os.close(closed)

    done = subprocess.run(
        [*command, SHORT, "-o", str(tmp_path / "a.wav")], capture_output=True, preexec_fn=close, timeout=60
    )
    assert done.returncode == 0
    assert (tmp_path / "a.wav").read_bytes()[:4] == b"RIFF"


def test_sound_to_a_closed_output_is_an_error(command: tuple[str, ...]) -> None:
    done = subprocess.run(
        [*command, SHORT, "-o", "-"], stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1), timeout=60
    )
    assert done.returncode == 1
    assert done.stderr == b"error: standard output is closed; give --output FILE.\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux's device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [("voices",), ("phonemes", "雨")])
def test_a_full_output_is_one_line(arguments: tuple[str, ...], unbuffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*MAIN, *arguments], stdout=full, stderr=subprocess.PIPE, timeout=60, env=environment)
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1, done.stderr
    assert b"No space left on device" in done.stderr


@pytest.mark.parametrize("arguments", [("voices",), ("phonemes", "雨"), ("--help",)])
def test_a_reader_that_has_gone_is_no_error(arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*MAIN, *arguments], stdout=writer, stderr=subprocess.PIPE, timeout=60)
    os.close(writer)
    assert done.stderr == b""
