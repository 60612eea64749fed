"""The user dictionary: words whose reading and accent the user decides, kept in a JSON file.

Words in kana and kanji go into OpenJTalk's own analysis, which weighs them against its dictionary by priority; words
with Latin letters, digits or signs are replaced before the reading rules could take them apart.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sokuon.errors import DictionaryError
from sokuon.storage.files import write_atomically
from sokuon.storage.forking import ForkSafeLock
from sokuon.storage.locks import locked
from sokuon.text.kana import is_pronunciation, to_katakana
from sokuon.text.morae import count_morae

if TYPE_CHECKING:
    from sokuon.text.words import Forced

DEFAULT_PRIORITY = 8
_PLAIN = "[ぁ-ゖァ-ヺー一-鿿㐀-䶿々〇]+"


@dataclass(frozen=True)
class WordType:
    """How OpenJTalk classes a word, and its cost for each priority from 10 down to 0 (lower wins)."""

    context_id: int
    pos: str
    costs: tuple[int, ...]


WORD_TYPES: dict[str, WordType] = {
    "PROPER_NOUN": WordType(
        1348, "名詞,固有名詞,一般,*", (-988, 3488, 4768, 6048, 7328, 8609, 8734, 8859, 8984, 9110, 14176)
    ),
    "COMMON_NOUN": WordType(1345, "名詞,一般,*,*", (-4445, 49, 1473, 2897, 4321, 5746, 6554, 7362, 8170, 8979, 15001)),
    "VERB": WordType(642, "動詞,自立,*,*", (3100, 6160, 6360, 6561, 6761, 6962, 7414, 7866, 8318, 8771, 13433)),
    "ADJECTIVE": WordType(20, "形容詞,自立,*,*", (1527, 3266, 3561, 3857, 4153, 4449, 5149, 5849, 6549, 7250, 10001)),
    "SUFFIX": WordType(
        1358, "名詞,接尾,一般,*", (4399, 5373, 6041, 6710, 7378, 8047, 9440, 10834, 12228, 13622, 15847)
    ),
}
_PLACE_AND_PERSON_TYPES = frozenset(
    ["LOCATION_NAME", "ORGANIZATION_NAME", "PERSON_NAME", "PERSON_FAMILY_NAME", "PERSON_GIVEN_NAME"]
)


@dataclass(frozen=True)
class DictionaryWord:
    """One entry. Raises `DictionaryError` if it cannot be spoken."""

    surface: str
    """As written in texts."""
    reading: str
    """Katakana as pronounced; hiragana is accepted and changed."""
    accent: int = 0
    """The pitch falls after this mora; 0 is flat."""
    word_type: str = "PROPER_NOUN"
    """One of `WORD_TYPES`."""
    priority: int = DEFAULT_PRIORITY
    """0 to 10: how strongly the word is preferred to others."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "surface", self.surface.strip())
        object.__setattr__(self, "reading", to_katakana(self.reading.strip()))
        if self.word_type in _PLACE_AND_PERSON_TYPES:
            object.__setattr__(self, "word_type", "PROPER_NOUN")
        problem = self._problem()
        if problem:
            raise DictionaryError(f"The dictionary word {self.surface!r} {problem}")

    def _problem(self) -> str | None:
        if not self.surface or len(self.surface) > 60 or any(unicodedata.category(c)[0] == "C" for c in self.surface):
            return "must have 1 to 60 characters, none of them control characters."
        if not is_pronunciation(self.reading):
            return f"has the reading {self.reading!r}: give it in katakana, such as タンタンメン."
        moras = count_morae(self.reading)
        if not 0 <= self.accent <= moras:
            return f"has the accent {self.accent}: its reading has {moras} morae, so give 0 (flat) to {moras}."
        if self.word_type not in WORD_TYPES:
            return f"has the type {self.word_type!r}: use one of {', '.join(WORD_TYPES)}."
        if not 0 <= self.priority <= 10:
            return f"has the priority {self.priority}: give 0 to 10."
        return None

    @property
    def is_plain(self) -> bool:
        """True if OpenJTalk sees the surface as it stands: only kana and kanji."""
        return bool(re.fullmatch(_PLAIN, self.surface))

    def csv(self) -> str:
        """The row of a MeCab dictionary source."""
        kind = WORD_TYPES[self.word_type]
        context = f"{kind.context_id},{kind.context_id},{kind.costs[10 - self.priority]}"
        accent = f"{self.accent}/{count_morae(self.reading)}"
        return f"{self.surface},{context},{kind.pos},*,*,{self.surface},{self.reading},{self.reading},{accent},*"


