"""The only import of the OpenJTalk binding (pyopenjtalk-plus): one analysis per sentence.

OpenJTalk keeps its buffers in the instance, so each instance is used under its own lock; a user dictionary belongs to
an instance, not to the process. The dictionary is opened at the first analysis. The binding's Sudachi correction stays
off: it costs 200 MB of memory and corrects few readings.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sokuon.text.morae import count_morae
from sokuon.text.words import FORCED, Analysis, Forced, Node

_FORCED_RUN = re.compile(f"{FORCED}|[^{FORCED}]+")
_LONG = "ー"
_VOWEL_KANA = {
    **dict.fromkeys("アカガサザタダナハバパマヤラワァャヮヵ", "ア"),
    **dict.fromkeys("イキギシジチヂニヒビピミリィヰ", "イ"),
    **dict.fromkeys("ウクグスズツヅヌフブプムユルヴゥュ", "ウ"),
    **dict.fromkeys("エケゲセゼテデネヘベペメレェヱヶ", "エ"),
    **dict.fromkeys("オコゴソゾトドノホボポモヨロヲォョ", "オ"),
    "ン": "ン",
    "ッ": "ッ",
}


class Analyzer:
    """OpenJTalk with an optional compiled user dictionary. Thread-safe; loads lazily."""

    def __init__(self, user_dictionary: Path | None = None) -> None:
        self._user_dictionary = user_dictionary
        self._lock = threading.Lock()
        self._jtalk: Any = None

    def analyze(self, text: str, forced: Sequence[Forced] = ()) -> Analysis:
        """Words and full-context labels of normalised text; each FORCED character in it stands for one of `forced`."""
        if not text:
            return Analysis((), ())
        with self._lock:
            features = self._features(text, forced)
            spoken = list(_without_leading_long_marks(features))
            labels = self._jtalk.make_label(spoken) if spoken else []
        waiting = iter(forced)
        return Analysis(tuple(_node(feature, waiting) for feature in features), tuple(labels))

    def _features(self, text: str, forced: Sequence[Forced]) -> Any:
        import pyopenjtalk
        from pyopenjtalk.utils import normalize_unknown_itaiji

        if self._jtalk is None:
            self._jtalk = self._open()
        text = normalize_unknown_itaiji(text, inference_jtalk=self._jtalk)
        morphemes = list(_with_forced(self._jtalk.run_mecab(text), forced))
        features = self._jtalk.run_njd_from_mecab(morphemes, True, True)
        return pyopenjtalk.apply_postprocessing(
            text, features, use_sudachi_kanji_yomi=False, predict_nani=True, jtalk=self._jtalk
        )

    def _open(self) -> Any:
        import pyopenjtalk
        from pyopenjtalk.openjtalk import OpenJTalk

        return OpenJTalk(
            dn_mecab=pyopenjtalk.OPEN_JTALK_DICT_DIR,
            userdic=str(self._user_dictionary).encode() if self._user_dictionary else b"",
        )


def _with_forced(morphemes: Sequence[str], forced: Sequence[Forced]) -> Iterator[str]:
    """MeCab's morphemes with each FORCED character replaced by a noun of the reading and accent asked for."""
    waiting = iter(forced)
    for morpheme in morphemes:
        surface, _, features = morpheme.partition(",")
        if FORCED not in surface:
            yield morpheme
            continue
        for piece in _FORCED_RUN.findall(surface):
            yield _noun(next(waiting, None)) if piece == FORCED else f"{piece},{features}"


def _noun(word: Forced | None) -> str:
    if word is None:
        return f"{FORCED},記号,一般,*,*,*,*,*"
    moras = count_morae(word.reading)
    accent = min(word.accent, moras)
    return f"{FORCED},名詞,固有名詞,一般,*,*,*,{FORCED},{word.reading},{word.reading},{accent}/{moras},C1"


def _without_leading_long_marks(features: Any) -> Iterator[Any]:
    """Copies for the labels in which a word never starts with a long mark, which OpenJTalk warns of and drops."""
    previous = ""
    for feature in features:
        pron = feature["pron"]
        rest = pron.lstrip(_LONG)
        if rest != pron:
            pron = _VOWEL_KANA.get(previous, "") * (len(pron) - len(rest)) + rest
            feature = {**feature, "pron": pron, "mora_size": count_morae(pron.replace("’", ""))}
        previous = pron.rstrip("’" + _LONG)[-1:]
        if pron:
            yield feature


def _node(feature: Any, waiting: Iterator[Forced]) -> Node:
    word = next(waiting, None) if feature["string"] == FORCED else None
    return Node(
        surface=word.surface if word else feature["string"],
        pron=feature["pron"],
        accent=feature["acc"],
        moras=feature["mora_size"],
        chained=feature["chain_flag"] == 1,
    )
