"""The user command `sokuon bench`, on the tiny voice."""

from __future__ import annotations

import base64
import json
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from sokuon.cli.bench import bench
from sokuon.errors import OptionError, VoiceNotFoundError
from sokuon.measure.figures import TEXTS, Setup
from sokuon.measure.machine import describe_machine, memory_mb
from sokuon.measure.measure import measure, plan
from sokuon.measure.page import _ticks, png, spectrogram
from sokuon.speaking import STAGES

BASE = Setup("", Path("voice"), None, "q8", "auto", "q16", 1)


def test_measures_every_text_and_stage(converted: Path) -> None:
    result = measure(Setup("tiny", converted / "voice", converted / "bert", "fp32", "onnx", "q16", 1), repeats=1)
    assert [timing.text for timing in result.timings] == list(TEXTS)
    for timing in result.timings:
        assert timing.audio_s > 0
        assert timing.speed == pytest.approx(timing.audio_s / timing.seconds)
        assert set(timing.stages) == set(STAGES)
        assert all(seconds > 0 for stage, seconds in timing.stages.items() if stage != "pauses")
    assert [timing.stages["pauses"] > 0 for timing in result.timings] == [False, True, False, True]  # between sentences
    assert result.timings[0].audio_s < result.timings[-1].audio_s
    assert result.load_s > 0
    assert len(result.sample.samples) > 0


def test_command_writes_figures_and_a_page_that_stands_alone(converted: Path, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(bench)
    files = ["--json", str(tmp_path / "b.json"), "--html", str(tmp_path / "b.html")]
    models = ["--voice", str(converted / "voice"), "--bert", str(converted / "bert")]
    done = CliRunner().invoke(app, [*models, "--threads", "1", "--repeats", "1", "--backend", "onnx", *files])
    assert done.exit_code == 0, done.output
    assert "fp32, 1 thread" in done.output
    data = json.loads((tmp_path / "b.json").read_text())
    assert data["results"][0]["setup"]["name"] == "fp32"
    assert data["results"][0]["timings"][0]["speed"] > 0
    page = (tmp_path / "b.html").read_text()
    assert "http" not in page  # nothing is fetched
    assert 'name="viewport"' in page
    assert ">kHz<" in page
    assert re.search(r">0\.\d+ s<|>1 s<", page)  # the seconds below a spectrogram
    assert re.search(r">\d+ ms<", page)
    sound = re.search(r"data:audio/wav;base64,([^\"]+)", page)
    picture = re.search(r"data:image/png;base64,([^\"]+)", page)
    assert sound is not None
    assert base64.b64decode(sound[1]).startswith(b"RIFF")
    assert picture is not None
    assert base64.b64decode(picture[1]).startswith(b"\x89PNG")


def test_setups_cross_berts_and_precisions_and_add_thread_counts() -> None:
    setups = plan(BASE, [Path("a"), Path("b")], ["fp32", "q8"], [1, 2])
    assert [setup.label for setup in setups] == [
        "fp32 (a), 1 thread",
        "fp32 (a), 2 threads",
        "q8 (a), 2 threads",
        "fp32 (b), 2 threads",
        "q8 (b), 2 threads",
    ]
    assert [setup.label for setup in plan(BASE, [Path("a")], ["fp32", "q8"], [2])] == [
        "fp32, 2 threads",
        "q8, 2 threads",
    ]
    assert plan(Setup("", None, None, "q8", "auto", "q16", 1), [], ["q8"], [1])[0].label == "built-in, 1 thread"


def test_no_threads_is_refused() -> None:
    with pytest.raises(OptionError, match="1 or more"):
        plan(BASE, [], ["q8"], [0])


def test_errors_come_back_from_the_other_process(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(bench)
    done = CliRunner().invoke(app, ["--voice", str(tmp_path / "none"), "--bert", str(tmp_path), "--threads", "1"])
    assert isinstance(done.exception, VoiceNotFoundError)


def test_png_holds_the_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 3), np.uint8)
    data = png(pixels)
    width, height = struct.unpack(">II", data[16:24])
    assert (height, width) == (3, 5)
    length = struct.unpack(">I", data[33:37])[0]
    rows = np.frombuffer(zlib.decompress(data[41 : 41 + length]), np.uint8).reshape(3, 16)
    np.testing.assert_array_equal(rows[:, 1:], pixels.reshape(3, 15))
    assert not rows[:, 0].any()  # filter 0


def test_spectrogram_is_brightest_where_the_tone_is() -> None:
    time_s = np.arange(44100) / 44100
    tone = np.sin(2 * np.pi * 3000 * time_s).astype(np.float32)
    brightness = spectrogram(tone, 44100).sum(axis=2)[:, 40]
    assert brightness.argmax() == pytest.approx(len(brightness) * (1 - 3000 / 12000), abs=2)


def test_texts_are_those_of_the_comparison() -> None:
    lines = (Path(__file__).parents[2] / "bench" / "texts.txt").read_text(encoding="utf-8").splitlines()
    assert dict(line.split("\t") for line in lines if not line.startswith("#")) == TEXTS


def test_machine_and_memory_are_known() -> None:
    machine = describe_machine()
    assert all(machine.values())
    assert "onnxruntime" in machine["libraries"]
    resident_mb, peak_mb = memory_mb()
    assert resident_mb is None or peak_mb is None or 10 < resident_mb <= peak_mb * 1.01


@pytest.mark.parametrize(
    ("end", "most", "ticks"),
    [(12, 4, [0, 5, 10]), (4.9, 7, [0, 1, 2, 3, 4]), (0.02, 4, [0, 0.005, 0.01, 0.015, 0.02]), (0, 4, [0.0])],
)
def test_axes_have_round_numbers(end: float, most: int, ticks: list[float]) -> None:
    assert _ticks(end, most) == pytest.approx(ticks)


def test_tables_in_a_pipe_are_not_cut(converted: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sokuon", "bench", "--voice", str(converted / "voice"), "--bert"]
    more = [str(converted / "bert"), "--threads", "1", "--repeats", "1", "--backend", "onnx"]
    done = subprocess.run([*command, *more], capture_output=True, timeout=120, cwd=tmp_path)
    out = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    assert "…" not in out
    assert all(word in out for word in ("fp32, 1 thread", "front end", "decoder", "peak"))
