"""The pause between two sentences: what is given to the encoder, and what is read from its answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sokuon.errors import SokuonError
from sokuon.networks.synthesizer import Encoded, Utterance
from sokuon.options import SynthesisOptions
from sokuon.pauses import predicted_pause
from sokuon.storage.tensors import F32
from sokuon.text import FrontEnd, Phonemes

BERT_WIDTH = 4
OPTIONS = SynthesisOptions(sdp_ratio=0)


class Recorder:
    """An encoder that gives slot t a duration of t + 1 frames and remembers what it was given."""

    def __init__(self) -> None:
        self.seen: list[Utterance] = []

    def encode(self, utterance: Utterance, duration_noise: F32, threads: int | None = None) -> Encoded:  # noqa: ARG002
        slots = len(utterance.slots.ids)
        assert duration_noise.shape == (2, slots)
        assert len(utterance.features) == len(utterance.slots.counts)
        self.seen.append(utterance)
        log_frames = np.log(np.arange(slots) + 0.9).astype(np.float32)
        rows = np.zeros((slots, 2), np.float32)
        return Encoded(rows, rows, log_frames, log_frames)


@pytest.fixture(scope="module")
def front_end() -> FrontEnd:
    return FrontEnd()


def read(front_end: FrontEnd, text: str, add_blank: bool = True) -> tuple[Phonemes, Utterance]:
    """One sentence whose BERT rows are numbered: row c of sentence `text` is c everywhere."""
    phonemes = front_end.phonemize(text)
    rows = np.repeat(np.arange(len(phonemes.text) + 2, dtype=np.float32)[:, None], BERT_WIDTH, axis=1)
    vector = np.zeros(256, np.float32)
    return phonemes, Utterance(phonemes.slots(add_blank), rows, vector, vector[:6])


def pause(front_end: FrontEnd, before: str, after: str, add_blank: bool = True) -> tuple[int, Utterance]:
    recorder = Recorder()
    pair = read(front_end, before, add_blank), read(front_end, after, add_blank)
    frames = predicted_pause(recorder, *pair, OPTIONS)  # type: ignore[arg-type]
    return frames, recorder.seen[0]


def test_frames_of_the_mark_and_its_blanks(front_end: FrontEnd) -> None:
    """Slots: blank _ blank h blank a blank i blank . blank …; the mark is phone 4, so slot 9, between 8 and 10."""
    frames, seen = pause(front_end, "はい。", "いいえ。")
    assert seen.slots.symbols[9] == "."
    assert frames == 9 + 10 + 11


def test_of_a_run_of_marks_the_last_counts(front_end: FrontEnd) -> None:
    """Spec runtime-behaviour section 3, its own example: the run of え！？ is represented by slot 7."""
    frames, seen = pause(front_end, "え！？", "ほんと。")
    assert seen.slots.symbols[5] == "!"
    assert seen.slots.symbols[7] == "?"
    assert frames == 24


def test_without_blanks_the_mark_alone_counts(front_end: FrontEnd) -> None:
    frames, seen = pause(front_end, "はい。", "いいえ。", add_blank=False)
    assert seen.slots.symbols[4] == "."
    assert frames == 5


@pytest.mark.parametrize(
    ("text", "marked"), [("はい。」", True), ("はい。…", True), ("はい", False), ("はい、", False)]
)
def test_closing_punctuation_may_follow_the_mark(front_end: FrontEnd, text: str, marked: bool) -> None:
    phonemes = front_end.phonemize(text)
    assert any(s in ".!?" for s in phonemes.symbols) == marked
    if marked:
        assert pause(front_end, text, "いいえ。")[0] > 0
    else:
        recorder = Recorder()
        pair = read(front_end, text), read(front_end, "いいえ。")
        assert predicted_pause(recorder, *pair, OPTIONS) == 0  # type: ignore[arg-type]


def test_the_encoder_reads_both_sentences_with_their_own_bert_rows(front_end: FrontEnd) -> None:
    _, seen = pause(front_end, "はい。", "いいえ。")
    assert list(seen.slots.symbols[1::2]) == ["_", "h", "a", "i", ".", "i", "i", "e", ".", "_"]
    assert seen.features[:, 0].tolist() == [0, 1, 2, 3, 1, 2, 3, 4, 5]  # the rows between the sentences are left out


def test_only_a_breath_group_on_either_side_is_read(front_end: FrontEnd) -> None:
    long = "あいうえお" * 12
    _, seen = pause(front_end, long + "。", long + "。")
    characters = len(seen.features) - 2
    assert characters == 48
    assert seen.features[1, 0] == 61 - 24 + 1  # the last 24 of 61 characters
    assert seen.features[-2, 0] == 24


def test_style_and_speaker_are_those_of_the_sentence_before(front_end: FrontEnd) -> None:
    before, after = read(front_end, "はい。"), read(front_end, "いいえ。")
    own = replace(before[1], style=np.ones(256, np.float32), speaker=np.ones(6, np.float32))
    recorder = Recorder()
    predicted_pause(recorder, (before[0], own), after, OPTIONS)  # type: ignore[arg-type]
    assert recorder.seen[0].style is own.style
    assert recorder.seen[0].speaker is own.speaker


@pytest.mark.parametrize("first", ["。", "…", "a", "ん。", "「」。", "1。", "っ！"])
def test_any_pair_of_sentences_fits_together(front_end: FrontEnd, first: str) -> None:
    for second in ("。", "…", "a", "ん。", "あ" * 30 + "。"):
        try:
            frames = predicted_pause(Recorder(), read(front_end, first), read(front_end, second), OPTIONS)  # type: ignore[arg-type]
        except SokuonError as error:  # pragma: no cover
            pytest.fail(f"{first!r} before {second!r}: {error}")
        assert frames >= 0
