"""Every error a user can meet: a small family under `SokuonError`, each also the fitting builtin.

A message is one sentence that says what is wrong, where, and what to do about it.
"""

from __future__ import annotations


class SokuonError(Exception):
    """Base of all errors raised on purpose; the command line prints its text and exits with 1."""


class OptionError(SokuonError, ValueError):
    """An option is out of range or contradicts another."""


class TextError(SokuonError, ValueError):
    """Text, markup, or given phonemes and tones cannot be spoken."""


class DictionaryError(SokuonError, ValueError):
    """A user dictionary entry or file is not valid."""


class VoiceError(SokuonError, ValueError):
    """A voice or BERT folder cannot be used: not JP-Extra, damaged, or of another layout."""


class VoiceNotFoundError(VoiceError, FileNotFoundError):
    """A voice or BERT folder, or a file it must hold, does not exist."""


class DownloadError(SokuonError, ConnectionError):
    """A voice or BERT cannot be fetched: no network, no permission, gone, or not what its place promised."""


class WeightError(VoiceError):
    """A tensor is missing, unknown, or of the wrong shape."""


class AudioError(SokuonError, ValueError):
    """Samples cannot be written in the format asked for."""


class MissingExtraError(SokuonError, ImportError):
    """A feature needs an optional dependency that is not installed."""


_SHOWN_CHARACTERS = 80


def missing_extra(need: str, package: str, extra: str) -> MissingExtraError:
    """The error for a library that is not installed: `need` begins the sentence, as in "Markdown needs"."""
    return MissingExtraError(f"{need} {package}; install it with `pip install 'sokuon[{extra}]'`.")


def unspeakable(text: str) -> TextError:
    """The error for a text of signs alone."""
    short = " ".join(text.split())[:20]
    return TextError(f"nothing in {short!r} can be read aloud; kana, kanji, Latin letters and digits can.")


def shown(value: object) -> str:
    """A value in a message: its repr where it has one (long whole numbers have none), cut where it is long."""
    try:
        text = repr(value)
    except Exception:  # any class may have a repr of its own, with any fault
        text = f"a {type(value).__name__} that cannot be shown"
    return printable(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…")


def printable(text: str, allowed: str = "\u3000") -> str:
    """Text from outside, harmless for a terminal: control characters and what reverses a line as their escapes."""
    return "".join(char if char.isprintable() or char in allowed else ascii(char)[1:-1] for char in text)
