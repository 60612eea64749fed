"""Where the built-in voice and its BERT lie."""

from __future__ import annotations

from pathlib import Path

BUILTIN = Path(__file__).parents[1] / "builtin"  # voice and bert-q8 are converted, by training/ship_builtin.py


def builtin_bert(precision: str) -> Path:
    """The built-in voice's BERT: at q8 converted, so that it speaks without a cache; else as it was published."""
    return BUILTIN / ("bert-q8" if precision == "q8" else "bert")
