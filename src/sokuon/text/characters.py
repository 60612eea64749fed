"""Which characters the voices know: punctuation folding and the allowed set. Pure."""

from __future__ import annotations

import re

_THREE_DOTS = ("…", "···", "・・・")
_FOLDED: dict[str, str] = {
    **dict.fromkeys("：；，、·・", ","),
    **dict.fromkeys("。．\n$", "."),
    "！": "!",
    "？": "?",
    **dict.fromkeys('“”"‘’（）()《》【】[]「」', "'"),
    **dict.fromkeys("\u02d7\u2010\u2012\u2013\u2014\u2015\u2043\u2212\u23af\u23e4\u2500\u2501\u2e3a\u2e3b", "-"),
}
_FOLD = re.compile("|".join(map(re.escape, (*_THREE_DOTS, *_FOLDED))))
_NOT_ALLOWED = re.compile(
    "[^"
    "\u3040-\u309f\u30a0-\u30ff"  # kana
    "\u4e00-\u9fff\u3400-\u4dbf\u3005\u3007"  # kanji, 々 〇
    "A-Za-z\uff21-\uff3a\uff41-\uff5a"
    "\u0370-\u03ff\u1f00-\u1fff"  # Greek
    "!?…,.'\\-"
    "]+"
)


def fold(text: str) -> str:
    """Fold punctuation to the seven marks the voices know, and drop every character they do not."""
    return _NOT_ALLOWED.sub("", _FOLD.sub(lambda match: _FOLDED.get(match.group(), "..."), text))
