"""The only import of the OpenJTalk binding (pyopenjtalk-plus): one analysis per sentence.

OpenJTalk keeps its buffers in the instance, so each instance is used under its own lock; a user dictionary belongs to
an instance, not to the process. The dictionary is opened at the first analysis.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from sokuon.text.words import Analysis, Node


class Analyzer:
    """OpenJTalk with an optional compiled user dictionary. Thread-safe; loads lazily."""

    def __init__(self, user_dictionary: Path | None = None) -> None:
        self._user_dictionary = user_dictionary
        self._lock = threading.Lock()
        self._jtalk: Any = None

    def analyze(self, text: str) -> Analysis:
        """Words and full-context labels of normalised text."""
        if not text:
            return Analysis((), ())
        with self._lock:
            features = self._features(text)
            labels = self._jtalk.make_label(features) if features else []
        return Analysis(tuple(map(_node, features)), tuple(labels))

    def _features(self, text: str) -> Any:
        import pyopenjtalk

        if self._jtalk is None:
            self._jtalk = self._open()
        return pyopenjtalk.run_frontend(text, use_sudachi_kanji_yomi=False, predict_nani=False, jtalk=self._jtalk)

    def _open(self) -> Any:
        import pyopenjtalk
        from pyopenjtalk.openjtalk import OpenJTalk

        return OpenJTalk(
            dn_mecab=pyopenjtalk.OPEN_JTALK_DICT_DIR,
            userdic=str(self._user_dictionary).encode() if self._user_dictionary else b"",
        )


def _node(feature: Any) -> Node:
    return Node(
        surface=feature["string"],
        pron=feature["pron"],
        accent=feature["acc"],
        moras=feature["mora_size"],
        chained=feature["chain_flag"] == 1,
    )
