"""SudachiPy as the binding sees it: loaded when it is first asked, and not needed where it is not installed.

The binding imports SudachiPy and asks it for one thing here: the readings of words with kanji that MeCab does not know.
Few texts have any, so the import (2 MB) waits for one. SudachiPy and its dictionary (198 MB) come with the extra
`sokuon[sudachi]`; without them those kanji are read one by one, by the binding's Unihan table.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

_PARTS = ("sudachipy", "sudachidict_core")


class _Dictionary:
    """A dictionary that is opened when its first tokenizer is made."""

    def __init__(self) -> None:
        self._opened: Any = None

    def create(self) -> _Tokenizer:
        """A tokenizer, which the binding uses in one thread."""
        if not is_installed():
            return _Tokenizer(None, None)
        dictionary, tokenizer = (importlib.import_module(f"sudachipy.{part}") for part in ("dictionary", "tokenizer"))
        if self._opened is None:
            self._opened = dictionary.Dictionary()
        return _Tokenizer(self._opened.create(), tokenizer.Tokenizer.SplitMode)


class _Tokenizer:
    """SudachiPy's own, its modes by name; without it, it knows no words."""

    SplitMode = SimpleNamespace(A="A", B="B", C="C")

    def __init__(self, tokenizer: Any, modes: Any) -> None:
        self._tokenizer, self._modes = tokenizer, modes

    def tokenize(self, text: str, mode: str) -> Any:
        """Words of the text."""
        return () if self._tokenizer is None else self._tokenizer.tokenize(text, getattr(self._modes, mode))


def is_installed() -> bool:
    """Whether SudachiPy and its dictionary are there."""
    return all(importlib.util.find_spec(part) is not None for part in _PARTS)


@contextmanager
def stand_in() -> Iterator[None]:
    """While it lasts, `import sudachipy` finds the stand-in, unless the real one is imported already."""
    if "sudachipy" in sys.modules:
        yield
        return
    sys.modules["sudachipy"] = _module()
    try:
        yield
    finally:
        del sys.modules["sudachipy"]


def _module() -> ModuleType:
    module = ModuleType("sudachipy")
    parts = {"dictionary": SimpleNamespace(Dictionary=_Dictionary), "tokenizer": SimpleNamespace(Tokenizer=_Tokenizer)}
    vars(module).update(parts)
    return module
