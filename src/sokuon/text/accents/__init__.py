"""Accents that OpenJTalk's analysis lacks: rules over its words (rules.py), applied to its phrases (phrases.py)."""

from __future__ import annotations

from sokuon.text.accents.apply import improve

__all__ = ["improve"]
