"""OpenJTalk (by its binding pyopenjtalk-plus, see `binding.py`): one analysis per sentence.

OpenJTalk keeps its buffers in the instance, so each instance is used under its own lock; a user dictionary belongs to
an instance, not to the process. The dictionary is opened at the first analysis, or by `open`. The binding's Sudachi
correction stays off: it costs 200 MB of memory and corrects few readings.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from sokuon.storage.forking import ForkSafeLock
from sokuon.text.accents import improve
from sokuon.text.morae import count_morae
from sokuon.text.openjtalk.binding import load_binding
from sokuon.text.openjtalk.compiler import compile_words
from sokuon.text.readings import choose_readings
from sokuon.text.tables import MORAE
from sokuon.text.words import FORCED, Analysis, Forced, Node

Accents = Literal["standard", "openjtalk"]
"""Accents as a listener expects them, or OpenJTalk's own, on which the published voices were trained."""

_FORCED_RUN = re.compile(f"{FORCED}|[^{FORCED}]+")
_LONG = "ー"
_MARK = re.compile(r"(?<!\d)[,.]|[,.](?!\d)")
_JAPANESE_MARKS = {",": "、", ".": "。"}
"""The dictionary knows a full-width comma as a digit, and reads 人 after it as a counter (ニン)."""
_LONGEST_WORD = 30
_MARKS = frozenset("？！")
_DIGRAPHS = frozenset(mora for mora in MORAE if len(mora) == 2)
_SPELLED = frozenset(["フィラー", "記号"])  # parts of speech of letters and unknown words
_VOWEL_KANA = {
    **dict.fromkeys("アカガサザタダナハバパマヤラワァャヮヵ", "ア"),
    **dict.fromkeys("イキギシジチヂニヒビピミリィヰ", "イ"),
    **dict.fromkeys("ウクグスズツヅヌフブプムユルヴゥュ", "ウ"),
    **dict.fromkeys("エケゲセゼテデネヘベペメレェヱヶ", "エ"),
    **dict.fromkeys("オコゴソゾトドノホボポモヨロヲォョ", "オ"),
    "ン": "ン",
    "ッ": "ッ",
}

_ABANDONED: list[Any] = []  # of a parent process: what is half done cannot even be closed


class Analyzer:
    """OpenJTalk with words of the user's own. Thread-safe; loads lazily."""

    def __init__(self, user_words: str = "", accents: Accents = "standard") -> None:
        """`user_words`: MeCab dictionary source, one row a word."""
        self._user_words = user_words
        self._accents = accents
        self._own_words = frozenset(row.partition(",")[0] for row in user_words.splitlines())
        self._lock = ForkSafeLock(self._abandon)
        self._jtalk: Any = None

    def _abandon(self) -> None:
        """In a forked child: another thread was in the middle of an analysis, so open OpenJTalk again."""
        _ABANDONED.append(self._jtalk)
        self._jtalk = None

    def open(self) -> None:
        """Open the dictionary now; with words of the user's own, which are compiled first, not before a text."""
        with self._lock:
            if self._jtalk is None and not self._user_words:
                self._jtalk = _open("")

    def analyze(self, text: str, forced: Sequence[Forced] = ()) -> Analysis:
        """Words and full-context labels of normalised text; each FORCED character in it stands for one of `forced`."""
        if not text:
            return Analysis((), ())
        with self._lock:
            features = _with_whole_morae(self._features(text, forced))
            spoken = list(_for_labels(features))
            labels = self._jtalk.make_label(spoken) if any(feature["mora_size"] for feature in spoken) else []
        waiting = iter(forced)
        nodes = tuple(_node(feature, waiting) for feature in features)
        return Analysis(nodes, tuple(labels), foreign=self._accents != "openjtalk")

    def dictionary_reading(self, word: str) -> str | None:
        """Katakana of a Latin word if the dictionary holds it; OpenJTalk would spell any other."""
        if len(word) > _LONGEST_WORD:
            return None
        with self._lock:
            features = self._features(word, ())
        known = features and all(feature["pos"] not in _SPELLED for feature in features)
        return "".join(feature["pron"] for feature in features).replace("’", "") if known else None

    def _features(self, text: str, forced: Sequence[Forced]) -> Any:
        pyopenjtalk = load_binding()
        from pyopenjtalk._mapping import mark_user_dictionary_reading_protection
        from pyopenjtalk.utils import normalize_unknown_itaiji

        if self._jtalk is None:
            self._jtalk = _open(self._user_words)
        if self._accents != "openjtalk":
            text = _MARK.sub(lambda match: _JAPANESE_MARKS[match.group()], text)
        text = normalize_unknown_itaiji(text, inference_jtalk=self._jtalk)
        morphemes, details = self._morphemes(text)
        if self._accents != "openjtalk":
            morphemes = choose_readings(morphemes, self._own_words)
        morphemes = list(_with_forced(morphemes, forced))
        features = self._jtalk.run_njd_from_mecab(morphemes, True, True)
        if details:
            mark_user_dictionary_reading_protection(features, details, (True,))
        plain = self._accents == "openjtalk"
        features = pyopenjtalk.apply_postprocessing(
            text,
            features,
            use_sudachi_kanji_yomi=False,
            predict_nani=True,
            iu_pronunciation=None if plain else "YuuBase",  # 言う is said ユー (NHK)
            jtalk=self._jtalk,
        )
        return features if plain else improve(features, morphemes)

    def _morphemes(self, text: str) -> tuple[Any, Any]:
        """MeCab's morphemes; with user words also where each came from, so that their readings stay."""
        return self._jtalk.run_mecab_detailed(text) if self._user_words else (self._jtalk.run_mecab(text), None)


def _open(user_words: str) -> Any:
    pyopenjtalk = load_binding()
    from pyopenjtalk.openjtalk import OpenJTalk

    if not user_words:
        return OpenJTalk(dn_mecab=pyopenjtalk.OPEN_JTALK_DICT_DIR)
    with tempfile.TemporaryDirectory(prefix="sokuon-", ignore_cleanup_errors=True) as folder:
        compiled = compile_words(user_words, Path(folder))
        return OpenJTalk(
            dn_mecab=pyopenjtalk.OPEN_JTALK_DICT_DIR,
            userdic=str(compiled).encode(),
            userdic_reading_protection=[True],
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


def _with_whole_morae(features: Any) -> list[Any]:
    """Words cut inside a mora (リ + ュー) joined again: MeCab does that to long runs of unknown katakana."""
    whole: list[Any] = []
    for feature in features:
        last = whole[-1]["pron"] if whole else ""
        if last[-1:] + feature["pron"][:1] in _DIGRAPHS:
            joined = {key: whole[-1][key] + feature[key] for key in ("string", "pron", "read", "mora_size")}
            whole[-1] = {**whole[-1], **joined, "mora_size": joined["mora_size"] - 1}
        else:
            whole.append(feature)
    return whole


def _for_labels(features: Any) -> Iterator[Any]:
    """Copies without what the label maker warns of and drops: ？ and ！ before any sound, words that start with ー."""
    previous, heard = "", 0
    for feature in features:
        pron = feature["pron"]
        rest = pron.lstrip(_LONG)
        if rest != pron:
            pron = _VOWEL_KANA.get(previous, "") * (len(pron) - len(rest)) + rest
            feature = {**feature, "pron": pron, "mora_size": count_morae(pron.replace("’", ""))}
        heard += feature["mora_size"]
        if pron and (heard or pron not in _MARKS):
            previous = pron.rstrip("’" + _LONG)[-1:]
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
