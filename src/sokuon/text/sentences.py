"""Where to cut a text into sentences. Pure and lazy."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SENTENCE = re.compile(r"[^。！？!?\n]*[。！？!?\n]|[^。！？!?\n]+")
_SPEECH = re.compile(r"[ぁ-ゖァ-ヶ一-鿿々〆〇A-Za-z0-9Ａ-Ｚａ-ｚ０-９ｦ-ﾟ]")


def split_sentences(text: str) -> Iterator[str]:
    """Cut after each of 。！？!? and line breaks; a piece without any speech joins the sentence before it.

    Leading pieces without speech join the first sentence; text without any speech is one sentence.
    """
    held = ""
    for match in _SENTENCE.finditer(text):
        piece = match.group().strip()
        if not piece:
            continue
        if not _SPEECH.search(held):
            held += piece
        elif _SPEECH.search(piece):
            yield held
            held = piece
        else:
            held += piece
    if held:
        yield held
