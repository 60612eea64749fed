"""Writing while speaking: files that appear whole, pipes, subtitles."""

from __future__ import annotations

import io
import os
import signal
import struct
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from sokuon import Audio, PhonemeTiming, SentenceTiming
from sokuon.audio.encoding import StreamEncoder, _Sink
from sokuon.audio.formats import FORMATS, open_sound, pcm16, wav_header
from sokuon.audio.subtitles import subtitles
from sokuon.audio.writer import Timeline, write_file, write_pipe
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
    write_file(pieces(), RATE, path, format)
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


def _interrupting(write: Callable[..., int], sent: list[bool]) -> Callable[..., int]:
    """The same, while Ctrl-C comes, once."""

    def interrupted(*arguments: object) -> int:
        if not sent:
            sent.append(True)
            os.kill(os.getpid(), signal.SIGINT)
        return write(*arguments)

    return interrupted


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
@pytest.mark.parametrize("format", ["flac", "ogg", "opus", "mp3"])
def test_an_interrupt_while_libsndfile_writes_is_one(
    format: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is raised in its callbacks is printed and forgotten."""
    noise = np.random.default_rng(0).standard_normal(40 * RATE).astype(np.float32) * 0.1
    file = _Sink()
    for encode in (
        lambda: open_sound(file, RATE, format).write(noise),
        lambda: StreamEncoder(RATE, format, live=True).push(noise),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(_Sink, "write", _interrupting(_Sink.write, []))
            with pytest.raises(KeyboardInterrupt):
                encode()
    assert capfd.readouterr().err == ""


def test_unknown_format_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="'xyz' is not a sound format"):
        write_file(pieces(), 44100, tmp_path / "a.xyz", "xyz")
    assert not list(tmp_path.iterdir())


def test_timeline_notes_what_passes() -> None:
    timeline = Timeline(RATE)
    assert len(list(timeline.watch(pieces()))) == 3
    assert timeline.seconds == pytest.approx(0.3)
    expected = [SentenceTiming("はい。", 0.0, 0.1), SentenceTiming("いいえ。", 0.2, pytest.approx(0.3))]
    assert timeline.sentences == expected


class Full(io.RawIOBase):
    """A disk with room for so many bytes; counts what is tried after it was full."""

    def __init__(self, room: int) -> None:
        self.room, self.late = room, 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if self.room < len(data):
            self.late += self.room < 0
            self.room = -1
            raise OSError(28, "No space left on device")
        self.room -= len(data)
        return len(data)

    def seek(self, *_: int) -> int:
        return 0

    def tell(self) -> int:
        return 0


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("room", [0, 5000])
def test_a_full_disk_ends_the_work_at_once(format: str, room: int, capfd: pytest.CaptureFixture[str]) -> None:
    """libsndfile goes on after an error of a callback, and cffi prints a traceback for each."""
    file, asked = Full(room), []

    def endless() -> Iterator[Audio]:
        random = np.random.default_rng(1)
        while len(asked) < 400:
            asked.append(1)
            yield Audio(random.uniform(-1, 1, 1000).astype(np.float32), RATE)

    def write() -> None:
        with open_sound(file, RATE, format) as sound:  # type: ignore[arg-type]
            for piece in endless():
                sound.write(piece.samples)

    with pytest.raises(OSError, match="No space"):
        write()
    assert len(asked) < 100
    assert file.late == 0
    assert capfd.readouterr() == ("", "")


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


def loud(seconds: int, rate: int) -> Iterator[Audio]:
    random = np.random.default_rng(3)
    for _ in range(5 * seconds):
        yield Audio(random.uniform(-0.5, 0.5, rate // 5).astype(np.float32), rate)


@pytest.mark.parametrize("rate", [8000, 24000, 44100])
@pytest.mark.parametrize("format", [name for name in FORMATS if name != "pcm"])
def test_pipe_gets_each_format_while_it_is_made(format: str, rate: int) -> None:
    """Except FLAC, which many cannot read without its length; all can be read back, with the right duration."""
    pipe = Recorder()
    assert write_pipe(loud(8, rate), rate, pipe, format)
    assert max(pipe.writes) < len(pipe.getvalue()) / 2 or format == "flac"
    samples, got = soundfile.read(io.BytesIO(pipe.getvalue()))
    assert len(samples) / got == pytest.approx(8, abs=0.03 + 4 * 576 / rate)  # MP3: silence, delay, whole frames


def test_encoder_gives_nothing_new_for_nothing() -> None:
    encoder = StreamEncoder(RATE, "wav")
    assert encoder.push(np.zeros(0, np.float32)) == wav_header(RATE)
    assert encoder.push(np.zeros(2, np.float32)) == bytes(4)
    assert encoder.finish() == b""


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
        assert not write_pipe(endless(), RATE, pipe, "wav")
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


LONG = "駅前の喫茶店で、温かい珈琲を飲みながら、昨日届いた手紙をゆっくり読み返していました。"


def test_a_long_sentence_becomes_cues_of_two_short_lines() -> None:
    cues = subtitles([SentenceTiming(LONG, 1.0, 12.6)], "srt").split("\n\n")
    assert [cue.split("\n", 2)[2].rstrip("\n") for cue in cues] == [
        "駅前の喫茶店で、温かい珈琲を飲みながら、",
        "昨日届いた手紙をゆっくり読み\n返していました。",
    ]
    assert cues[0].split("\n")[1].startswith("00:00:01,000 --> 00:00:06,")
    assert cues[1].split("\n")[1].endswith("--> 00:00:12,600")


def test_cues_meet_at_the_comma_that_was_spoken() -> None:
    comma = PhonemeTiming(",", 6.0, 6.7)
    text = subtitles([SentenceTiming(LONG, 1.0, 12.6)], "srt", [PhonemeTiming("a", 1.0, 1.1), comma])
    assert "--> 00:00:06,700" in text
    assert "00:00:06,700 -->" in text


@pytest.mark.parametrize("text", ["あ" * 200, "。" * 50, "word " * 30, "長い文" * 30 + "、" + "x" * 90, "ッ" * 50])
def test_no_line_is_wider_than_twenty_and_nothing_is_lost(text: str) -> None:
    cues = [cue.split("\n")[2:] for cue in subtitles([SentenceTiming(text, 0, 9)], "srt").rstrip("\n").split("\n\n")]
    wide = [sum(0.5 if ord(char) < 128 else 1 for char in line) for lines in cues for line in lines]
    assert max(wide) <= 20
    assert max(len(lines) for lines in cues) <= 2
    assert "".join(line for lines in cues for line in lines).replace(" ", "") == text.replace(" ", "")
