"""The user dictionary under VOICEVOX's ids: every word has a UUID that stays, also when its surface is changed.

The words are those of `sokuon dict`; a small file beside the presets keeps the ids of words whose surface changed.
"""

from __future__ import annotations

import json
import threading
import unicodedata
import uuid
from pathlib import Path
from typing import Any

from sokuon.errors import DictionaryError
from sokuon.server.errors import RequestError
from sokuon.server.voicevox.models import Word
from sokuon.storage.files import write_atomically
from sokuon.text.dictionary import WORD_TYPES, DictionaryWord, UserDictionary
from sokuon.text.morae import count_morae

_NAMESPACE = uuid.UUID("5a1d3a35-31b4-5d1e-8f0c-2f8a6a0b9d42")
_MOST = 20_000


class Words:
    """Thread-safe."""

    def __init__(self, dictionary: UserDictionary, ids: Path) -> None:
        self._dictionary, self._path, self._lock = dictionary, ids, threading.RLock()

    def all(self, lists: bool) -> dict[str, dict[str, Any]]:
        """uuid → word; `lists`: as AivisSpeech gives compound words."""
        with self._lock:
            names = {surface: number for number, surface in self._ids().items()}
            words = self._dictionary.words()
            return {names.get(word.surface, _own_id(word.surface)): _shown(word, lists) for word in words}

    def add(self, word: DictionaryWord) -> str:
        """Its uuid."""
        with self._lock:
            if len(self._dictionary.words()) >= _MOST:
                raise RequestError(422, f"The dictionary has {_MOST} words; delete some.")
            self._dictionary.add(word)
            names = {surface: number for number, surface in self._ids().items()}
            return names.get(word.surface, _own_id(word.surface))

    def replace(self, number: str, word: DictionaryWord) -> None:
        """Change the word of an id. Raises RequestError (422)."""
        with self._lock:
            before = self._surface(number)
            self._dictionary.add(word)
            if word.surface != before:
                self._dictionary.remove(before)
                self._save({**self._ids(), number: word.surface})

    def delete(self, number: str) -> None:
        """Raises RequestError (422)."""
        with self._lock:
            self._dictionary.remove(self._surface(number))
            self._save({own: surface for own, surface in self._ids().items() if own != number})

    def import_all(self, words: dict[str, Word], override: bool) -> None:
        """Add words under their ids; those that are there already stay unless `override`."""
        with self._lock:
            known = {word.surface for word in self._dictionary.words()}
            read = {_checked_id(number): as_word(word) for number, word in words.items()}
            new = {number: word for number, word in read.items() if override or word.surface not in known}
            if len(known) + len(new) > _MOST:
                raise RequestError(422, f"The dictionary would have more than {_MOST} words.")
            self._dictionary.add(*new.values())
            self._save({**self._ids(), **{number: word.surface for number, word in new.items()}})

    def _surface(self, number: str) -> str:
        number = _checked_id(number)
        surface = self._ids().get(number)
        for word in self._dictionary.words():
            if word.surface == surface or (surface is None and _own_id(word.surface) == number):
                return word.surface
        raise RequestError(422, "No word has this UUID.")

    def _ids(self) -> dict[str, str]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(k): str(v) for k, v in found.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError) as error:
            raise DictionaryError(f"{self._path.name} cannot be read; delete it.") from error

    def _save(self, ids: dict[str, str]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path, json.dumps(ids, ensure_ascii=False).encode())


def make_word(
    surfaces: list[str], readings: list[str], accents: list[int], word_type: str | None, priority: int | None
) -> DictionaryWord:
    """One word of one part, or of several that are joined: the accent falls where the last part that has one says.

    Raises RequestError, DictionaryError (both 422).
    """
    if not len(surfaces) == len(readings) == len(accents):
        raise RequestError(422, "surface, pronunciation and accent_type must be as many.")
    if any(c in part for part in surfaces for c in ',"\n\r\0'):
        raise RequestError(422, "A surface holds a comma, a quotation mark or a line break.")
    before, accent = 0, 0
    for reading, own in zip(readings, accents, strict=True):
        if not 0 <= own <= count_morae(reading):
            raise RequestError(422, "An accent_type is not between 0 and the number of morae.")
        accent = before + own if own else accent
        before += count_morae(reading)
    surface = unicodedata.normalize("NFKC", "".join(surfaces))
    return DictionaryWord(
        surface, "".join(readings), accent, word_type or "PROPER_NOUN", 5 if priority is None else priority
    )


def as_word(word: Word) -> DictionaryWord:
    """An imported word, in either shape."""
    readings = word.pronunciation if isinstance(word.pronunciation, list) else [word.pronunciation]
    accents = word.accent_type if isinstance(word.accent_type, list) else [word.accent_type]
    kind = word.word_type or _kind(word)
    return make_word([word.surface, *[""] * (len(readings) - 1)], readings, accents, kind, word.priority)


def _kind(word: Word) -> str:
    pos = f"{word.part_of_speech},{word.part_of_speech_detail_1}"
    return next((name for name, kind in WORD_TYPES.items() if kind.pos.startswith(pos)), "PROPER_NOUN")


def _shown(word: DictionaryWord, lists: bool) -> dict[str, Any]:
    kind, morae = WORD_TYPES[word.word_type], count_morae(word.reading)
    pos = kind.pos.split(",")
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in word.surface)
    shown: dict[str, Any] = {
        "surface": wide, "priority": word.priority, "context_id": kind.context_id, "part_of_speech": pos[0],
        "part_of_speech_detail_1": pos[1], "part_of_speech_detail_2": pos[2], "part_of_speech_detail_3": pos[3],
        "inflectional_type": "*", "inflectional_form": "*", "stem": "*", "yomi": word.reading,
        "pronunciation": word.reading, "accent_type": word.accent, "mora_count": morae,
        "accent_associative_rule": "*",
    }  # fmt: skip
    if lists:
        shown |= {key: [shown[key]] for key in ("stem", "yomi", "pronunciation", "accent_type", "mora_count")}
        shown["word_type"] = word.word_type
    return shown


def _own_id(surface: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, surface))


def _checked_id(number: str) -> str:
    try:
        return str(uuid.UUID(number))
    except ValueError:
        raise RequestError(422, "This is no UUID.") from None
