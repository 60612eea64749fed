"""Subtitles: cues of at most two short lines, cut where a reader would breathe."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from sokuon.audio.sound import PhonemeTiming, SentenceTiming
from sokuon.errors import AudioError

_LINE_WIDTH = 20.0  # full-width characters
_LINES = 2
_SNAP_S = 1.0  # how far a comma may lie from where its characters suggest it
_CLAUSE = re.compile(r"[^、，,。．！？!?…;；]*[、，,。．！？!?…;；]*[」』）)]*\s*")
_CUTS = (
    re.compile(r"[、，。！？…;；][」』）)]*|\s+"),
    re.compile(r"[」』）)・]|(?<=[ぁ-んー])(?=[一-鿿ァ-ヺA-Za-z0-9「『（(])"),
    re.compile(r"(?<![A-Za-z0-9])(?=\S)|(?<=[A-Za-z0-9])(?![A-Za-z0-9])"),
)
_NEVER_FIRST = frozenset("、。，．！？!?…ー・ぁぃぅぇぉっゃゅょァィゥェォッャュョ」』）)々ん")


def subtitles(sentences: Iterable[SentenceTiming], kind: str, phonemes: Sequence[PhonemeTiming] = ()) -> str:
    """SubRip (`srt`) or WebVTT (`vtt`) text.

    A sentence longer than two lines of 20 full-width characters becomes several cues; they meet at the commas among
    `phonemes` where there are any, else in proportion to their characters.
    """
    check_subtitles(kind)
    mark = "," if kind == "srt" else "."
    commas = [phoneme.end for phoneme in phonemes if phoneme.phoneme == ","]
    cues = [
        f"{_clock(cue.start, mark)} --> {_clock(cue.end, mark)}\n{_cue_text(cue.text, kind)}\n"
        for sentence in sentences
        for cue in _cues(sentence, commas)
    ]
    if kind == "vtt":
        return "WEBVTT\n\n" + "\n".join(cues)
    return "\n".join(f"{number}\n{cue}" for number, cue in enumerate(cues, 1))


def check_subtitles(kind: str) -> None:
    """Raise AudioError unless `kind` is a subtitle format."""
    if kind not in ("srt", "vtt"):
        raise AudioError(f"{kind!r} is not a subtitle format; use srt or vtt.")


def _cues(sentence: SentenceTiming, commas: Sequence[float]) -> Iterator[SentenceTiming]:
    """The sentence in cues, one after the other without a gap."""
    texts = list(_cue_texts(" ".join(sentence.text.split())))
    widths = [_width(text) for text in texts]
    start = sentence.start
    for index, text in enumerate(texts):
        share = sum(widths[: index + 1]) / max(1.0, sum(widths))
        end = sentence.end if index == len(texts) - 1 else sentence.start + share * sentence.duration
        near = [comma for comma in commas if abs(comma - end) < _SNAP_S and start < comma < sentence.end]
        if near and index < len(texts) - 1:
            end = min(near, key=lambda comma: abs(comma - end))
        yield SentenceTiming(text, start, end)
        start = end


def _cue_texts(text: str) -> Iterator[str]:
    """Clauses, as many as fit two lines together; each cue with its line breaks."""
    cue = ""
    for match in _CLAUSE.finditer(text):
        if cue and len(list(_lines(cue + match.group()))) > _LINES:
            yield from _grouped(cue)
            cue = ""
        cue += match.group()
    if cue:
        yield from _grouped(cue)


def _grouped(text: str) -> Iterator[str]:
    lines = list(_lines(text))
    for begin in range(0, len(lines), _LINES):
        yield "\n".join(lines[begin : begin + _LINES])


def _lines(text: str) -> Iterator[str]:
    """Lines that fit, cut after a comma or space, else between words, else anywhere a line may begin."""
    text = text.strip()
    while _width(text) > _LINE_WIDTH:
        end = _best_cut(text)
        yield text[:end].rstrip()
        text = text[end:].lstrip()
    if text:
        yield text


def _best_cut(text: str) -> int:
    """The last good place in the second half of a line; where there is none, the width decides."""
    limit = next(end for end in range(1, len(text) + 1) if _width(text[: end + 1]) > _LINE_WIDTH)
    for pattern in _CUTS:
        places = [match.end() for match in pattern.finditer(text[: limit + 1], limit // 3) if match.end() <= limit]
        places = [place for place in places if place and text[place : place + 1] not in _NEVER_FIRST]
        if places:
            return places[-1]
    return limit


def _width(text: str) -> float:
    """In full-width characters."""
    return sum(1.0 if unicodedata.east_asian_width(char) in "WFA" else 0.5 for char in text)


def _clock(seconds: float, mark: str) -> str:
    whole = round(seconds * 1000)
    hours, rest = divmod(whole, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{mark}{rest % 1000:03}"


def _cue_text(text: str, kind: str) -> str:
    """No arrow that would read as a timing, no tag or entity in WebVTT."""
    text = text.replace("-->", "→")
    return text.replace("&", "&amp;").replace("<", "&lt;") if kind == "vtt" else text
