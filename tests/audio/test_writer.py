"""Writing while speaking: files that appear whole, pipes, subtitles."""

from __future__ import annotations

import io
import os
import struct
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from sokuon import Audio, SentenceTiming
from sokuon.audio.formats import pcm16
from sokuon.audio.subtitles import subtitles
from sokuon.audio.writer import wav_header, write_file, write_pipe
from sokuon.errors import AudioError

RATE = 8000


def pieces() -> Iterator[Audio]:
    for level, text in ((0.25, "はい。"), (0.0, ""), (-0.5, "いいえ。")):
        sentence = (SentenceTiming(text, 0.0, 0.1),) if text else ()
        yield Audio(np.full(800, level, np.float32), RATE, (), sentence)


def interrupted() -> Iterator[Audio]:
    yield from pieces()
    raise KeyboardInterrupt


@pytest.mark.parametrize("format", ["wav", "flac", "ogg", "opus", "mp3", "pcm"])
def test_file_holds_all_pieces(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"out.{format}"
    seconds, sentences = write_file(pieces(), RATE, path, format)
    assert seconds == pytest.approx(0.3)
    assert sentences == [SentenceTiming("はい。", 0.0, 0.1), SentenceTiming("いいえ。", 0.2, pytest.approx(0.3))]
    if format == "pcm":
        assert path.stat().st_size == 4800
    else:
        assert soundfile.info(str(path)).duration == pytest.approx(0.3, abs=0.06)  # MP3 pads to its frames


def test_interrupt_leaves_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    for path in (tmp_path / "new.wav", tmp_path / "old.wav"):
        if path.name == "old.wav":
            path.write_bytes(b"old")
        with pytest.raises(KeyboardInterrupt):
            write_file(interrupted(), RATE, path, "wav")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"old.wav": b"old"}


def test_unknown_format_or_rate_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="opus cannot hold 44100"):
        write_file(pieces(), 44100, tmp_path / "a.opus", "opus")
    assert not list(tmp_path.iterdir())


class Recorder(io.BytesIO):
    """Notes what is written, and how often."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[int] = []

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.writes.append(len(data))
        return super().write(data)


def test_pipe_gets_a_wav_piece_by_piece() -> None:
    pipe = Recorder()
    write_pipe(pieces(), RATE, pipe, "wav")
    assert pipe.writes == [44 + 1600, 1600, 1600]
    data = pipe.getvalue()
    samples = np.frombuffer(data[44:], "<i2")
    assert samples[::800].tolist() == [8192, 0, -16384]
    assert data[:44] == wav_header(RATE)


def test_pipe_gets_raw_samples_as_pcm() -> None:
    pipe = io.BytesIO()
    write_pipe(pieces(), RATE, pipe, "pcm")
    assert pipe.getvalue() == b"".join(pcm16(piece.samples) for piece in pieces())


@pytest.mark.parametrize("format", ["wav", "pcm", "flac"])
def test_file_and_pipe_hold_the_same_samples(tmp_path: Path, format: str) -> None:
    """In pieces, at once, to a file or down a pipe: one rounding."""
    noise = np.random.default_rng(7).uniform(-1.1, 1.1, 5000).astype(np.float32)
    parts = [Audio(part, RATE) for part in np.split(noise, [1, 2000])]
    write_file(parts, RATE, tmp_path / "out", format)
    pipe = io.BytesIO()
    write_pipe(parts, RATE, pipe, format)
    whole = Audio(noise, RATE).to_bytes(format)
    stored = [_samples(data, format) for data in ((tmp_path / "out").read_bytes(), pipe.getvalue(), whole)]
    for samples in stored:
        np.testing.assert_array_equal(samples, np.frombuffer(pcm16(noise), "<i2"))


def _samples(data: bytes, format: str) -> npt.NDArray[np.int16]:
    if format == "flac":
        samples: npt.NDArray[np.int16] = soundfile.read(io.BytesIO(data), dtype="int16")[0]
        return samples
    return np.frombuffer(data[44 if format == "wav" else 0 :], "<i2")


@pytest.mark.parametrize("format", ["flac", "ogg", "mp3"])
def test_pipe_gets_other_formats_whole(format: str) -> None:
    pipe = io.BytesIO()
    write_pipe(pieces(), RATE, pipe, format)
    assert soundfile.info(io.BytesIO(pipe.getvalue())).samplerate == RATE


def test_nothing_is_written_before_the_first_piece_is_there() -> None:
    def failing() -> Iterator[Audio]:
        raise AudioError("no sound")
        yield

    pipe = io.BytesIO()
    with pytest.raises(AudioError):
        write_pipe(failing(), RATE, pipe, "wav")
    assert pipe.getvalue() == b""


def test_closed_pipe_ends_quietly_and_stops_the_work() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    asked = []

    def endless() -> Iterator[Audio]:
        while True:
            asked.append(1)
            yield Audio(np.zeros(100_000, np.float32), RATE)

    with os.fdopen(writer, "wb") as pipe:
        write_pipe(endless(), RATE, pipe, "wav")
    assert len(asked) == 1


def test_wav_header_is_the_one_of_the_specification() -> None:
    """Spec runtime-behaviour section 8, at 44.1 kHz."""
    expected = "52494646 ffffffff 57415645 666d7420 10000000 0100 0100 44ac0000 88580100 0200 1000 64617461 ffffffff"
    assert wav_header(44100) == bytes.fromhex(expected)
    with wave.open(io.BytesIO(wav_header(RATE).replace(struct.pack("<I", 0xFFFFFFFF), struct.pack("<I", 36)))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)


def test_pcm16_rounds_and_never_wraps() -> None:
    samples = np.array([0, 1, -1, 1.5, -1.5, 0.5 / 32767, 0.4 / 32767], np.float32)
    assert np.frombuffer(pcm16(samples), "<i2").tolist() == [0, 32767, -32767, 32767, -32767, 0, 0]


CUES = [SentenceTiming("はい、\nそうです。", 0.0, 1.5), SentenceTiming("a --> b & <c>", 3661.0296, 3662.9996)]


def test_srt() -> None:
    assert subtitles(CUES, "srt") == (
        "1\n00:00:00,000 --> 00:00:01,500\nはい、 そうです。\n\n2\n01:01:01,030 --> 01:01:03,000\na → b & <c>\n"
    )


def test_vtt_escapes_what_would_be_markup() -> None:
    assert subtitles(CUES, "vtt") == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nはい、 そうです。\n\n"
        "01:01:01.030 --> 01:01:03.000\na → b &amp; &lt;c>\n"
    )


def test_no_sentences_are_valid_subtitles() -> None:
    assert subtitles([], "srt") == ""
    assert subtitles([], "vtt").startswith("WEBVTT\n")


def test_other_subtitles_are_refused() -> None:
    with pytest.raises(AudioError, match="'ass' is not a subtitle format; use srt or vtt"):
        subtitles(CUES, "ass")
