"""Killed, interrupted, without disk or voice: what is done stays, and the next run ends as an undisturbed one."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from batch_running import COUNT, assert_same, batch_command, environment, manifest, sounds, texts, wait_for

from sokuon.batch.lines import Line
from sokuon.batch.speaking import Setup
from sokuon.batch.workers import Workers
from sokuon.options import SynthesisOptions

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes as Linux shows them")

Batch = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[str]"]


def _children(process: int) -> list[int]:
    """Processes whose parent it is."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, _, rest = stat.read_text().rpartition(")")
        except OSError:
            continue
        if int(rest.split()[1]) == process:
            found.append(int(number.split()[0]))
    return found


def _below(process: int) -> list[int]:
    """Its children and theirs."""
    children = _children(process)
    return children + [below for child in children for below in _below(child)]


def _workers(process: int) -> list[int]:
    """The children of its nursery, which is the one that has any."""
    return [worker for child in _children(process) for worker in _children(child)]


def _some_are_done(folder: Path, count: int) -> Callable[[], bool]:
    return lambda: len([*folder.glob("*.wav"), *folder.glob(".sokuon-batch/parts/*.wav")]) >= count


def _all_gone(processes: list[int]) -> Callable[[], bool]:
    return lambda: not any(Path(f"/proc/{one}/cmdline").exists() for one in processes)


