"""An edited AudioQuery → sentences to speak: its morae, accents and lengths, with the text they were read from.

A mora that is as this server would have it is left to the voice, so tempoDynamicsScale and speedScale still shape it; a
length that was changed is obeyed to the frame. Lengths that are all 0, as AivisSpeech sends them, are none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from sokuon.options import SynthesisOptions
from sokuon.server.errors import RequestError
from sokuon.server.voicevox.models import AccentPhrase, AudioQuery, Mora
from sokuon.server.voicevox.moras import accent_of, morae_of, phones_of, phrase_lengths, tones_of
from sokuon.speaking import Lengths
from sokuon.text import PhonemeError, Phonemes, Sentence, with_given
from sokuon.text.kana import to_hiragana
from sokuon.text.sentences import MAX_CHARACTERS
from sokuon.text.tables import PAD, PUNCTUATION

MOST_MORAE = 4096
_UNCHANGED_S = 0.001  # clients round what they show
_ENDS = frozenset(".!?")


@dataclass(frozen=True)
class Asked:
    """A mora as a query has it: `seconds` of each phone, `phrase` its number."""

    text: str
    phones: tuple[str, ...]
    tone: int
    seconds: tuple[float, ...]
    phrase: int

    @property
    def is_pause(self) -> bool:
        """Punctuation."""
        return self.phones[0] in PUNCTUATION


@dataclass(frozen=True)
class Script:
    """Sentences to speak and, for each, the morae of the query that are in it."""

    sentences: tuple[Sentence, ...]
    morae: tuple[tuple[Asked, ...], ...]


def options_of(query: AudioQuery) -> SynthesisOptions:
    """The engine's options for a query (spec http-api 2.5)."""
    return SynthesisOptions(
        speed=query.pace,
        style_weight=_style_weight(query.intonationScale),
        sdp_ratio=_sdp_ratio(query.tempoDynamicsScale),
        pitch=min(max(1.0 + query.pitchScale, 0.25), 4.0),
    )


def script(query_phrases: Sequence[AccentPhrase], sentences: Sequence[Sentence], upspeak: bool) -> Script:
    """The sentences of a query's text, or of its morae alone, with the query's phonemes and tones.

    Raises RequestError (422) for morae no voice can speak.
    """
    morae = list(_asked(query_phrases, upspeak))
    cuts = _cuts(morae, sentences)
    if cuts is None:
        groups = list(_groups(morae))
        return Script(tuple(_spelled(group) for group in groups), tuple(map(tuple, groups)))
    read: list[Sentence] = []
    kept: list[tuple[Asked, ...]] = []
    for sentence, (begin, end) in zip(sentences, cuts, strict=True):
        own = morae[begin:end]
        if own:
            read.append(_rephrased(sentence, own))
            kept.append(tuple(own))
    return Script(tuple(read), tuple(kept))


def with_lengths(asked: Script, query: AudioQuery, predicted: Sequence[Sequence[Lengths]]) -> Iterator[Sentence]:
    """The sentences with the lengths that were changed; `predicted`: what they would be, by one or more readings."""
    for number, (sentence, morae) in enumerate(zip(asked.sentences, asked.morae, strict=True)):
        own = [lengths[number] for lengths in predicted if _fits(lengths, number, sentence)]
        seconds: list[float | None] = [None] * len(sentence.phonemes.symbols)
        pause = sentence.pause_after_s
        place = 1
        ends = _trailing_pauses(morae)
        goes_on = number < len(asked.sentences) - 1
        for index, mora in enumerate(morae):
            if goes_on and index == len(morae) - 1 and mora.is_pause:
                pause = _pause_s(mora, query, own) if own else pause
            else:
                for offset, given in enumerate(mora.seconds):
                    known = [lengths.seconds[place + offset] for lengths in own]
                    seconds[place + offset] = _length(given, known, index < ends and mora.is_pause, query)
            place += len(mora.phones)
        chosen = tuple(seconds) if any(s is not None for s in seconds) else None
        yield replace(sentence, seconds=chosen, pause_after_s=pause)


def needs_lengths(query: AudioQuery) -> bool:
    """Whether the query says anything about lengths."""
    asked = query.pauseLength is not None or query.pauseLengthScale != 1
    return asked or any(_has_length(m) for p in query.accent_phrases for m in (*p.moras, p.pause_mora) if m)


def _style_weight(x: float) -> float:
    return x if x <= 1 else 1 + (x - 1) * 9 if x <= 2 else 1.0


def _sdp_ratio(x: float) -> float:
    return 0.2 * x if x <= 1 else 0.2 + (x - 1) * 0.8 if x <= 2 else 0.2


def _asked(phrases: Sequence[AccentPhrase], upspeak: bool) -> Iterator[Asked]:
    if sum(len(p.moras) for p in phrases) > MOST_MORAE:
        raise RequestError(422, f"The query has more than {MOST_MORAE} morae; speak it in parts.")
    before = ""
    for number, phrase in enumerate(phrases):
        if not phrase.moras or not 0 <= phrase.accent <= len(phrase.moras):
            raise RequestError(422, "An accent phrase needs morae, and an accent from 1 to their number.")
        for mora, tone in zip(phrase.moras, tones_of(phrase.accent, len(phrase.moras)), strict=True):
            yield (asked := _one(mora, tone, number, before))
            before = asked.phones[-1]
        if upspeak and phrase.is_interrogative and before != "?":
            yield Asked("?", ("?",), 0, (0.0,), number)
        if phrase.pause_mora is not None:
            yield Asked(",", (",",), 0, (phrase.pause_mora.vowel_length,), number)
            before = ","


