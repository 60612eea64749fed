"""Where the built-in voice and its BERT lie."""

from __future__ import annotations

from pathlib import Path

BUILTIN = Path(__file__).parents[1] / "builtin"
