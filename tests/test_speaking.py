"""What a request is made of: steps, given and predicted lengths, word times, text in pieces, assist texts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sokuon import Audio, Engine, SynthesisOptions
from sokuon.audio.sound import join
from sokuon.errors import OptionError, TextError
from sokuon.networks.synthesizer import growing_chunks
from sokuon.speaking import STAGES, WAITING, BertStep, Step, Waiting, given_frames, phone_frames, speak_steps
from sokuon.text import FrontEnd

THREE = "こんにちは、世界。今日はいい天気ですね！え、本当？"
ONE = "今日はいい天気ですね！"
HOP_S = 8 / 8000  # the tiny voice's frame


def first_of(engine: Engine) -> object:
    return next(iter(engine._loaded.values()))


def test_steps_name_their_stages_and_bert_steps_their_text(engine: Engine) -> None:
    steps = speak_steps(first_of(engine), FrontEnd().sentences(THREE), SynthesisOptions(), growing_chunks)
    answer, seen, read = None, [], []
    for _ in range(1000):
        try:
            event = steps.send(answer)
        except StopIteration:
            break
        answer = None
        if isinstance(event, Step):
            seen.append(event.stage)
            read += [event.text] if isinstance(event, BertStep) else []
            answer = event.run(1)
    assert set(seen) == set(STAGES)
    assert read == [s.phonemes.text for s in FrontEnd().sentences(THREE)]
    assert seen[:2] == ["front_end", "bert"]


def test_threads_of_a_step_change_nothing_but_rounding(engine: Engine) -> None:
    def spoken(threads: int) -> Audio:
        from sokuon.speaking import driven

        steps = speak_steps(first_of(engine), FrontEnd().sentences(ONE), SynthesisOptions(), growing_chunks)
        return join(driven(steps, threads), 8000)

    np.testing.assert_allclose(spoken(2).samples, spoken(1).samples, atol=1e-5)


def test_a_text_that_is_not_there_yet_is_waited_for(engine: Engine) -> None:
    def sentences() -> Iterator[object]:
        yield WAITING
        yield from FrontEnd().sentences(ONE)

    steps = speak_steps(first_of(engine), sentences(), SynthesisOptions(), growing_chunks)
    first = next(steps)
    assert isinstance(steps.send(first.run(None)), Waiting)
    assert steps.send(None).stage == "front_end"


def test_predicted_lengths_are_those_of_the_speech(engine: Engine) -> None:
    lengths, audio = engine.durations(THREE, seed=5), engine.speak(THREE, seed=5)
    for own, sentence in zip(lengths, audio.sentences, strict=True):
        assert len(own.seconds) == len(own.sentence.phonemes.symbols)
        assert sum(own.seconds) == pytest.approx(sentence.end - sentence.start)
    assert [own.pause_s is None for own in lengths] == [False, False, True]


def test_lengths_given_as_predicted_change_nothing(engine: Engine) -> None:
    seconds = engine.durations(ONE, seed=5)[0].seconds
    plain, given = engine.speak(ONE, seed=5), engine.speak(ONE, seed=5, durations=seconds)
    assert np.array_equal(plain.samples, given.samples)
    assert plain.timings == given.timings


def test_given_lengths_are_obeyed_and_the_others_left_alone(engine: Engine) -> None:
    before = engine.durations(ONE)[0]
    wanted = [None] * len(before.seconds)
    wanted[3], wanted[7] = 0.5, 0.0
    audio = engine.speak(ONE, durations=wanted)
    expected = [s if w is None else w for s, w in zip(before.seconds, wanted, strict=True)]
    assert audio.duration == pytest.approx(sum(expected), abs=HOP_S)
    after = engine.durations(ONE, durations=wanted)[0].seconds
    np.testing.assert_allclose(after, expected, atol=HOP_S)


def test_given_lengths_are_absolute(engine: Engine) -> None:
    wanted = [0.02] * len(engine.durations(ONE)[0].seconds)
    normal, fast = (engine.speak(ONE, durations=wanted, speed=speed).duration for speed in (1.0, 2.0))
    assert normal == fast == pytest.approx(0.02 * len(wanted), abs=HOP_S)


def test_wrong_numbers_of_lengths_are_refused(engine: Engine) -> None:
    with pytest.raises(TextError, match="as many of both"):
        engine.speak(ONE, durations=[0.1])
    with pytest.raises(TextError, match="the text has 3"):
        engine.speak(THREE, durations=[0.1])
    for bad in (-1, float("nan"), 61, "long"):
        with pytest.raises(OptionError, match="a duration is"):
            SynthesisOptions(durations=[bad])


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_frames_of_given_lengths(data: st.DataObject) -> None:
    phones = data.draw(st.integers(1, 8))
    frames = np.array(data.draw(st.lists(st.integers(0, 9), min_size=2 * phones + 1, max_size=2 * phones + 1)))
    seconds = data.draw(st.lists(st.none() | st.floats(0, 1), min_size=phones, max_size=phones))
    slots = given_frames(frames, seconds, 0.01)
    before, after = phone_frames(frames, phones), phone_frames(slots, phones)
    assert (slots >= 0).all()
    for old, new, wanted in zip(before, after, seconds, strict=True):
        assert new == old if wanted is None else abs(new * 0.01 - wanted) <= 0.01 + 1e-9


@pytest.mark.parametrize(
    "text", [THREE, "2024年3月1日に、東京で10%増えた。", "{担々麺|タンタンメン}を「食べた」！", "ABCとWi-Fi。"]
)
def test_words_cut_the_source_and_follow_each_other(engine: Engine, text: str) -> None:
    audio = engine.speak(text)
    assert "".join(word.text for word in audio.words) == "".join(s.text for s in audio.sentences)
    assert all(word.text for word in audio.words)
    starts = [word.start for word in audio.words]
    assert starts == sorted(starts)
    assert all(w.start <= w.end <= audio.duration + 1e-9 for w in audio.words)


def test_words_have_the_times_of_their_phonemes(engine: Engine) -> None:
    audio = engine.speak("今日は雨。")
    assert [word.text for word in audio.words] == ["今日", "は", "雨", "。"]
    phonemes = [t for t in audio.timings if t.phoneme != "_"]
    assert [t.phoneme for t in phonemes] == ["ky", "o", "o", "w", "a", "a", "m", "e", "."]
    for word, first in zip(audio.words, (0, 3, 5, 8), strict=True):
        assert 0 <= phonemes[first].start - word.start <= 0.1  # the blank before a phoneme is its word's


def test_streamed_words_are_those_of_speech(engine: Engine) -> None:
    joined, spoken = join(engine.stream(THREE), 8000), engine.speak(THREE)
    assert [w.text for w in joined.words] == [w.text for w in spoken.words]
    np.testing.assert_allclose([w.start for w in joined.words], [w.start for w in spoken.words], atol=1e-9)


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_text_in_pieces_sounds_as_the_whole(engine: Engine, size: int) -> None:
    pieces = [THREE[i : i + size] for i in range(0, len(THREE), size)]
    joined, spoken = join(engine.stream(pieces), 8000), engine.speak(THREE)
    assert [s.text for s in joined.sentences] == [s.text for s in spoken.sentences]
    np.testing.assert_allclose(joined.samples, spoken.samples, atol=1e-5)


def test_a_sentence_is_spoken_when_it_is_complete(engine: Engine) -> None:
    asked = []

    def tokens() -> Iterator[str]:
        for token in ("こんに", "ちは。", "世界", "。"):
            asked.append(token)
            yield token

    stream = engine.stream(tokens())
    assert next(stream).sentences[0].text == "こんにちは。"
    assert asked == ["こんに", "ちは。"]


def test_a_text_without_an_end_is_spoken_in_parts() -> None:
    endless = ("あいうえお" for _ in range(100))
    sentences = list(FrontEnd().incremental(endless))
    assert "".join(s.source for s in sentences) == "あいうえお" * 100
    assert max(len(s.source) for s in sentences) <= 200


def test_an_assist_text_moves_the_features_towards_its_mean(engine: Engine) -> None:
    plain = engine.speak(ONE)
    assert np.array_equal(plain.samples, engine.speak(ONE, assist_text="楽しい！", assist_text_weight=0).samples)
    assert np.array_equal(plain.samples, engine.speak(ONE, assist_text=" ").samples)
    assert not np.array_equal(plain.samples, engine.speak(ONE, assist_text="楽しい！").samples[: len(plain.samples)])
