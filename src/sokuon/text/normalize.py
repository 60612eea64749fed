"""Raw text of one sentence -> the text that OpenJTalk analyses and the voices were trained on. Pure."""

from __future__ import annotations

import re
import unicodedata

from sokuon.text.characters import fold

_LONG_MARKS = re.compile("[~～〜]")
_VOICING_MARKS = re.compile("[\u3099\u309a]")


def normalize(text: str) -> str:
    """Fold width, punctuation and long marks; drop what the voices do not know."""
    text = unicodedata.normalize("NFKC", text)
    text = _LONG_MARKS.sub("ー", text)
    return _VOICING_MARKS.sub("", fold(text))
