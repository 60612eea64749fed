"""`sokuon say`: what a first-time user tries."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import SHORT, Main, one_line_error

import sokuon
from sokuon.cli import say as say_module
from sokuon.voices.voice import VoiceInfo

PLAYER = """#!{python}
import sys
data = sys.stdin.buffer.read()
open({log!r}, "wb").write(data)
sys.exit({status})
"""


@pytest.fixture
def player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An aplay that notes what it hears, and nothing else on the PATH."""
    folder = tmp_path.parent / f"{tmp_path.name}-bin"
    folder.mkdir()
    program = folder / "aplay"
    program.write_text(PLAYER.format(python=sys.executable, log=str(folder / "heard"), status=0))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))
    return program


def test_nobody_asked_to_replace_speech_wav(main: Main, command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "speech.wav").write_bytes(b"mine")
    assert main(*command[3:], SHORT).err.startswith("speech-2.wav: ")
    assert main(*command[3:], SHORT).err.startswith("speech-3.wav: ")
    assert (tmp_path / "speech.wav").read_bytes() == b"mine"


def test_the_name_that_is_not_given_follows_the_format(main: Main, command: tuple[str, ...], tmp_path: Path) -> None:
    assert main(*command[3:], SHORT, "--format", "flac").status == 0
    assert soundfile.info(str(tmp_path / "speech.flac")).format == "FLAC"


def test_play_plays_and_writes_nothing(main: Main, command: tuple[str, ...], tmp_path: Path, player: Path) -> None:
    done = main(*command[3:], SHORT, "--play")
    assert (done.status, done.err) == (0, "")
    assert (player.parent / "heard").read_bytes()[:4] == b"RIFF"
    assert not list(tmp_path.iterdir())


def test_play_and_a_file(main: Main, command: tuple[str, ...], tmp_path: Path, player: Path) -> None:
    assert main(*command[3:], SHORT, "--play", "-o", "a.wav").status == 0
    heard, written = (player.parent / "heard").read_bytes(), (tmp_path / "a.wav").read_bytes()
    assert heard[44:] == written[44:]


@pytest.mark.parametrize("reads", [True, False])
def test_a_player_that_fails_is_said(main: Main, command: tuple[str, ...], player: Path, reads: bool) -> None:
    player.write_text(f"#!{sys.executable}\nimport sys\n{'sys.stdin.buffer.read()' if reads else ''}\nsys.exit(3)\n")
    one_line_error(
        main(*command[3:], SHORT * 30, "--play"), "aplay could not play (status 3); is there a sound device?"
    )


