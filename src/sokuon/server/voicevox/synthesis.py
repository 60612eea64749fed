"""The work behind the VOICEVOX routes: a text to a query, a query to sound."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from fastapi import Request

from sokuon.audio.formats import wav_bytes
from sokuon.audio.resample import resample
from sokuon.audio.sound import silence
from sokuon.options import SynthesisOptions
from sokuon.server.catalogue import Choice
from sokuon.server.errors import RequestError
from sokuon.server.service import Service
from sokuon.server.speech import Order
from sokuon.server.voicevox.models import AccentPhrase, AudioQuery, Mora
from sokuon.server.voicevox.moras import phrases_of
from sokuon.server.voicevox.query import Script, needs_lengths, options_of, script, with_lengths
from sokuon.speaking import Lengths
from sokuon.storage.tensors import F32
from sokuon.text import Sentence

_SILENCE = 0.0004  # below this, sound at both ends is cut before the query's own silence is added
_REMEMBERED = 256


class Synthesis:
    """Queries and their sound."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._texts: OrderedDict[tuple[str, ...], str] = OrderedDict()  # morae → the text they were read from

    async def phrases(self, text: str, choice: Choice, request: Request) -> list[AccentPhrase]:
        """Accent phrases of a text, with the lengths the voice would give them."""
        lengths = await self._service.speech.lengths(self._order(request, choice, text), request.is_disconnected)
        phrases = [phrase for own in lengths for phrase in _phrases(own)]
        self._remember(phrases, text)
        return phrases

    async def measured(self, phrases: Sequence[AccentPhrase], choice: Choice, request: Request) -> list[AccentPhrase]:
        """The phrases with lengths for their morae and accents as they are now."""
        asked = await self._script(self._texts.get(_key(phrases), ""), phrases, upspeak=False)
        lengths = await self._lengths(asked.sentences, choice, request)
        seconds = _seconds(asked, lengths)
        return [_with_seconds(phrase, seconds) for phrase in phrases]

    async def order(self, query: AudioQuery, choice: Choice, request: Request, upspeak: bool) -> Order:
        """What a query asks to be spoken. Raises RequestError where it asks for too much."""
        silences(query)
        text = self._service.checked_text(query.kana or "", "kana", may_be_empty=True).strip()
        asked = await self._script(text, query.accent_phrases, upspeak)
        options = options_of(query)
        sentences: Sequence[Sentence] = asked.sentences
        if needs_lengths(query) and asked.sentences:
            predicted = [await self._lengths(asked.sentences, choice, request)]
            read = await asyncio.to_thread(lambda: list(self._service.speech.front_end.sentences(text)))
            if tuple(s.phonemes for s in read) != tuple(s.phonemes for s in asked.sentences):
                predicted.append(await self._lengths(read, choice, request))
            sentences = list(with_lengths(asked, query, predicted))
        return replace(self._order(request, choice, text), text=iter(sentences), options=options)

    async def samples(self, query: AudioQuery, choice: Choice, request: Request, upspeak: bool) -> F32:
        """The sound of a query at its own rate, with its silences and volume."""
        order = await self.order(query, choice, request, upspeak)
        audio = await self._service.whole(order, request)
        return await asyncio.to_thread(finished, audio.samples, audio.sample_rate, query)

    async def wav(self, query: AudioQuery, choice: Choice, request: Request, upspeak: bool) -> bytes:
        """The sound of a query as a WAV."""
        samples = await self.samples(query, choice, request, upspeak)
        return await asyncio.to_thread(wav_bytes, samples, query.outputSamplingRate, 2 if query.outputStereo else 1)

    async def _script(self, text: str, phrases: Sequence[AccentPhrase], upspeak: bool) -> Script:
        def read() -> Script:
            sentences = list(self._service.speech.front_end.sentences(text)) if text else []
            return script(phrases, sentences, upspeak)

        return await asyncio.to_thread(read)

    async def _lengths(self, sentences: Sequence[Sentence], choice: Choice, request: Request) -> list[Lengths]:
        plain = iter([replace(sentence, seconds=None) for sentence in sentences])
        order = replace(self._order(request, choice, ""), text=plain)
        return await self._service.speech.lengths(order, request.is_disconnected)

    def _order(self, request: Request, choice: Choice, text: str) -> Order:
        return self._service.order(request, "voicevox", choice, text, SynthesisOptions())

    def _remember(self, phrases: Sequence[AccentPhrase], text: str) -> None:
        self._texts[_key(phrases)] = text
        while len(self._texts) > _REMEMBERED:
            self._texts.popitem(last=False)


def finished(samples: F32, rate: int, query: AudioQuery) -> F32:
    """Cut, padded, as loud as asked (but never clipped), at the query's rate."""
    before, after = silences(query)
    loud = np.flatnonzero(np.abs(samples) > _SILENCE)
    heard = samples[loud[0] : loud[-1] + 1] if len(loud) else samples[:0]
    scaled = heard * np.float32(query.volumeScale)
    peak = float(np.abs(scaled).max(initial=0.0))
    if peak > 1.0:
        scaled = scaled / np.float32(peak)
    sound = np.concatenate([silence(before, rate), scaled, silence(after, rate)]).astype(np.float32)
    return resample(sound, rate, query.outputSamplingRate) if len(sound) else sound


def silences(query: AudioQuery) -> tuple[float, float]:
    """Seconds before and after the sound. Raises RequestError (422) where they are too long."""
    before, after = (s / query.pace for s in (query.prePhonemeLength, query.postPhonemeLength))
    if before + after > 60:
        raise RequestError(422, "The silence around the sound is longer than a minute.")
    return before, after


def _key(phrases: Sequence[AccentPhrase]) -> tuple[str, ...]:
    return tuple(mora.text for phrase in phrases for mora in phrase.moras)


def _phrases(own: Lengths) -> list[AccentPhrase]:
    phrases = list(phrases_of(own.sentence, own.seconds))
    last = phrases[-1].moras[-1] if phrases else None
    if last is not None and last.vowel == "pau" and own.pause_s is not None:
        last.vowel_length = own.pause_s
    return phrases


def _seconds(asked: Script, lengths: Sequence[Lengths]) -> Iterator[list[float]]:
    """The lengths of the phones of each mora, in the query's order."""
    for morae, own in zip(asked.morae, lengths, strict=True):
        place = 1
        for index, mora in enumerate(morae):
            found = list(own.seconds[place : place + len(mora.phones)])
            between = index == len(morae) - 1 and mora.is_pause and own.pause_s is not None
            yield [own.pause_s or 0.0] if between else found
            place += len(mora.phones)


def _with_seconds(phrase: AccentPhrase, seconds: Iterator[list[float]]) -> AccentPhrase:
    moras = [_timed(mora, next(seconds)) for mora in phrase.moras]
    pause = None if phrase.pause_mora is None else _timed(phrase.pause_mora, next(seconds))
    return phrase.model_copy(update={"moras": moras, "pause_mora": pause})


def _timed(mora: Mora, seconds: list[float]) -> Mora:
    consonant = None if mora.consonant is None else seconds[0] if len(seconds) > 1 else 0.0
    vowel = sum(seconds[1:]) if consonant is not None and len(seconds) > 1 else sum(seconds)
    return mora.model_copy(update={"consonant_length": consonant, "vowel_length": vowel})
