"""Samples to bytes and files, joining, silence."""

from __future__ import annotations

import io
import os
import stat
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from sokuon import Audio, PhonemeTiming, SentenceTiming
from sokuon.audio.formats import FORMATS, format_rate, wav_header
from sokuon.audio.sound import join, silence, trailing_silence
from sokuon.errors import AudioError
from sokuon.storage.files import write_atomically

RATE = 24000


def tone(seconds: float = 0.5, rate: int = RATE) -> Audio:
    time = np.arange(round(seconds * rate)) / rate
    return Audio((0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32), rate)


@pytest.mark.parametrize("format", ["wav", "flac", "WAV"])
def test_lossless_formats_give_back_the_samples(format: str) -> None:
    audio = tone()
    samples, rate = soundfile.read(io.BytesIO(audio.to_bytes(format)), dtype="int16")
    assert rate == RATE
    np.testing.assert_array_equal(samples, np.round(audio.samples * np.float32(32767)))


@pytest.mark.parametrize("format", ["ogg", "opus", "mp3"])
def test_lossy_formats_keep_the_tone(format: str) -> None:
    samples, rate = soundfile.read(io.BytesIO(tone(1.0).to_bytes(format)), dtype="float32")
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert rate in (RATE, 48000)
    assert abs(np.argmax(spectrum) * rate / len(samples) - 440) < 2
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.05)


def test_pcm_is_little_endian_16_bit() -> None:
    data = Audio(np.array([0, 0.5, -0.5, 1, -1], np.float32), RATE).to_bytes("pcm")
    assert np.frombuffer(data, "<i2").tolist() == [0, 16384, -16384, 32767, -32767]


@pytest.mark.parametrize("format", ["wav", "flac", "pcm"])
def test_rounding_adds_no_offset_and_half_a_step_at_most(format: str) -> None:
    """libsndfile's own conversion of floats truncates: -0.5 of a step on average, a whole step at most."""
    samples = np.random.default_rng(7).uniform(-1, 1, 200_000).astype(np.float32)
    data = Audio(samples, RATE).to_bytes(format)
    subtype = {"format": "RAW", "subtype": "PCM_16", "endian": "LITTLE", "samplerate": RATE, "channels": 1}
    stored, _ = soundfile.read(io.BytesIO(data), dtype="int16", **(subtype if format == "pcm" else {}))
    error = stored - samples.astype(np.float64) * 32767
    assert np.abs(error).max() <= 0.5 + 2e-3  # the float32 product of 15 whole bits keeps 9 of the fraction
    assert abs(error.mean()) < 0.005  # of 200,000 uniform errors: 0.29 / sqrt(N) is 0.0006


@pytest.mark.parametrize("format", FORMATS)
def test_no_samples_and_one_sample_can_be_written(format: str) -> None:
    for count in (0, 1):
        assert isinstance(Audio(np.zeros(count, np.float32), RATE).to_bytes(format), bytes)


@pytest.mark.parametrize(
    ("format", "rate", "held"), [("opus", 44100, 48000), ("opus", 22050, 24000), ("mp3", 96000, 48000)]
)
def test_a_rate_the_format_cannot_hold_is_resampled(format: str, rate: int, held: int) -> None:
    samples, got = soundfile.read(io.BytesIO(tone(1.0, rate).to_bytes(format)), dtype="float32")
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert got == held
    assert len(samples) / got == pytest.approx(1.0, abs=0.06)
    assert abs(np.argmax(spectrum) * got / len(samples) - 440) < 2


@pytest.mark.parametrize(("rate", "held"), [(22050, 24000), (8000, 8000), (44100, 48000), (96000, 48000)])
def test_the_next_higher_rate_is_taken(rate: int, held: int) -> None:
    assert format_rate("opus", rate) == held
    assert format_rate("flac", rate) == rate


def test_long_ogg_is_written_in_blocks() -> None:
    audio = tone(30.0, 44100)
    samples, _ = soundfile.read(io.BytesIO(audio.to_bytes("ogg")))
    assert len(samples) == len(audio.samples)


@pytest.mark.parametrize(
    "name", ["a.wav", "with space.flac", "旅の途中で" * 16 + ".ogg", "x" * 251 + ".mp3", ".wav.wav"]
)
def test_save_writes_any_name_the_file_system_allows(tmp_path: Path, name: str) -> None:
    tone().save(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert soundfile.info(str(tmp_path / name)).samplerate == RATE


def test_save_takes_a_string_and_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"old")
    tone().save(str(path))
    assert soundfile.info(str(path)).frames == 12000


def test_save_by_format_ignores_the_suffix(tmp_path: Path) -> None:
    tone().save(tmp_path / "a.bin", format="flac")
    assert soundfile.info(str(tmp_path / "a.bin")).format == "FLAC"