def test_no_player_is_said_before_the_work(
    main: Main, command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    one_line_error(main(*command[3:], SHORT, "--play"), "install one of aplay, pacat")


def test_timings_as_json(main: Main, command: tuple[str, ...], tmp_path: Path, engine: sokuon.Engine) -> None:
    assert main(*command[3:], "はい。いいえ。", "-o", "a.wav", "--json", "a.json").status == 0
    data = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    expected = engine.speak("はい。いいえ。")
    assert [s["text"] for s in data["sentences"]] == ["はい。", "いいえ。"]
    assert [p["phoneme"] for p in data["phonemes"]] == [t.phoneme for t in expected.timings]
    np.testing.assert_allclose([p["start"] for p in data["phonemes"]], [t.start for t in expected.timings], atol=1e-9)
    assert data["duration"] == pytest.approx(soundfile.info(str(tmp_path / "a.wav")).duration, abs=1e-4)


def test_phonemes_and_tones(main: Main, command: tuple[str, ...], tmp_path: Path, engine: sokuon.Engine) -> None:
    given = ["--phonemes", "_ a m e . _", "--tones", "0 1 0 0 0 0"]
    assert main(*command[3:], "雨。", *given, "-o", "a.pcm").status == 0
    expected = engine.speak("雨。", phonemes=["_", "a", "m", "e", ".", "_"], tones=[0, 1, 0, 0, 0, 0])
    samples = np.frombuffer((tmp_path / "a.pcm").read_bytes(), "<i2") / 32767
    np.testing.assert_allclose(samples, expected.samples, atol=2 / 32767 + 1e-5)  # 16 bits, and rounding of chunks
    one_line_error(main(*command[3:], "雨。", *given[:2]), "without tones", status=2)
    one_line_error(main(*command[3:], "雨。", "--tones", "0 2"), "give 0 or 1", status=2)


def test_random_seed_differs_each_time(main: Main, command: tuple[str, ...], tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        assert main(*command[3:], SHORT, "--seed", "random", "-o", name).status == 0
    assert (tmp_path / "a.wav").read_bytes() != (tmp_path / "b.wav").read_bytes()


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--seed", "9" * 5000, "seed is '999"),
        ("--seed", "-1", "seed is '-1'"),
        ("--seed", "x", "seed is 'x'"),
        ("--speaker", "9" * 5000, "has no speaker '999"),
        ("--speaker", "99999999", "has no speaker 99999999"),
        ("--speaker", "٣", "has no speaker '٣'"),
        ("--threads", "0", "threads is 0"),
        ("--threads", "9" * 5000, "--threads"),
        ("--speed", "nan", "speed is nan"),
        ("--speed", "fast", "--speed"),
        ("--style", "\x1b[31mx\nerror: no", "no style '\\x1b[31mx\\nerror: no'"),
        ("--encoding", "klingon", "encoding is 'klingon'"),
    ],
)
def test_mistakes_in_options_are_one_short_line_and_status_2(
    main: Main, command: tuple[str, ...], option: str, value: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_bytes(b"a")
    done = main(*command[3:], "-f", "a.txt", option, value)
    one_line_error(done, words, status=2)
    assert len(done.err) < 1000
    assert "\x1b" not in done.err


def test_more_threads_than_processors_are_none(main: Main, command: tuple[str, ...]) -> None:
    assert main(*command[3:], SHORT, "--threads", "99999999999999999999").status == 0


def test_a_speaker_named_by_a_number_is_found_first(engine: sokuon.Engine) -> None:
    class Named:
        def __init__(self) -> None:
            self.voices = {"x": VoiceInfo("x", ("10", "1", "A"), (), 8000, None)}

    assert say_module.speaker_named(Named(), "1") == "1"  # type: ignore[arg-type]
    assert say_module.speaker_named(Named(), "2") == 2  # type: ignore[arg-type]
    assert say_module.speaker_named(engine, "1") == 1
    assert say_module.speaker_named(engine, None) is None


def test_style_in_any_case(main: Main, command: tuple[str, ...], tmp_path: Path) -> None:
    for name, style in (("a.wav", "Happy"), ("b.wav", "happy")):
        assert main(*command[3:], SHORT, "--style", style, "-o", name).status == 0
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_subtitles_show_no_markup(main: Main, command: tuple[str, ...], tmp_path: Path) -> None:
    assert main(*command[3:], "{担々麺|タンタンメン|3}だ。", "-o", "a.wav", "--subtitles", "a.srt").status == 0
    assert (tmp_path / "a.srt").read_text(encoding="utf-8").splitlines()[2] == "担々麺だ。"


def test_opus_of_any_rate(main: Main, tmp_path: Path) -> None:
    done = main("say", SHORT, "--threads", "1", "-o", "a.opus")
    assert done.status == 0, done.err
    assert soundfile.info(str(tmp_path / "a.opus")).subtype == "OPUS"


def test_missing_dictionary_is_said(main: Main, command: tuple[str, ...]) -> None:
    one_line_error(main(*command[3:], SHORT, "--dictionary", "none.json"), "none.json does not exist")
    one_line_error(main("phonemes", SHORT, "-d", "none.json"), "none.json does not exist")
    assert main("dict", "add", "雨", "アメ", "-d", "new.json").status == 0
    assert main("phonemes", SHORT, "-d", "new.json").status == 0


def test_voice_by_environment(main: Main, converted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOKUON_VOICE", str(converted / "voice"))
    one_line_error(main("say", SHORT, "--bert", str(converted / "bert"), "--style", "x"), "voice Tiny", status=2)


def test_help_shows_brackets(main: Main) -> None:
    out = main("say", "--help").out
    assert out.count("sokuon[pitch]") == 2
    assert "\\[" not in out


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux's device that is always full")
def test_full_disk_is_one_line(main: Main, command: tuple[str, ...]) -> None:
    for format in ("wav", "mp3", "flac", "ogg", "opus"):
        one_line_error(main(*command[3:], SHORT, "-o", "/dev/full", "--format", format), "No space left on device")
