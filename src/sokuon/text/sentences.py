"""Where to cut a text into sentences. Pure and lazy."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sokuon.text.words import FORCED

PAUSE = "\ue002"
"""Stands for a pause asked for in the text; it ends a sentence (a private-use character)."""

PARAGRAPH = "\ue003"
"""Stands for one or more blank lines; it ends a sentence, too."""

MAX_CHARACTERS = 200
"""Longer sentences are cut, at the best place there is: a few minutes of memory and delay are worth a short pause."""

# A question or exclamation mark within an address (https://a.b/?c) ends nothing.
_IN_ADDRESS = r"(?<=[A-Za-z0-9/=&])[!?](?=[A-Za-z0-9])"
_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n)+")
_END = f"[。！？\n{PAUSE}{PARAGRAPH}]|(?!{_IN_ADDRESS})[!?]"
_ENDING = f"。！？!?\n{PAUSE}{PARAGRAPH}"
_SENTENCE = re.compile(rf"(?:{_IN_ADDRESS}|[^{_ENDING}])*(?:{_END})|(?:{_IN_ADDRESS}|[^{_ENDING}])+")
# Of a text that is still being written: an ASCII mark may turn out to stand in an address.
_FINISHED = re.compile(r"(?:[。！？\n]|[!?](?=[^A-Za-z0-9!?]))[」』）)]*")
_SPEECH = re.compile(f"[ぁ-ゖァ-ヶ一-鿿々〆〇A-Za-z0-9Ａ-Ｚａ-ｚ０-９ｦ-ﾟ{FORCED}]")
# Compiled for the first text that is too long, and kept by `re`.
_CUTS = (r"[、,，;；…]+[」』）)]?|[.．](?=\s)", r"\s+|[」』）)]", "(?<=[ぁ-ん])(?=[一-鿿ァ-ヺA-Za-z])")


def split_sentences(text: str) -> Iterator[str]:
    """Cut after each of 。！？!?, line breaks and pauses; over-long sentences once more within.

    A piece without any speech joins the sentence before it, or the first one; text without any speech is one sentence.
    Blank lines after a pause belong to the sentence that it ends.
    """
    for sentence in _at_marks(text):
        yield from split_long(sentence)


def ends_paragraph(piece: str) -> bool:
    """Whether blank lines come after the last thing that a piece says; those before its first word end nothing."""
    said = max((match.end() for match in _SPEECH.finditer(piece)), default=None)
    return said is not None and PARAGRAPH in piece[said:]


def mark_paragraphs(text: str) -> str:
    """Blank lines as PARAGRAPH."""
    return _BLANK_LINES.sub(PARAGRAPH, text)


def complete(text: str) -> int:
    """How much of a text that is still being written can be spoken: the characters up to its last finished sentence.

    A line that goes on and on is finished in parts, at the length that would be cut anyway.
    """
    ends = [match.end() for match in _FINISHED.finditer(text)]
    if ends and speaks(text[: ends[-1]]):
        return ends[-1]
    return _best_cut(text, 0, MAX_CHARACTERS) if len(text) > MAX_CHARACTERS else 0


def speaks(text: str) -> bool:
    """Whether there is anything to say besides marks."""
    return _SPEECH.search(text) is not None


def _at_marks(text: str) -> Iterator[str]:
    """Pieces wait in a list and are searched once: joined and searched anew, a line of 100,000 ! took 40 s."""
    held: list[str] = []
    speaks = paused = False
    for match in _SENTENCE.finditer(text):
        piece = match.group().strip()
        if not piece:
            continue
        speech = _SPEECH.search(piece) is not None
        if held and piece != PARAGRAPH and (paused or (speaks and speech)):
            yield "".join(held)
            held, speaks, paused = [], False, False
        held.append(piece)
        speaks, paused = speaks or speech, paused or piece.endswith(PAUSE)
    if held:
        yield "".join(held)


def split_long(sentence: str, limit: int = MAX_CHARACTERS) -> Iterator[str]:
    """Pieces of at most `limit` characters, cut after a comma, else a space or bracket, else between words."""
    start = 0
    while len(sentence) - start > limit:
        end = _best_cut(sentence, start, start + limit)
        yield sentence[start:end]
        start = end
    yield sentence[start:]


def _best_cut(sentence: str, start: int, limit: int) -> int:
    """The last good place in the second half of the window, else its end."""
    for cut in _CUTS:
        places = [match.end() for match in re.compile(cut).finditer(sentence, start + (limit - start) // 2, limit)]
        if places:
            return places[-1]
    return limit
