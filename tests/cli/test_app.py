"""The command line as a person and a pipe meet it."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import time
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import MAIN, SHORT, Main, Run, one_line_error
from typer.testing import CliRunner

import sokuon
from sokuon.cli import app as cli

LONG = "今日はいい天気ですね。" * 400


def test_say_writes_speech_wav_unless_told_otherwise(say: Run, tmp_path: Path, engine: sokuon.Engine) -> None:
    done = say(SHORT)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b""
    samples, rate = soundfile.read(tmp_path / "speech.wav", dtype="float32")
    expected = engine.speak(SHORT)
    assert rate == 8000
    np.testing.assert_allclose(samples, expected.samples, atol=2 / 32768 + 1e-5)  # 16 bits, and rounding of chunks
    assert re.fullmatch(r"speech\.wav: \d+\.\d s\n", done.stderr.decode())


@pytest.mark.parametrize(
    ("name", "kind"), [("a.flac", "FLAC"), ("a.ogg", "OGG"), ("a.opus", "OGG"), ("a.mp3", "MP3"), ("a.WAV", "WAV")]
)
def test_format_follows_the_suffix(command: tuple[str, ...], tmp_path: Path, name: str, kind: str) -> None:
    done = CliRunner().invoke(cli.app, [*command[3:], SHORT, "-q", "-o", str(tmp_path / name)])
    assert (done.exit_code, done.output) == (0, "")
    info = soundfile.info(str(tmp_path / name))
    assert (info.format, info.channels) == (kind, 1)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_options_reach_the_engine(command: tuple[str, ...], tmp_path: Path, engine: sokuon.Engine) -> None:
    options = {
        "--speaker": "Speaker1", "--style": "Happy", "--style-weight": "2", "--speed": "1.5", "--sdp-ratio": "0.7",
        "--noise": "0.3", "--noise-w": "0.4", "--pause": "0.5", "--seed": "11",
    }  # fmt: skip
    arguments = [word for pair in options.items() for word in pair]
    text = "はい。いいえ。"
    done = CliRunner().invoke(cli.app, [*command[3:], text, *arguments, "-o", str(tmp_path / "a.pcm")])
    assert done.exit_code == 0, done.output
    expected = engine.speak(
        text, speaker="Speaker1", style="Happy", style_weight=2, speed=1.5, sdp_ratio=0.7, noise=0.3, noise_w=0.4,
        pause=0.5, seed=11,
    )  # fmt: skip
    samples = np.frombuffer((tmp_path / "a.pcm").read_bytes(), "<i2") / 32768
    np.testing.assert_allclose(samples, expected.samples, atol=2 / 32768 + 1e-5)


def test_speaker_by_number_and_normalize(command: tuple[str, ...], tmp_path: Path, engine: sokuon.Engine) -> None:
    path = tmp_path / "a.wav"
    done = CliRunner().invoke(cli.app, [*command[3:], SHORT, "--speaker", "1", "--normalize", "-o", str(path)])
    assert done.exit_code == 0, done.output
    expected = engine.speak(SHORT, speaker=1, normalize=True)
    np.testing.assert_allclose(soundfile.read(path)[0], expected.samples, atol=2 / 32768)


def test_text_from_standard_input_to_standard_output(say: Run) -> None:
    done = say("-o", "-", text="はい。\nいいえ。\n".encode())
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    assert done.stdout[:4] == b"RIFF"
    assert len(np.frombuffer(done.stdout[44:], "<i2")) > 100
    with wave.open(io.BytesIO(done.stdout)) as file:
        assert file.getframerate() == 8000


def test_other_formats_down_a_pipe(say: Run) -> None:
    done = say(SHORT, "-o", "-", "--format", "flac")
    assert done.returncode == 0, done.stderr.decode()
    assert soundfile.info(io.BytesIO(done.stdout)).samplerate == 8000


def test_text_from_a_file_with_byte_order_mark(main: Main, command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "novel.txt").write_text(SHORT, encoding="utf-8-sig")
    done = main(*command[3:], "-f", "novel.txt", "-o", "a.wav", "--subtitles", "a.srt")
    assert done.status == 0, done.err
    cue = (tmp_path / "a.srt").read_text(encoding="utf-8")
    assert re.fullmatch(r"1\n00:00:00,000 --> 00:00:00,\d{3}\nはい。\n", cue)


@pytest.mark.parametrize(
    ("arguments", "words", "status"),
    [
        ((SHORT, "--style", "Angry"), ("no style 'Angry'", "Neutral, Happy"), 2),
        ((SHORT, "--speed", "99"), ("speed is 99", "between 0.1 and 10"), 2),
        ((SHORT, "-o", "a.txt"), ("'txt' is not a sound format", "wav"), 1),
        ((SHORT, "-o", "nowhere/a.wav"), ("nowhere is not a folder",), 1),
        ((SHORT, "--subtitles", "a.txt"), ("'txt' is not a subtitle format",), 1),
        ((SHORT, "--subtitles", "a.srt", "-o", "-"), ("subtitles and timings need a sound file",), 2),
        ((SHORT, "--voice", "nowhere"), ("nowhere does not exist",), 1),
        ((SHORT, "--backend", "gpu"), ("backend is 'gpu'",), 2),
        ((SHORT, "--weights", "int4"), ("weights is 'int4'",), 2),
        ((SHORT, "--threads", "0"), ("threads is 0",), 2),
        (("",), ("nothing to say",), 1),
        ((SHORT, "-f", "novel.txt"), ("not both",), 2),
        (("-f", "missing.txt"), ("missing.txt cannot be read",), 1),
        (("-f", "binary.txt"), ("binary.txt is not UTF-8 text (byte 3)",), 1),
    ],
)
def test_errors_are_one_line(
    main: Main,
    command: tuple[str, ...],
    tmp_path: Path,
    arguments: tuple[str, ...],
    words: tuple[str, ...],
    status: int,
) -> None:
    (tmp_path / "binary.txt").write_bytes(b"abc\xff")
    one_line_error(main(*command[3:], *arguments), *words, status=status)
    assert [path.name for path in tmp_path.iterdir()] == ["binary.txt"]


def test_unknown_option_is_a_usage_error(main: Main) -> None:
    done = main("say", "--loud", SHORT)
    assert done.status == 2
    assert "--loud" in done.err


def test_a_place_without_permission_or_space_is_one_line(
    main: Main, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    one_line_error(main(*command[3:], SHORT, "-o", "a.wav"), "No space left on device")


def test_brackets_in_names_are_shown_as_they_are(main: Main, command: tuple[str, ...], tmp_path: Path) -> None:
    assert main(*command[3:], SHORT, "-o", "a[b].wav").err.startswith("a[b].wav: ")
    assert (tmp_path / "a[b].wav").exists()
    one_line_error(main(*command[3:], SHORT, "--style", "[red]x"), "'[red]x'", status=2)


def test_device_and_named_pipe_are_written_not_replaced(main: Main, command: tuple[str, ...], tmp_path: Path) -> None:
    assert main(*command[3:], SHORT, "-o", os.devnull).status == 0
    assert not Path(os.devnull).is_file()
    if not hasattr(os, "mkfifo"):
        return
    os.mkfifo(tmp_path / "pipe.wav")
    reader = subprocess.Popen(["cat", str(tmp_path / "pipe.wav")], stdout=subprocess.PIPE)
    assert main(*command[3:], SHORT, "-o", "pipe.wav").status == 0
    assert reader.communicate(timeout=60)[0][:4] == b"RIFF"


def test_closed_pipe_ends_quietly(command: tuple[str, ...]) -> None:
    process = subprocess.Popen(
        [*command, "-o", "-", LONG], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert process.stdout.read(1000)[:4] == b"RIFF"
    process.stdout.close()
    begin = time.monotonic()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(60) == 0
    assert time.monotonic() - begin < 20  # it did not speak on to the end


@pytest.mark.skipif(os.name != "posix", reason="interrupts as on POSIX")
def test_interrupt_leaves_no_file(command: tuple[str, ...], tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*command, "-o", str(tmp_path / "a.wav"), LONG],
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.iterdir()):  # the hidden file it writes to
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (1, 130)  # 130 with newer typer
    assert b"Traceback" not in errors
    assert not list(tmp_path.iterdir())


def test_help_names_the_commands_quickly_and_quietly() -> None:
    begin = time.monotonic()
    done = subprocess.run([*MAIN, "--help"], capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
    seconds = time.monotonic() - begin
    assert done.returncode == 0
    assert done.stderr == b""
    assert all(name in done.stdout.decode() for name in ("say", "convert", "voices", "phonemes", "dict"))
    assert seconds < 5  # 0.6 s on an idle machine; loading a model or PyTorch would take far longer


@pytest.mark.parametrize("name", ["say", "convert", "voices", "phonemes", "dict"])
def test_every_command_has_help(main: Main, name: str) -> None:
    done = main(name, "--help")
    assert done.status == 0
    assert name in done.out


def test_convert_makes_folders_that_speak(main: Main, tiny: Path, tmp_path: Path, engine: sokuon.Engine) -> None:
    for name, more in (("voice", ()), ("bert", ("--precision", "fp32"))):
        done = main("convert", str(tiny / name), str(tmp_path / name), *more)
        assert done.status == 0, done.err
        assert done.out == ""
        assert f"{name} is ready." in done.err
        assert name == "bert" or done.err.splitlines()[:3] == ["encoder", "flow", "decoder"]  # no terminal: lines
    made = sokuon.load(tmp_path / "voice", bert=tmp_path / "bert", threads=1)
    assert np.array_equal(made.speak(SHORT).samples, engine.speak(SHORT).samples)


def test_convert_says_what_is_wrong(main: Main, tiny: Path, tmp_path: Path) -> None:
    one_line_error(main("convert", str(tmp_path), str(tmp_path / "x")), "holds no voice")
    (tmp_path / "precious").touch()
    one_line_error(main("convert", str(tiny / "voice"), str(tmp_path)), "is not a converted folder")
    bert = main("convert", str(tiny / "bert"), str(tmp_path / "x"), "--precision", "fp7")
    one_line_error(bert, "precision is 'fp7'", status=2)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_voices_in_a_pipe_is_not_cut_to_80_columns(main: Main, tiny: Path) -> None:
    done = main("voices", str(tiny / "voice"))
    assert done.status == 0
    assert all(word in done.out for word in ("Tiny", "Speaker0, Speaker1", "Neutral, Happy", "8000 Hz", "as published"))
    assert str(tiny / "voice") in done.out


def test_voices_of_an_empty_folder_is_an_error(main: Main, tmp_path: Path) -> None:
    one_line_error(main("voices", str(tmp_path)), "holds no voice")


def test_phonemes_as_json_can_be_spoken(main: Main, engine: sokuon.Engine) -> None:
    done = main("phonemes", "--json", "端が。")
    assert done.status == 0, done.err
    (sentence,) = json.loads(done.out)
    given = engine.speak("端が。", phonemes=sentence["phonemes"], tones=sentence["tones"])
    assert np.array_equal(given.samples, engine.speak("端が。").samples)


def test_a_voice_cannot_control_the_terminal(main: Main, tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny / "voice", tmp_path / "evil")
    config = json.loads((tmp_path / "evil" / "config.json").read_text())
    config["model_name"] = "[red]x[/red]\x1b[31m\nERROR fake"
    config["data"]["spk2id"] = {"\x1b]0;pwn\x07": 0, "b\u202ec": 1}
    (tmp_path / "evil" / "config.json").write_text(json.dumps(config))
    (tmp_path / "evil" / "LICENSE").write_text("\x1b[2J[bold]free\x07\r overwritten\n")
    done = main("voices", "evil")
    assert (done.status, done.err) == (0, "")
    assert not {"\x1b", "\x07", "\r", "\u202e"} & set(done.out)
    assert "[red]x[/red]\\x1b[31m" in done.out
    told = main("say", SHORT, "-v", "evil", "--bert", str(tiny / "bert"), "--speaker", "nope")
    assert "\x1b" not in told.err
    assert "has no speaker 'nope'" in told.err


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("TINY/bert", "is a BERT, not a voice; give the folder of a voice"),
        ("~nobodyxyz/x", "~nobodyxyz/x does not exist"),
        ("missing", "missing does not exist"),
    ],
)
def test_a_place_that_is_no_voice_is_explained(main: Main, tiny: Path, place: str, words: str) -> None:
    given = place.replace("TINY", str(tiny))
    one_line_error(main("say", SHORT, "--voice", given, "--bert", str(tiny / "bert")), words)
    if given == place:
        one_line_error(main("convert", place, "x"), words)


def test_a_file_of_weights_and_a_folder_of_one_voice_are_voices(main: Main, tiny: Path) -> None:
    for place in (tiny / "voice" / "model.safetensors", tiny):
        done = main("say", SHORT, "-q", "--voice", str(place), "--bert", str(tiny / "bert"), "-o", "a.wav")
        assert (done.status, done.err) == (0, "")


def test_several_voices_in_a_folder_are_named(main: Main, tiny: Path, tmp_path: Path) -> None:
    for name in ("anna", "berta"):
        shutil.copytree(tiny / "voice", tmp_path / "both" / name)
    one_line_error(main("say", SHORT, "--voice", "both", "--bert", str(tiny / "bert")), "anna", "berta", status=2)


def test_version(main: Main) -> None:
    assert main("--version").out == f"sokuon {sokuon.__version__}\n"


@pytest.mark.parametrize("arguments", [(), ("dict",)])
def test_a_command_without_its_subcommand_shows_help(main: Main, arguments: tuple[str, ...]) -> None:
    done = main(*arguments)
    assert (done.status, done.err) == (0, "")
    assert "Usage: sokuon" in done.out