@pytest.mark.parametrize(
    ("name", "message"), [("a", "'' is not"), ("a.txt", "'txt' is not"), ("a.wav/b.wav", "not a folder")]
)
def test_save_says_what_is_wrong_with_a_place(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        tone().save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_save_does_not_replace_a_folder_or_a_device(tmp_path: Path) -> None:
    (tmp_path / "a.wav").mkdir()
    with pytest.raises(AudioError, match="is a folder"):
        tone().save(tmp_path / "a.wav")
    with pytest.raises(AudioError, match="not an ordinary file"):
        tone().save(os.devnull, format="wav")
    assert not Path(os.devnull).is_file()


@pytest.mark.skipif(os.name != "posix", reason="symbolic links and modes as on POSIX")
def test_saved_file_is_as_any_new_file(tmp_path: Path) -> None:
    """A private mode (as of `tempfile`) would keep a web server from reading it; a link stays a link."""
    (tmp_path / "ordinary").write_bytes(b"")
    (tmp_path / "link.wav").symlink_to(tmp_path / "real.wav")
    tone().save(tmp_path / "link.wav")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ordinary", "real.wav")}
    assert len(modes) == 1
    assert (tmp_path / "link.wav").is_symlink()


@pytest.mark.skipif(os.name != "posix", reason="umask")
def test_saving_in_threads_leaves_the_umask_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        threads = [
            threading.Thread(target=lambda n=n: [write_atomically(tmp_path / f"{n}", b"") for _ in range(50)])
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        after = os.umask(0o022)
    finally:
        os.umask(before)
    assert after == 0o022


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match=r"No space left on device: .*a\.wav"):  # the system does not say which file
        tone().save(path)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_normalized_scales_to_full_scale_and_leaves_silence() -> None:
    assert np.abs(tone().normalized().samples).max() == 1
    quiet = Audio(np.zeros(10, np.float32), RATE)
    assert quiet.normalized() is quiet
    assert len(Audio(np.zeros(0, np.float32), RATE).normalized().samples) == 0


def test_join_moves_timings_by_what_came_before() -> None:
    first = Audio(np.zeros(240, np.float32), RATE, (PhonemeTiming("a", 0.0, 0.01),), (SentenceTiming("A", 0.0, 0.01),))
    second = Audio(
        np.ones(480, np.float32), RATE, (PhonemeTiming("b", 0.005, 0.015),), (SentenceTiming("B", 0.0, 0.02),)
    )
    joined = join(iter([first, second]), RATE)
    assert len(joined.samples) == 720
    assert joined.duration == pytest.approx(0.03)
    assert [(t.phoneme, t.start, t.end) for t in joined.timings] == [("a", 0.0, 0.01), ("b", 0.015, 0.025)]
    assert [(s.text, s.start, s.end) for s in joined.sentences] == [("A", 0.0, 0.01), ("B", 0.01, 0.03)]
    assert join([], RATE).samples.dtype == np.float32


def test_silence_has_whole_samples() -> None:
    assert len(silence(0.25, 44100)) == 11025
    assert len(silence(-1.0, 44100)) == 0


@pytest.mark.parametrize(
    ("loud", "quiet", "expected"),
    [(4410, 0, 0.0), (4410, 441, 0.01), (4410, 881, 0.01), (4410, 882, 0.02), (0, 4410, 0.1), (100, 300, 0.0)],
)
def test_trailing_silence_counts_whole_windows_of_10_ms(loud: int, quiet: int, expected: float) -> None:
    """Spec runtime-behaviour section 4; `loud` samples of 1, then `quiet` ones of 2 % of the peak."""
    samples = np.concatenate([np.ones(loud), np.full(quiet, 0.02 if loud else 0.0)]).astype(np.float32)
    assert trailing_silence(samples, 44100) == pytest.approx(expected)


@given(st.lists(st.floats(-1, 1, width=32), max_size=2000))
def test_trailing_silence_lies_within_the_sound(values: list[float]) -> None:
    samples = np.array(values, np.float32)
    seconds = trailing_silence(samples, 8000)
    assert 0 <= seconds <= len(samples) / 8000
    skipped = round(seconds * 8000)
    assert np.abs(samples[len(samples) - skipped :]).max(initial=0) <= 0.02 * np.abs(samples).max(initial=0)


def test_an_audio_is_shown_in_one_short_line() -> None:
    audio = join([tone()] * 3, RATE)
    assert repr(audio) == "<Audio 1.500 s at 24000 Hz, 0 timings, 0 sentences>"


@pytest.mark.parametrize("format", ["wav", "pcm"])
def test_what_needs_no_encoder_is_what_libsndfile_writes(format: str) -> None:
    file, audio = io.BytesIO(), tone(0.5)
    kind = {"wav": "WAV", "pcm": "RAW"}[format]
    rounded = np.rint(np.clip(audio.samples, -1, 1) * np.float32(32767)).astype(np.int16)
    soundfile.write(file, rounded, audio.sample_rate, "PCM_16", "LITTLE" if format == "pcm" else None, kind)
    assert audio.to_bytes(format) == file.getvalue()


def test_a_wav_beyond_its_lengths_says_the_most_it_can() -> None:
    assert wav_header(8000, 1 << 33) == wav_header(8000)