class UserDictionary:
    """Words by surface. Thread-safe; with a path, shared with other processes through the file.

    With `follow` the file is looked at whenever `version` or `words` are, and what others wrote counts from then on.
    """

    def __init__(self, path: Path | None = None, *, follow: bool = False) -> None:
        self._path, self._follow = path, follow
        self._seen: tuple[int, int, int] | None = None
        self._lock = ForkSafeLock()
        self._words: dict[str, DictionaryWord] = {}
        self._version = 0
        if path is not None:
            self.reload()

    @property
    def version(self) -> int:
        """Grows with each change: what was made from the words is stale when it differs."""
        self._look()
        return self._version

    def words(self) -> tuple[DictionaryWord, ...]:
        """All words, in the order they were added."""
        self._look()
        with self._lock:
            return tuple(self._words.values())

    def reload(self) -> None:
        """Read the file again; none is an empty dictionary."""
        with self._lock:
            seen = _state(self._path)
            words = _read(self._path) if self._path and seen else []
            self._seen = seen
            self._words = {word.surface: word for word in words}
            self._version += 1

    def _look(self) -> None:
        """Follow the file; one that cannot be read changes nothing, as another program may be in the middle of it."""
        if self._follow and _state(self._path) != self._seen:
            with suppress(DictionaryError):
                self.reload()

    def add(self, *words: DictionaryWord) -> None:
        """Add words, replacing those of the same surface."""
        with self._change() as own:
            own.update((word.surface, word) for word in words)

    def remove(self, surface: str) -> None:
        """Remove a word; `DictionaryError` if there is none."""
        with self._change() as own:
            if own.pop(surface, None) is None:
                raise DictionaryError(f"The dictionary has no word {surface!r}: see `sokuon dict list`.")

    def import_file(self, path: Path) -> int:
        """Add the words of another dictionary (ours, VOICEVOX's or Style-Bert-VITS2's JSON); how many there were."""
        words = _read(path)
        self.add(*words)
        return len(words)

    def export_file(self, path: Path) -> int:
        """Write all words to another file; how many there are."""
        words = self.words()
        write_atomically(path, _json(words))
        return len(words)

    @contextmanager
    def _change(self) -> Iterator[dict[str, DictionaryWord]]:
        """A copy of the words as they stand in the file, to change; it counts once it is written, and not at all if
        anything is raised."""
        with self._lock:
            if self._path is None:
                own = dict(self._words)
                yield own
            else:
                with locked(self._path):
                    self.reload()
                    own = dict(self._words)
                    yield own
                    write_atomically(self._path, _json(own.values()))
            self._words = own
            self._version += 1

    def given(self) -> dict[str, Forced]:
        """Words to be replaced before any rule, in each width they may be written in."""
        from sokuon.text.words import Forced

        words: dict[str, Forced] = {}
        for word in self.words():
            if not word.is_plain:
                forced = Forced(word.surface, word.reading, word.accent)
                folded = unicodedata.normalize("NFKC", word.surface)
                words.update(dict.fromkeys((word.surface, folded, _full_width(folded)), forced))
        return words

    def csv(self) -> str:
        """MeCab dictionary source of the words that OpenJTalk itself is to find; empty if there are none."""
        return "".join(word.csv() + "\n" for word in self.words() if word.is_plain)


def _state(path: Path | None) -> tuple[int, int, int] | None:
    """What differs once a file has been written anew; None where there is none."""
    try:
        state = path.stat() if path else None
    except OSError:
        return None
    return (state.st_ino, state.st_mtime_ns, state.st_size) if state else None


def _full_width(text: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text)


def _json(words: Iterable[DictionaryWord]) -> bytes:
    return (json.dumps({"words": [asdict(word) for word in words]}, ensure_ascii=False, indent=1) + "\n").encode()


def _read(path: Path) -> list[DictionaryWord]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        entries = content["words"] if set(content) == {"words"} else list(content.values())
        return [_entry(entry) for entry in entries]
    except OSError as error:
        raise DictionaryError(f"{path} cannot be read ({error.strerror}): check the path.") from error
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
        if isinstance(error, DictionaryError):
            raise
        what = str(error) if isinstance(error, ValueError) else "an entry lacks a field, or one has a wrong type"
        raise DictionaryError(
            f"{path} is no dictionary ({what}): give a JSON file of Sokuon, VOICEVOX or Style-Bert-VITS2."
        ) from error


def _entry(entry: dict[str, Any]) -> DictionaryWord:
    """An entry of ours, or of VOICEVOX and Style-Bert-VITS2 (id -> pronunciation, accent_type, priority or cost)."""
    if "reading" in entry:
        return DictionaryWord(**entry)
    kind = _foreign_type(entry)
    priority = entry.get("priority")
    return DictionaryWord(
        surface=unicodedata.normalize("NFKC", entry["surface"]),
        reading=entry["pronunciation"],
        accent=int(entry["accent_type"]),
        word_type=kind,
        priority=int(priority) if priority is not None else _priority(entry.get("cost"), kind),
    )


def _foreign_type(entry: dict[str, Any]) -> str:
    kind = entry.get("word_type")
    if kind:
        return str(kind)
    pos = f"{entry.get('part_of_speech')},{entry.get('part_of_speech_detail_1')}"
    return next((name for name, own in WORD_TYPES.items() if own.pos.startswith(pos)), "PROPER_NOUN")


def _priority(cost: int | None, kind: str) -> int:
    """The priority whose cost is nearest."""
    if cost is None or kind not in WORD_TYPES:
        return 5
    costs = WORD_TYPES[kind].costs
    return 10 - min(range(11), key=lambda place: abs(costs[place] - cost))