@pytest.mark.parametrize("packing", [(), ("--pack", "tar", "--shard-lines", "16")])
def test_the_parent_is_killed_twice(
    batch: Batch, start: Start, table: Path, undisturbed: Path, tmp_path: Path, packing: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    for count in (5, 9):
        process = start(table, out, "--workers", 2, *packing)
        wait_for(_some_are_done(out, count))
        below = _below(process.pid)
        process.kill()
        process.wait()
        wait_for(_all_gone(below))  # they follow it
    assert not (out / "manifest.jsonl").exists()
    done = batch(table, out, *packing)
    assert f"/ {COUNT - 1} lines" not in done.stderr  # not all of them again
    if packing:
        batch(table, "undisturbed", *packing)
        undisturbed = tmp_path / "undisturbed"
    assert_same(out, undisturbed)


@pytest.mark.parametrize("victim", [_workers, _children])
def test_a_worker_or_their_parent_is_killed(
    start: Start, table: Path, undisturbed: Path, tmp_path: Path, victim: Callable[[int], list[int]]
) -> None:
    out = tmp_path / "out"
    process = start(table, out, "--workers", 2)
    wait_for(_some_are_done(out, 4))
    for number in victim(process.pid)[:1]:
        os.kill(number, signal.SIGKILL)
    wait_for(_some_are_done(out, 12))
    for number in _workers(process.pid):
        os.kill(number, signal.SIGKILL)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    assert f"2 of {COUNT} rows have no sound" in errors
    assert_same(out, undisturbed)


def test_a_line_that_kills_three_workers_is_given_up() -> None:
    killed: set[int] = set()

    def kill() -> None:
        while len(killed) < 3:
            for number in set(_workers(os.getpid())) - killed:
                os.kill(number, signal.SIGKILL)
                killed.add(number)
            time.sleep(0.01)

    lines = [Line(n, str(n), "雨が降る。" * times, SynthesisOptions()) for n, times in enumerate((500, 1, 1), 1)]
    with Workers(Setup(), 1) as workers:
        killer = threading.Thread(target=kill)
        killer.start()
        done = {spoken.line.number: spoken for spoken in workers.spoken(lines)}
        killer.join()
    assert done[1].again
    assert "the process that spoke it ended 3 times" in (done[1].error or "")
    assert [done[n].error for n in (2, 3)] == [None, None]


def test_an_interrupt_ends_it_and_what_was_done_stays(
    batch: Batch, start: Start, table: Path, undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = start(table, out, "--workers", 2)
    wait_for(_some_are_done(out, 6))
    below = _below(process.pid)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "the same command goes on from there" in errors
    wait_for(_all_gone(below))
    assert not list(out.glob(".sokuon-batch/parts/*"))
    kept = sounds(out)
    theirs = sounds(undisturbed)
    assert len(kept) >= 6
    assert all(theirs[name] == data for name, data in kept.items())
    batch(table, out)
    assert_same(out, undisturbed)


def test_a_full_disk_is_one_sentence(batch: Batch, table: Path, undisturbed: Path, tmp_path: Path) -> None:
    """A bound on the size of files stands in for it, which the longest line meets."""
    out = tmp_path / "out"
    longest = max(len(data) for data in sounds(undisturbed).values())
    done = subprocess.run(
        batch_command(table, out, "--workers", 2),
        capture_output=True,
        text=True,
        env=environment(),
        timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (longest - 1000, longest - 1000)),
    )
    assert done.returncode == 1
    error = done.stderr.splitlines()[-1]
    assert error.startswith(f"error: {out}/line-")
    assert error.endswith("File too large.")
    assert "Traceback" not in done.stderr
    assert not list(out.glob("*.new"))
    theirs = sounds(undisturbed)
    assert all(theirs[name] == data for name, data in sounds(out).items())
    batch(table, out)
    assert_same(out, undisturbed)


@pytest.mark.skipif(os.geteuid() != 0 if hasattr(os, "geteuid") else True, reason="mounting needs root")
def test_a_disk_that_fills(batch: Batch, table: Path, undisturbed: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", disk], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        done = batch(table, disk / "out")
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].endswith("No space left on device.")
        assert "the same command goes on from there" in done.stderr
        kept, theirs = sounds(disk / "out"), sounds(undisturbed)
        assert kept
        assert all(theirs[name] == data for name, data in kept.items())
        shutil.copytree(disk / "out", tmp_path / "out")
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
    done = batch(table, "out")
    assert f"/ {COUNT - 1} lines" not in done.stderr
    assert_same(tmp_path / "out", undisturbed)


def test_a_voice_that_vanishes(batch: Batch, converted: Path, tmp_path: Path) -> None:
    """Lines of a voice that is gone are rows with an error, the others are spoken; when it is back, the rest is."""
    voice = tmp_path / "voice"
    shutil.copytree(converted / "voice", voice)
    names = [(f"a{n}", text, voice if n % 2 else "") for n, text in enumerate(texts(8))]
    (tmp_path / "t.tsv").write_text(
        "id\ttext\tvoice\n" + "".join("\t".join(map(str, row)) + "\n" for row in names), encoding="utf-8"
    )
    arguments = ("t.tsv", "out", "--bert", converted / "bert")
    voice.rename(tmp_path / "away")
    done = batch(*arguments)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: 4 of 8 rows have no sound")
    assert {row["error"] is None for row in manifest(tmp_path / "out")[::2]} == {True}
    assert all(f"{voice} does not exist" in row["error"] for row in manifest(tmp_path / "out")[1::2])
    (tmp_path / "away").rename(voice)
    done = batch(*arguments)
    assert done.returncode == 0, done.stderr
    assert "4 / 4 lines" in done.stderr
    assert len(sounds(tmp_path / "out")) == 8


def test_the_only_voice_vanishes(batch: Batch, start: Start, table: Path, converted: Path, tmp_path: Path) -> None:
    """Workers that opened it go on speaking: its files are mapped."""
    voice, bert = tmp_path / "voice", converted / "bert"
    shutil.copytree(converted / "voice", voice)
    arguments = (table, "out", "--voice", voice, "--bert", bert)
    process = start(*arguments)
    wait_for(_some_are_done(tmp_path / "out", 2))
    shutil.rmtree(voice)
    assert process.wait(timeout=300) == 1
    assert len(sounds(tmp_path / "out")) == COUNT - 2
    done = batch(*arguments, "--seed", 1)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"error: {voice} does not exist")
