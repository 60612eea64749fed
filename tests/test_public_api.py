"""The public face, pinned: a change here is a change for every user."""

from __future__ import annotations

import inspect
import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import get_type_hints

import pytest

import sokuon
from sokuon import errors
from sokuon.options import OptionChanges

README = Path(__file__).parents[1] / "README.md"

OPTIONS = {
    "voice": None, "speaker": None, "style": None, "style_weight": 1.0, "speed": 1.0, "sdp_ratio": 0.2, "noise": 0.6,
    "noise_w": 0.8, "pitch": 1.0, "intonation": 1.0, "pause": None, "seed": 0, "phonemes": None, "tones": None,
    "normalize": False, "durations": None, "assist_text": None, "assist_text_weight": 1.0,
}  # fmt: skip

ERRORS = {
    "OptionError": ValueError, "TextError": ValueError, "DictionaryError": ValueError, "VoiceError": ValueError,
    "VoiceNotFoundError": FileNotFoundError, "WeightError": ValueError, "AudioError": ValueError,
    "MissingExtraError": ImportError, "DownloadError": ConnectionError,
}  # fmt: skip


def parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_names() -> None:
    assert sorted(sokuon.__all__) == [
        "Audio", "DictionaryWord", "Engine", "FrontEnd", "PhonemeTiming", "SentenceTiming", "SokuonError",
        "SynthesisOptions", "UserDictionary", "VoiceInfo", "WordTiming", "load",
    ]  # fmt: skip
    assert re.fullmatch(r"\d+\.\d+\.\d+", sokuon.__version__)
    assert all(getattr(sokuon, name) is not None for name in sokuon.__all__)
    assert {*sokuon.__all__, "__version__"} <= {*dir(sokuon)}  # also those that are imported when they are first used


def test_options_and_their_defaults() -> None:
    assert {f.name: f.default for f in fields(sokuon.SynthesisOptions)} == OPTIONS
    assert not [f.name for f in fields(sokuon.SynthesisOptions) if f.default is MISSING]


def test_calls() -> None:
    assert parameters(sokuon.load) == [
        "voice", "model", "bert", "download", "threads", "precision", "backend", "weights", "dictionary",
        "accents",
    ]  # fmt: skip
    assert parameters(sokuon.Engine.add_voice) == ["self", "voice", "name", "bert", "threads"]
    assert parameters(sokuon.Engine.remove_voice) == ["self", "name"]
    for method in (sokuon.Engine.speak, sokuon.Engine.stream):
        assert parameters(method) == ["self", "text", "options", "changes"]


MEMBERS = {
    "Audio": {
        "samples", "sample_rate", "timings", "sentences", "duration", "save", "to_bytes", "normalized", "shifted",
        "words",
    },
    "PhonemeTiming": {"phoneme", "start", "end", "duration"},
    "SentenceTiming": {"text", "start", "end", "duration"},
    "WordTiming": {"text", "start", "end", "duration"},
    "VoiceInfo": {"name", "speakers", "styles", "sample_rate", "licence", "of"},
    "Engine": {"speak", "stream", "profile", "voices", "add_voice", "remove_voice", "durations"},
    "FrontEnd": {"open", "sentences", "phonemize", "incremental"},
}  # fmt: skip


@pytest.mark.parametrize("name", MEMBERS)
def test_members(name: str) -> None:
    kind = getattr(sokuon, name)
    own = [base for base in kind.__mro__ if base.__module__.startswith("sokuon")]
    members = {member for base in own for member in {*vars(base), *getattr(base, "__annotations__", ())}}
    public = {member for member in members if not member.startswith("_")}
    assert public == MEMBERS[name]


def test_options_are_values_and_their_keywords_are_typed() -> None:
    given = sokuon.SynthesisOptions(phonemes=["_", "a", "_"], tones=[0, 1, 0])
    assert hash(given) == hash(sokuon.SynthesisOptions(phonemes=("_", "a", "_"), tones=(0, 1, 0)))
    assert set(OptionChanges.__annotations__) == {*OPTIONS}
    assert get_type_hints(OptionChanges) == get_type_hints(sokuon.SynthesisOptions)


def test_stream_refuses_what_needs_the_whole_sound(engine: sokuon.Engine) -> None:
    with pytest.raises(sokuon.SokuonError, match="normalize needs the whole sound"):
        engine.stream("はい。", normalize=True)


def test_everything_public_is_documented() -> None:
    for name in sokuon.__all__:
        item = getattr(sokuon, name)
        assert item.__doc__, name
        for member, value in vars(item).items() if inspect.isclass(item) else ():
            if not member.startswith("_") and callable(value):
                assert value.__doc__, f"{name}.{member}"


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_is_ours_and_the_fitting_builtin(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, sokuon.SokuonError)
    assert issubclass(kind, ERRORS[name])


def test_no_error_is_left_out_above() -> None:
    ours = {name for name, item in vars(errors).items() if inspect.isclass(item) and item.__module__ == errors.__name__}
    assert ours == {*ERRORS, "SokuonError"}


@pytest.mark.skipif(not README.is_file(), reason="the tests run without the repository")
def test_readme_names_every_option() -> None:
    text = README.read_text(encoding="utf-8")
    assert [name for name in OPTIONS if f"`{name}`" not in text] == []


def test_results_are_values(engine: sokuon.Engine) -> None:
    audio = engine.speak("はい。")
    with pytest.raises(AttributeError):
        audio.sample_rate = 1  # type: ignore[misc]
    assert audio == audio
    assert audio != engine.speak("はい。")  # and no error about the truth of arrays
    assert audio.timings[1].end == audio.timings[1].start + audio.timings[1].duration
