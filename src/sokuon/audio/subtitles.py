"""Subtitles: one cue for each sentence."""

from __future__ import annotations

from collections.abc import Iterable

from sokuon.audio.sound import SentenceTiming
from sokuon.errors import AudioError


def subtitles(sentences: Iterable[SentenceTiming], kind: str) -> str:
    """SubRip (`srt`) or WebVTT (`vtt`) text with one cue for each sentence."""
    check_subtitles(kind)
    mark = "," if kind == "srt" else "."
    cues = [f"{_clock(s.start, mark)} --> {_clock(s.end, mark)}\n{_cue_text(s.text, kind)}\n" for s in sentences]
    if kind == "vtt":
        return "WEBVTT\n\n" + "\n".join(cues)
    return "\n".join(f"{number}\n{cue}" for number, cue in enumerate(cues, 1))


def check_subtitles(kind: str) -> None:
    """Raise AudioError unless `kind` is a subtitle format."""
    if kind not in ("srt", "vtt"):
        raise AudioError(f"{kind!r} is not a subtitle format; use srt or vtt.")


def _clock(seconds: float, mark: str) -> str:
    whole = round(seconds * 1000)
    hours, rest = divmod(whole, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{mark}{rest % 1000:03}"


def _cue_text(text: str, kind: str) -> str:
    """One line, no arrow that would read as a timing, no tag or entity in WebVTT."""
    line = " ".join(text.split()).replace("-->", "→")
    return line.replace("&", "&amp;").replace("<", "&lt;") if kind == "vtt" else line
