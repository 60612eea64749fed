"""A stand-in for SudachiPy where it, or its dictionary, is not installed.

The binding imports SudachiPy and asks it for one thing here: the readings of words with kanji that MeCab does not know.
Without it those kanji are read one by one, by the binding's Unihan table. It saves 198 MB of installed files:
`pip uninstall sudachipy sudachidict-core`.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace

_PARTS = ("sudachipy", "sudachidict_core")


class _Dictionary:
    """Knows no words."""

    def create(self) -> _Dictionary:
        return self

    def tokenize(self, _text: str, _mode: object = None) -> tuple[()]:
        return ()


def is_installed() -> bool:
    """Whether SudachiPy and its dictionary are there."""
    return all(importlib.util.find_spec(part) is not None for part in _PARTS)


@contextmanager
def stand_in() -> Iterator[None]:
    """While it lasts, `import sudachipy` finds the stand-in, unless both parts are installed or it is imported."""
    if "sudachipy" in sys.modules or is_installed():
        yield
        return
    sys.modules["sudachipy"] = _module()
    try:
        yield
    finally:
        del sys.modules["sudachipy"]


def _module() -> ModuleType:
    split_mode = SimpleNamespace(A="A", B="B", C="C")
    tokenizer = SimpleNamespace(Tokenizer=type("Tokenizer", (), {"SplitMode": split_mode}))
    module = ModuleType("sudachipy")
    vars(module).update(dictionary=SimpleNamespace(Dictionary=_Dictionary), tokenizer=tokenizer)
    return module