def _one(mora: Mora, tone: int, phrase: int, before: str) -> Asked:
    phones = phones_of(mora.text, mora.vowel, before)
    if not phones:
        raise RequestError(422, "A mora's text is neither katakana of one mora nor one of ! ? … , . ' -")
    lengths = (mora.consonant_length or 0.0, mora.vowel_length)
    if len(phones) == 2:
        return Asked(mora.text, phones, tone, lengths, phrase)
    each = sum(lengths) / len(phones)  # クヮ has more phones than VOICEVOX has places
    return Asked(mora.text, phones, tone, (each,) * len(phones), phrase)


def _has_length(mora: Mora) -> bool:
    return bool(mora.consonant_length) or mora.vowel_length > 0


def _cuts(morae: Sequence[Asked], sentences: Sequence[Sentence]) -> list[tuple[int, int]] | None:
    """Which of the query's morae belong to each sentence of the text; None where the text has none."""
    if not sentences:
        return None
    own = [[m.text for m in morae_of(s.phonemes.symbols, s.phonemes.tones)] for s in sentences]
    read = [text for texts in own for text in texts]
    given = [m.text for m in morae]
    borders = _borders(read, given)
    ends, total = [], 0
    for texts in own:
        total += len(texts)
        ends.append(borders[total])
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _borders(read: list[str], given: list[str]) -> list[int]:
    """For each border between read morae the one between given morae; the last ones correspond."""
    if read == given:
        return list(range(len(read) + 1))
    borders = [0] * (len(read) + 1)
    for _, i1, i2, j1, j2 in SequenceMatcher(None, read, given, autojunk=False).get_opcodes():
        for i in range(i1, i2 + 1):
            borders[i] = min(j1 + (i - i1), j2) if i < i2 else j2
    borders[-1] = len(given)
    return borders


def _rephrased(sentence: Sentence, morae: Sequence[Asked]) -> Sentence:
    """The sentence with the query's phonemes and tones, its own tones where a phrase was not touched."""
    symbols = (PAD, *(phone for m in morae for phone in m.phones), PAD)
    tones = _tones(sentence, morae)
    try:
        return replace(sentence, phonemes=with_given(sentence.phonemes, symbols, tones))
    except PhonemeError:
        return replace(_spelled(morae), pause_after_s=sentence.pause_after_s)


def _tones(sentence: Sentence, morae: Sequence[Asked]) -> tuple[int, ...]:
    own = morae_of(sentence.phonemes.symbols, sentence.phonemes.tones)
    tones = [m.tone for m in morae]
    if [m.phones for m in own] == [m.phones for m in morae]:
        begin = 0
        for length in phrase_lengths(sentence, own):
            read = [m.tone for m in own[begin : begin + length]]
            asked = morae[begin : begin + length]
            whole = len({m.phrase for m in asked}) == 1
            if whole and tones_of(accent_of(read), length) == [m.tone for m in asked]:
                tones[begin : begin + length] = read
            begin += length
    return (0, *(tone for m, tone in zip(morae, tones, strict=True) for _ in m.phones), 0)


def _groups(morae: Sequence[Asked]) -> Iterator[list[Asked]]:
    """Sentences of morae without a text: cut after ending marks, and where they grow too long."""
    group: list[Asked] = []
    for index, mora in enumerate(morae):
        group.append(mora)
        next_ends = index + 1 < len(morae) and morae[index + 1].is_pause
        ended = mora.phones[0] in _ENDS and not next_ends
        if ended or (len(group) >= MAX_CHARACTERS // 2 and (mora.is_pause or len(group) >= MAX_CHARACTERS)):
            yield group
            group = []
    if group:
        yield group


def _spelled(morae: Sequence[Asked]) -> Sentence:
    """A sentence whose text is its morae in hiragana."""
    text, counts = "", [1]
    for mora in morae:
        written = to_hiragana(mora.text) if not mora.is_pause else mora.phones[0]
        text += written
        each, more = divmod(len(mora.phones), len(written))
        counts += [each + (i < more) for i in range(len(written))]
    symbols = (PAD, *(phone for m in morae for phone in m.phones), PAD)
    tones = (0, *(m.tone for m in morae for _ in m.phones), 0)
    return Sentence(text, (), Phonemes(symbols, tones, text, (*counts, 1)), None)


def _fits(lengths: Sequence[Lengths], number: int, sentence: Sentence) -> bool:
    return number < len(lengths) and lengths[number].sentence.phonemes.symbols == sentence.phonemes.symbols


def _length(given: float, known: Sequence[float], is_pause: bool, query: AudioQuery) -> float | None:
    """Seconds to hold a phone, None to leave it to the voice."""
    changed = bool(known) and all(abs(given - other) > _UNCHANGED_S for other in known)
    silent = not any(_has_length(m) for p in query.accent_phrases for m in p.moras)
    if silent:
        changed = False
    if is_pause and (query.pauseLength is not None or query.pauseLengthScale != 1):
        base = query.pauseLength if query.pauseLength is not None else given if changed or not known else known[0]
        return base * query.pauseLengthScale / query.pace
    return given / query.pace if changed else None


def _trailing_pauses(morae: Sequence[Asked]) -> int:
    """Where the marks at the end begin: they end the sentence, and are no pauses in it."""
    end = len(morae)
    while end and morae[end - 1].is_pause:
        end -= 1
    return end


def _pause_s(mora: Asked, query: AudioQuery, own: Sequence[Lengths]) -> float | None:
    """Seconds between two sentences, None to leave it to the voice."""
    return _length(mora.seconds[-1], [lengths.pause_s or 0.0 for lengths in own], True, query)
