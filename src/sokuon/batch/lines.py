"""From a row of a table to a line that can be spoken, with everything that decides its sound."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sokuon.batch.tables import Row
from sokuon.errors import OptionError, SokuonError, TextError, shown
from sokuon.options import OptionChanges, SynthesisOptions, written_phonemes, written_tones

_LONGEST_ID_BYTES = 200  # a file's name has 255, and gets a suffix
_KANJI = re.compile("[一-鿿々]")
_PHONES_OF_KANJI, _PHONES_OF_OTHERS = 3.1, 1.8  # least squares over the 139 texts of bench/; correlation 0.997


@dataclass(frozen=True)
class Line:
    """What is to be spoken: `number` is that of its row, `voice` a folder, file or address (None: the default one).

    `options` always have a seed and never a voice.
    """

    number: int
    id: str
    text: str
    options: SynthesisOptions
    voice: str | None = None

    @property
    def phones(self) -> float:
        """See `phones_of`."""
        return phones_of(self.text)


@dataclass(frozen=True)
class Problem:
    """A row that is no line: why, as a sentence."""

    number: int
    id: str
    message: str


@dataclass(frozen=True)
class Defaults:
    """What holds where a row says nothing; `seed` is mixed with the id of each line."""

    options: SynthesisOptions
    seed: int = 0


def lines_of(rows: Iterable[Row], defaults: Defaults) -> Iterator[Line | Problem]:
    """Each row as a line, or why it is none; the second of two rows with one id is none."""
    taken: dict[str, int] = {}
    for row in rows:
        id = _text(row.values.get("id")) or f"{row.number:06d}"
        try:
            if row.problem is not None:
                raise TextError(row.problem)
            check_id(id)
            line = line_of(row.number, id, row.values, defaults)
            if id in taken:
                raise OptionError(f"its id {shown(id)} is that of row {taken[id]}; ids must differ.")
        except SokuonError as error:
            yield Problem(row.number, id, str(error))
            continue
        taken[id] = row.number
        yield line


def phones_of(text: str) -> float:
    """About how many phones a text has: what it costs, for order, batches and progress, without reading it."""
    kanji = len(_KANJI.findall(text))
    return 1 + _PHONES_OF_KANJI * kanji + _PHONES_OF_OTHERS * (len(text) - kanji)


def unused_columns(values: Mapping[str, object]) -> list[str]:
    """Names that no line has a use for."""
    return sorted(str(name) for name in values if name not in _READERS and name not in ("id", "text", "voice"))


def seed_of(id: str, seed: int = 0) -> int:
    """The seed of a line that names none: by its id, so that neither order nor neighbours change its sound."""
    return int.from_bytes(hashlib.sha256(f"{seed}\n{id}".encode()).digest()[:8], "big") >> 1


def line_of(number: int, id: str, values: Mapping[str, object], defaults: Defaults) -> Line:
    """A line by the columns of its row. Raises TextError, OptionError."""
    text = _text(values.get("text"))
    if text is None:
        raise TextError("it has no text.")
    changes: dict[str, Any] = {"seed": seed_of(id, defaults.seed)}
    for name, read in _READERS.items():
        value = values.get(name)
        if value is not None and value != "":
            changes[name] = read(name, value)
    return Line(number, id, text, defaults.options.changed(**changes), _text(values.get("voice")))


def check_id(id: str) -> None:
    """Raise OptionError unless a file can have this name."""
    if id.startswith(".") or any(char in '/\\:*?"<>|' or not char.isprintable() for char in id):
        raise OptionError(f"its id {shown(id)} cannot be a file's name; leave out / \\ : * ? \" < > | and a first dot.")
    if len(id.encode(errors="replace")) > _LONGEST_ID_BYTES:
        raise OptionError(f"its id {shown(id)} is too long for a file's name; {_LONGEST_ID_BYTES} bytes are the most.")


def _text(value: object) -> str | None:
    """A cell as text; None for an empty one. Numbers are their digits: a column of ids often holds them."""
    text = "" if value is None else str(value)
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise TextError("it holds half of a character.")
    return text if text.strip() else None


def _speaker(name: str, value: object) -> str | int:
    return value if isinstance(value, int) else _name(name, value)


def _name(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise OptionError(f"{name} is {shown(value)}; it must be a text.")
    return value


def _number(name: str, value: object) -> object:
    if not isinstance(value, str):
        return value  # whether it is a number is seen where all options are checked
    try:
        return float(value)
    except ValueError:
        raise OptionError(f"{name} is {shown(value)}; it must be a number.") from None


def _whole(name: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    if not (value.isascii() and value.isdecimal() and len(value) < 40):
        raise OptionError(f"{name} is {shown(value)}; it must be a whole number.")
    return int(value)


def _truth(name: str, value: object) -> object:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    if isinstance(value, bool):
        return value
    raise OptionError(f"{name} is {shown(value)}; it must be true or false.")


def _symbols(_: str, value: object) -> object:
    """A text or a list."""
    return written_phonemes(value) if isinstance(value, str) else value


def _tones(_: str, value: object) -> object:
    """A text or a list."""
    return written_tones(value) if isinstance(value, str) else value


def _seconds(name: str, value: object) -> object:
    """ "0.1 - 0.05" or a list; - is as the voice has it."""
    if not isinstance(value, str):
        return value
    return [None if part == "-" else _number(name, part) for part in value.replace(",", " ").split()]


_READERS: dict[str, Callable[[str, object], object]] = {
    **dict.fromkeys(OptionChanges.__annotations__.keys() - {"voice"}, _number),
    "speaker": _speaker,
    "style": _name,
    "assist_text": _name,
    "seed": _whole,
    "normalize": _truth,
    "phonemes": _symbols,
    "tones": _tones,
    "durations": _seconds,
}
