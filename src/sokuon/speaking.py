"""One request as a generator of small steps; whoever drives it decides when each runs, and on how many threads.

`Engine` drives them one after the other; a server puts steps of several listeners in the order of their need.

sentences → read, BERT → (pause to the sentence before) → encoder, durations → flow → decoder, part by part → Audio
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sokuon.audio.pitch import reshape_pitch
from sokuon.audio.sound import Audio, PhonemeTiming, SentenceTiming, WordTiming, silence, trailing_silence
from sokuon.errors import OptionError
from sokuon.networks.bert import Bert
from sokuon.networks.runtime import Runtime
from sokuon.networks.synthesizer import I64, MOST_FRAMES, Chunking, Encoded, Synthesizer, Utterance, durations, parts
from sokuon.noise import Noise, fresh_seed
from sokuon.options import SynthesisOptions
from sokuon.pauses import PARAGRAPH_S, SHORTEST_S, predicted_pause
from sokuon.storage.tensors import F32
from sokuon.text import Phonemes, Sentence
from sokuon.text.alignment import source_pieces
from sokuon.text.morae import is_punctuation
from sokuon.voices.voice import Voice

STAGES = ("front_end", "bert", "pauses", "encoder", "flow", "decoder")


@dataclass(frozen=True)
class Step:
    """Work to be done: `run`(threads; None is the voice's own number) gives what is to be sent back."""

    stage: str
    run: Callable[[int | None], Any]


@dataclass(frozen=True)
class BertStep(Step):
    """The reading of one text, which may be shared with others or be known already: what is sent back is [C + 2, H]."""

    bert: Bert
    text: str

    @classmethod
    def of(cls, bert: Bert, text: str) -> BertStep:
        """The features of `text`."""
        return cls("bert", lambda threads: bert.features(text, threads), bert, text)


@dataclass(frozen=True)
class Waiting:
    """The text goes on, but its next sentence is not complete yet: ask again when more of it is there."""


@dataclass(frozen=True)
class Lengths:
    """How long a sentence would last: seconds of each of its N phones, and of the silence after it (None: the end)."""

    sentence: Sentence
    seconds: tuple[float, ...]
    pause_s: float | None


WAITING = Waiting()
Steps = Generator[Step | Waiting | Audio | Lengths, Any, None]


@dataclass(frozen=True)
class LoadedVoice:
    """A voice with its networks and the BERT that reads for it."""

    voice: Voice
    synthesizer: Synthesizer
    bert: Bert
    runtime: Runtime


@dataclass(frozen=True)
class ReadSentence:
    """One sentence, read: what the encoder needs and what a person wrote."""

    sentence: Sentence
    phonemes: Phonemes
    utterance: Utterance


def speak_steps(
    loaded: LoadedVoice,
    sentences: Iterator[Sentence | Waiting],
    options: SynthesisOptions,
    chunks: Chunking,
    assist: Callable[[str], str] = str,
) -> Steps:
    """Steps that speak `sentences`, and the Audio they give in pieces of `chunks`; `assist` reads an assist text."""
    options = replace(options, seed=fresh_seed()) if options.seed is None else options
    mood = yield from _mood(loaded, options, assist)
    before: ReadSentence | None = None
    tail = np.zeros(0, np.float32)
    while True:
        line = yield from next_sentence(loaded, sentences, options, mood)
        if line is None:
            if before is not None and before.sentence.pause_after_s is not None:
                yield _silence_after(loaded, before.sentence.pause_after_s, tail)
            return
        if _is_pause(line.sentence):
            yield _silence_after(loaded, line.sentence.pause_after_s or 0.0, tail[:0])
            continue
        if before is not None:
            gap = yield Step("pauses", _gap(loaded, before, line, tail, options))
            if len(gap.samples):
                yield gap
        before, heard = line, []
        pieces = _spoken(loaded, line, options, chunks)
        answer: Any = None
        while True:
            try:
                event = pieces.send(answer)
            except StopIteration:
                break
            answer = yield event
            if isinstance(event, Audio):
                heard.append(event.samples)
        tail = np.concatenate(heard) if heard else tail


def length_steps(loaded: LoadedVoice, sentences: Iterator[Sentence | Waiting], options: SynthesisOptions) -> Steps:
    """Steps that find how long each of `sentences` would last, without its sound: Lengths, one after the other."""
    options = replace(options, seed=fresh_seed()) if options.seed is None else options
    rate, hop = loaded.voice.sample_rate, loaded.voice.manifest.decoder.hop
    before: tuple[ReadSentence, tuple[float, ...]] | None = None
    while True:
        line = yield from next_sentence(loaded, sentences, options, None)
        if before is not None:
            pause_s = None
            if line is not None:
                pause_s = yield Step("pauses", _pause(loaded, before[0], line, options))
            yield Lengths(before[0].sentence, before[1], pause_s)
        if line is None:
            return
        encoded = yield Step("encoder", _encode(loaded, line, Noise(options.seed or 0, line.phonemes), options))
        frames = _frames(loaded, line, encoded, options)
        before = line, tuple((phone_frames(frames, len(line.phonemes.symbols)) * hop / rate).tolist())


def driven(
    steps: Steps, threads: int | None = None, lap: Callable[[str], None] = lambda _: None
) -> Iterator[Audio | Lengths]:
    """What comes out of steps that are run one after the other; `lap` is called with the stage of each that ended."""
    answer: Any = None
    while True:
        try:
            event = steps.send(answer)
        except StopIteration:
            return
        answer = None
        if isinstance(event, Step):
            answer = event.run(threads)
            lap(event.stage)
        elif not isinstance(event, Waiting):
            yield event


def phone_frames(frames: I64, phones: int) -> I64:
    """Frames of slots [T] → of phones [N]: a phone has its slot and the blank after it, the first all before it."""
    if len(frames) == phones:
        return frames
    own = frames[1::2] + frames[2::2]
    own[0] += frames[0]
    return own


def given_frames(frames: I64, seconds: Sequence[float | None], frame_s: float) -> I64:
    """Frames of slots [T] where some phones [N] last what is given (None: as they are).

    A phone's slot and blanks share its time as they did. Ends are rounded, not lengths, so that errors do not add up.
    """
    phones = phone_frames(frames, len(seconds))
    wanted: I64 = phones.copy()
    begin = end = 0.0
    for i, given in enumerate(seconds):
        if given is None:
            begin = end = 0.0
            continue
        end = begin + given / frame_s
        wanted[i] = round(end) - round(begin)
        begin = end
    if int(wanted.sum()) > MOST_FRAMES:
        raise OptionError(
            f"the durations given are {wanted.sum() * frame_s:.0f} s in all, more than a sentence may last."
        )
    if len(frames) == len(seconds):
        return wanted
    slots: I64 = frames.copy()
    for i in np.flatnonzero(wanted != phones).tolist():
        _share(slots, slice(0 if i == 0 else 2 * i + 1, 2 * i + 3), int(wanted[i]), 1 if i == 0 else 0)
    return slots


def _share(slots: I64, own: slice, frames: int, main: int) -> None:
    """Give `frames` to some slots in the proportion they have, all to the `main` one where they have none."""
    ends = np.cumsum(slots[own])
    if ends[-1] == 0:
        slots[own] = 0
        slots[own.start + main] = frames
        return
    slots[own] = np.diff(np.round(ends * frames / ends[-1]).astype(np.int64), prepend=0)


def _mood(
    loaded: LoadedVoice, options: SynthesisOptions, assist: Callable[[str], str]
) -> Generator[Step, Any, F32 | None]:
    """The mean feature [H] of an assist text, if there is one."""
    if options.assist_text is None or not options.assist_text.strip():
        return None
    asked = options.assist_text
    text = yield Step("front_end", lambda _: assist(asked))
    features = yield BertStep.of(loaded.bert, text)
    mean: F32 = features.mean(axis=0)
    return mean


def next_sentence(
    loaded: LoadedVoice, sentences: Iterator[Sentence | Waiting], options: SynthesisOptions, mood: F32 | None
) -> Generator[Step | Waiting, Any, ReadSentence | None]:
    """The next sentence with its features; None after the last one."""
    sentence = yield Step("front_end", lambda _: next(sentences, None))
    while isinstance(sentence, Waiting):
        yield sentence
        sentence = yield Step("front_end", lambda _: next(sentences, None))
    if sentence is None:
        return None
    phonemes = sentence.phonemes
    features = yield BertStep.of(loaded.bert, phonemes.text)
    if mood is not None:  # spec model-bert, assist text
        weight = np.float32(options.assist_text_weight)
        features = (1 - weight) * features + weight * mood
    utterance = Utterance(
        phonemes.slots(loaded.voice.manifest.add_blank),
        features,
        loaded.voice.style(options.style, options.style_weight),
        loaded.voice.speaker(options.speaker),
    )
    return ReadSentence(sentence, phonemes, utterance)


def _encode(
    loaded: LoadedVoice, line: ReadSentence, noise: Noise, options: SynthesisOptions
) -> Callable[[int | None], Encoded]:
    drawn = noise.draw(2, len(line.utterance.slots.ids), options.noise_w)
    return lambda threads: loaded.synthesizer.encode(line.utterance, drawn, threads)


def _frames(loaded: LoadedVoice, line: ReadSentence, encoded: Encoded, options: SynthesisOptions) -> I64:
    frames = durations(encoded, options)
    if line.sentence.seconds is None:
        return frames
    voice = loaded.voice
    return given_frames(frames, line.sentence.seconds, voice.manifest.decoder.hop / voice.sample_rate)


def _spoken(
    loaded: LoadedVoice, line: ReadSentence, options: SynthesisOptions, chunks: Chunking
) -> Generator[Step | Audio, Any, None]:
    """One sentence in pieces."""
    noise = Noise(options.seed or 0, line.phonemes)
    speaker, synthesizer = line.utterance.speaker, loaded.synthesizer
    encoded = yield Step("encoder", _encode(loaded, line, noise, options))
    frames = _frames(loaded, line, encoded, options)
    drawn = noise.draw(max(1, int(frames.sum())), encoded.mean.shape[1], options.noise)
    z = yield Step("flow", lambda threads: synthesizer.latent(encoded, frames, drawn, speaker, threads))
    sound, timed = synthesizer.sound(z, speaker), _Timed(line, frames, loaded.voice)
    heard = []
    for part in parts(chunks(len(z))):
        samples = yield Step("decoder", lambda threads, part=part: sound(part, threads))  # type: ignore[misc]
        if options.reshapes_pitch:
            heard.append(samples)
        else:
            yield timed.piece(samples)
    if options.reshapes_pitch:  # WORLD needs the whole sentence
        whole, rate = np.concatenate(heard), loaded.voice.sample_rate
        work, changed = reshape_pitch(whole, rate, options.pitch, options.intonation), None
        while changed is None:
            changed = yield Step("decoder", lambda _: next(work))
        yield timed.piece(changed)


class _Timed:
    """Attaches to each piece of a sentence the phonemes and words that begin in it; the first carries the sentence."""

    def __init__(self, line: ReadSentence, frames: I64, voice: Voice) -> None:
        self._line, self._frames = line, frames
        self._rate, self._hop = voice.sample_rate, voice.manifest.decoder.hop
        self._starts = (np.cumsum(frames) - frames) * self._hop  # [T] samples
        self._words = _words(line, frames * self._hop)
        self._position = 0

    def piece(self, samples: F32) -> Audio:
        """The next samples of the sentence."""
        begin, end, rate = self._position, self._position + len(samples), self._rate
        self._position = end
        here = np.flatnonzero((self._starts >= begin) & (self._starts < end) & (self._frames > 0))
        timings = tuple(
            PhonemeTiming(
                self._line.utterance.slots.symbols[t],
                (start - begin) / rate,
                (start - begin + count * self._hop) / rate,
            )
            for t, start, count in zip(
                here.tolist(), self._starts[here].tolist(), self._frames[here].tolist(), strict=True
            )
        )
        words = tuple(
            WordTiming(text, (first - begin) / rate, (last - begin) / rate)
            for text, first, last in self._words
            if begin <= first < end
        )
        length = max(1, int(self._frames.sum())) * self._hop
        sentences = (SentenceTiming(self._line.sentence.source, 0.0, length / rate),) if begin == 0 else ()
        return Audio(samples, rate, timings, sentences, words)


def _words(line: ReadSentence, samples: I64) -> list[tuple[str, int, int]]:
    """The pieces of the sentence's source that were spoken as words, and the samples at which each begins and ends."""
    counts = line.utterance.slots.counts
    ends = np.concatenate([[0], np.cumsum(samples)])[np.concatenate([[0], np.cumsum(counts)])]  # [C + 3]
    surfaces = [word.surface for word in line.sentence.words]
    if "".join(surfaces) != line.phonemes.text:
        return []  # phonemes of another text were given
    last = int(ends[-1]) - 1
    return [
        (text, min(int(ends[begin + 1]), last), int(ends[end + 1]))
        for text, begin, end in source_pieces(line.sentence.source, surfaces)
    ]


def _pause(
    loaded: LoadedVoice, before: ReadSentence, after: ReadSentence, options: SynthesisOptions
) -> Callable[[int | None], float]:
    """Seconds of silence wanted between two sentences."""

    def wanted(threads: int | None) -> float:
        asked = before.sentence.pause_after_s if before.sentence.pause_after_s is not None else options.pause
        if asked is not None:
            return asked
        pair = (before.phonemes, before.utterance), (after.phonemes, after.utterance)
        frames = predicted_pause(loaded.synthesizer, *pair, options, threads)
        predicted = max(frames * loaded.voice.manifest.decoder.hop / loaded.voice.sample_rate, SHORTEST_S)
        return predicted + PARAGRAPH_S if before.sentence.ends_paragraph else predicted

    return wanted


def _is_pause(sentence: Sentence) -> bool:
    """A pause that was asked for where there is nothing to say."""
    return sentence.pause_after_s is not None and all(map(is_punctuation, sentence.phonemes.symbols[1:-1]))


def _silence_after(loaded: LoadedVoice, seconds: float, tail: F32) -> Audio:
    """Silence of some seconds less those that the sound before already ends with."""
    rate = loaded.voice.sample_rate
    return Audio(silence(seconds - trailing_silence(tail, rate), rate), rate)


def _gap(
    loaded: LoadedVoice, before: ReadSentence, after: ReadSentence, tail: F32, options: SynthesisOptions
) -> Callable[[int | None], Audio]:
    """Silence between two sentences: what is wanted less what the first already ends with."""
    wanted = _pause(loaded, before, after, options)
    return lambda threads: _silence_after(loaded, wanted(threads), tail)
