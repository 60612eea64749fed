"""From names and folders to an engine."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from tiny import TinyBert, make_tiny_bert
from tiny_voice import TinyVoice, make_tiny_voice

import sokuon
from sokuon.convert.products import Precision
from sokuon.engine import Engine
from sokuon.errors import MissingExtraError, OptionError, VoiceError, VoiceNotFoundError
from sokuon.loading import _PRECISIONS, check_precision
from sokuon.networks.threads import thread_count
from sokuon.text.dictionary import DictionaryWord


def test_folders_may_be_strings(converted: Path) -> None:
    engine = sokuon.load(str(converted / "voice"), bert=str(converted / "bert"), threads=1)
    assert list(engine.voices) == ["Tiny"]


def test_bert_beside_the_voice_is_found(converted: Path, tmp_path: Path) -> None:
    shutil.copytree(converted / "voice", tmp_path / "voice")
    shutil.copytree(converted / "bert", tmp_path / "voice" / "bert")
    assert sokuon.load(tmp_path / "voice", threads=1).speak("はい。").duration > 0


def test_bert_named_by_the_variable_is_found(converted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOKUON_BERT", str(converted / "bert"))
    assert sokuon.load(converted / "voice", threads=1).speak("はい。").duration > 0


def test_without_a_bert_all_three_ways_are_said(converted: Path) -> None:
    with pytest.raises(VoiceNotFoundError, match=r"pass bert=FOLDER .*set SOKUON_BERT.*as `bert`"):
        sokuon.load(converted / "voice")


@pytest.mark.parametrize(
    ("place", "problem"), [("missing", "missing does not exist; give"), ("voice/voice.json", "voice.json is no voice")]
)
def test_what_is_no_voice_is_said(converted: Path, place: str, problem: str) -> None:
    with pytest.raises(VoiceError, match=problem):
        sokuon.load(converted / place, bert=converted / "bert")
    with pytest.raises(VoiceNotFoundError, match=r"does not exist; give|is not a folder; give the folder of a BERT"):
        sokuon.load(converted / "voice", bert=converted / place)


def test_empty_folder_is_said(converted: Path, tmp_path: Path) -> None:
    with pytest.raises(VoiceNotFoundError, match=r"holds no voice; a voice is"):
        sokuon.load(tmp_path, bert=converted / "bert", threads=1)


def test_bert_of_another_width_is_refused(converted: Path, tmp_path: Path) -> None:
    make_tiny_bert(tmp_path / "bert", 1, TinyBert(hidden_size=24, heads=3))
    with pytest.raises(VoiceError, match="trained on a BERT of width 32, the one given has width 24"):
        sokuon.load(converted / "voice", bert=tmp_path / "bert", threads=1, precision="fp32")


def test_precision_is_checked_before_any_work(converted: Path, tiny: Path) -> None:
    with pytest.raises(OptionError, match="precision is 'fp8'; it must be one of"):
        sokuon.load(converted / "voice", bert=tiny / "bert", threads=1, precision="fp8")


def test_every_precision_that_is_accepted_can_be_written() -> None:
    for name in _PRECISIONS:
        check_precision(name)
        assert Precision(name).value == name
    assert len(_PRECISIONS) == len(Precision)


def test_backend_weights_and_threads_are_checked(converted: Path) -> None:
    with pytest.raises(OptionError, match="backend is 'gpu'; it must be auto, native or onnx"):
        sokuon.load(converted / "voice", bert=converted / "bert", threads=1, backend="gpu")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="weights is 'int4'; it must be q16 or fp32"):
        sokuon.load(converted / "voice", bert=converted / "bert", threads=1, weights="int4")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="threads is 0"):
        sokuon.load(converted / "voice", bert=converted / "bert", threads=0)


def test_added_voice_takes_its_own_name_and_may_have_its_own_bert(converted: Path, tmp_path: Path) -> None:
    engine = sokuon.load(converted / "voice", bert=converted / "bert", threads=1)
    make_tiny_voice(tmp_path / "narrow", 2, TinyVoice(bert=24))
    make_tiny_bert(tmp_path / "bert", 1, TinyBert(hidden_size=24, heads=3))
    with pytest.raises(VoiceError, match="width 24, the one given has width 32"):
        engine.add_voice(tmp_path / "narrow", name="narrow", threads=1)
    assert list(engine.voices) == ["Tiny"]
    engine.add_voice(tmp_path / "narrow", name="narrow", bert=tmp_path / "bert", threads=1)
    assert engine.speak("はい。", voice="narrow").samples.tobytes() != engine.speak("はい。").samples.tobytes()
    assert next(iter(engine.voices)) == "Tiny"


def test_dictionary_changes_what_is_said(converted: Path, tmp_path: Path) -> None:
    words = sokuon.UserDictionary(tmp_path / "words.json")
    engine = sokuon.load(converted / "voice", bert=converted / "bert", threads=1, dictionary=words)
    before = engine.speak("辿着道。")
    from sokuon.text.dictionary import DictionaryWord

    words.add(DictionaryWord("辿着道", "アイウエオ", 0))
    after = [t.phoneme for t in engine.speak("辿着道。").timings][1::2]
    assert after == ["_", "a", "i", "u", "e", "o", ".", "_"]
    assert [t.phoneme for t in before.timings][1::2] != after


def test_speech_needs_neither_the_source_nor_the_place(converted: Path, tmp_path: Path) -> None:
    """A converted folder can be moved anywhere, into a path with spaces and kanji too."""
    place = tmp_path / "声 と 言葉"
    shutil.copytree(converted, place)
    moved = sokuon.load(place / "voice", bert=place / "bert", threads=1).speak("はい。")
    here = sokuon.load(converted / "voice", bert=converted / "bert", threads=1).speak("はい。")
    assert np.array_equal(moved.samples, here.samples)


def test_a_conversion_is_told_while_it_runs(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SOKUON_CACHE", str(tmp_path))
    with caplog.at_level("INFO", logger="sokuon.loading"):
        sokuon.load(tiny / "voice", bert=tiny / "bert", threads=1, backend="onnx")
    told = [record.getMessage() for record in caplog.records if record.name == "sokuon.loading"]
    assert f"converting BERT {tiny / 'bert'} to q8, once" in told
    assert told[-4:] == [f"converting voice {tiny / 'voice'}, once", "  encoder", "  flow", "  decoder"]
    assert "  100 %" in told
    caplog.clear()
    sokuon.load(tiny / "voice", bert=tiny / "bert", threads=1, backend="onnx")
    assert "converting" not in caplog.text


def test_the_slow_path_is_told(
    converted: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sokuon.native.library.available", lambda: (False, "no compiler"))
    sokuon.load(converted / "voice", bert=converted / "bert", threads=1)
    assert "cannot run here (no compiler); ONNX Runtime speaks at less than half the speed" in caplog.text
    caplog.clear()
    sokuon.load(converted / "voice", bert=converted / "bert", threads=1, backend="onnx")  # asked for
    assert caplog.text == ""


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_a_name_that_no_file_can_have_is_said_shortly(name: str) -> None:
    with pytest.raises(VoiceNotFoundError) as raised:
        sokuon.load(name)
    assert len(str(raised.value)) < 400


def test_a_dictionary_of_another_kind_is_refused() -> None:
    for wrong in ("words.csv", {}):
        with pytest.raises(OptionError, match=r"dictionary must be a sokuon\.UserDictionary"):
            sokuon.load(dictionary=wrong)  # type: ignore[arg-type]


def opened(engine: Engine) -> bool:
    return engine._front_end._current().analyzer._jtalk is not None


@pytest.mark.skipif(thread_count(2) == 1, reason="this machine has one processor")
def test_the_dictionary_opens_beside_the_networks(converted: Path) -> None:
    voice, bert = converted / "voice", converted / "bert"
    assert opened(sokuon.load(voice, bert=bert, threads=2))
    assert "sokuon-open" not in {thread.name for thread in threading.enumerate()}
    words = sokuon.UserDictionary()
    words.add(DictionaryWord("速音", "ソクオン"))
    engine = sokuon.load(voice, bert=bert, threads=2, dictionary=words)
    assert not opened(engine)  # its words are compiled first, which may take longer than the networks
    assert engine._front_end.phonemize("速音。").symbols[1:7] == tuple("sokuoN")


def test_one_thread_stays_one(converted: Path) -> None:
    assert not opened(sokuon.load(converted / "voice", bert=converted / "bert", threads=1))


def test_what_keeps_the_dictionary_from_opening_is_said_at_the_first_text(
    converted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> None:
        raise MissingExtraError("OpenJTalk cannot be loaded")

    monkeypatch.setattr("sokuon.text.openjtalk.analyzer.load_binding", missing)
    engine = sokuon.load(converted / "voice", bert=converted / "bert", threads=2)
    with pytest.raises(MissingExtraError, match="OpenJTalk cannot be loaded"):
        engine.speak("はい。")
    assert capsys.readouterr().err == ""


def test_where_no_thread_can_be_had_the_dictionary_waits(converted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    engine = sokuon.load(converted / "voice", bert=converted / "bert", threads=2)
    assert not opened(engine)
    assert engine.speak("はい。").duration > 0
