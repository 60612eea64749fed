"""JSON from files that people download: bounded in size and depth, numbers finite, types as a dataclass declares them.

Everything that a file can hold instead of what it should ends as a ValueError with a place and a reason; whoever knows
which file it is makes a sentence of it.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Hashable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

MOST_BYTES = 4_000_000  # of a manifest; those of 100,000 styles are smaller
_MOST_DIGITS = 18  # of a whole number: it fits into 64 bits
_LARGEST = 2**31 - 1  # of a whole number that a dataclass takes; C++ counts in 32 bits
_MOST_CHARACTERS = 10_000
_SURROGATE = b"\\ud"

T = TypeVar("T")


def read_record(path: Path, most_bytes: int = MOST_BYTES) -> Any:
    """What a JSON file holds. Raises OSError or ValueError."""
    with path.open("rb") as file:
        text = file.read(most_bytes + 1)
    if len(text) > most_bytes:
        raise ValueError(f"it has more than {most_bytes} bytes")
    return parse_record(text)


def parse_record(text: bytes) -> Any:
    """JSON in UTF-8 whose numbers are finite and fit into 64 bits, and whose text is whole. Raises ValueError."""
    try:
        value = json.loads(
            text.decode("utf-8-sig"), parse_int=_whole, parse_float=_finite, parse_constant=_refuse_constant
        )
        if _SURROGATE in text.lower():  # half of a pair could neither be printed nor saved
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def build(kind: type[T], data: Any, *, strict: bool = True) -> T:
    """A dataclass from a JSON object by its annotations; `strict` refuses keys that it does not declare.

    Whole numbers lie within 32 bits, lists become tuples, nothing is converted silently. Raises ValueError.
    """
    if not isinstance(data, dict):
        raise ValueError(f"an object is needed instead of {_shown(data)}")
    types, required = _declared(cast(Hashable, kind))
    missing, unknown = required - data.keys(), data.keys() - types.keys() if strict else ()
    if missing or unknown:
        raise ValueError(f"key {_shown(min(missing or unknown))} is {'missing' if missing else 'unknown'}")
    known = {name: value for name, value in data.items() if name in types}
    return kind(**{name: _value(types[name], value, name, strict) for name, value in known.items()})


@functools.cache
def _declared(kind: Any) -> tuple[dict[str, Any], frozenset[str]]:
    """Types of a dataclass's fields, and which of them have no default."""
    hints = get_type_hints(kind)
    required = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}
    return {f.name: hints[f.name] for f in fields(kind)}, frozenset(required)


def _value(wanted: Any, value: Any, place: str, strict: bool) -> Any:
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin in (Union, UnionType):
        return _one_of(inner, value, place, strict)
    if is_dataclass(wanted) and isinstance(wanted, type):
        return _nested(wanted, value, place, strict)
    if origin is tuple and isinstance(value, list):
        return tuple(_value(inner[0], item, place, strict) for item in value)
    if origin is Mapping and isinstance(value, dict):
        return {_value(str, k, place, strict): _value(inner[1], item, place, strict) for k, item in value.items()}
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted or not _in_range(value):
        name = wanted.__name__ if origin is None else str(wanted)
        raise ValueError(f"{place} is {_shown(value)}, which is no {name} that it can be")
    return value


def _one_of(choices: tuple[Any, ...], value: Any, place: str, strict: bool) -> Any:
    reason = ValueError()
    for choice in choices:
        try:
            return _value(choice, value, place, strict)
        except ValueError as error:
            reason = error
    raise reason


def _nested(kind: type, value: Any, place: str, strict: bool) -> Any:
    try:
        return build(kind, value, strict=strict)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def _in_range(value: Any) -> bool:
    if type(value) is int:
        return -_LARGEST <= value <= _LARGEST
    if type(value) is str:  # half a surrogate pair can neither be printed nor saved
        return len(value) <= _MOST_CHARACTERS and not any("\ud800" <= c <= "\udfff" for c in value)
    return True


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"the number {digits[:_MOST_DIGITS]}… is too large")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the number {digits[:_MOST_DIGITS]} is too large")
    return number


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _shown(value: Any) -> str:
    """A value as a message shows it: short, whatever it is."""
    if isinstance(value, (list, dict)):
        return f"a {'list' if isinstance(value, list) else 'object'} of {len(value)}"
    text = json.dumps(value) if not isinstance(value, str) else ascii(value[:60])
    return text[:60]
