"""JSON as files bring it: what a dataclass declares is read, anything else is a ValueError, soon."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sokuon.storage.records import MOST_BYTES, build, parse_record, read_record


@dataclass(frozen=True)
class Inner:
    size: int = 3


@dataclass(frozen=True)
class Record:
    name: str
    rows: Mapping[str, int]
    lists: tuple[tuple[int, ...], ...] = ()
    factor: float = 1.0
    flag: bool = False
    kind: str | int | None = None
    inner: Inner = Inner()


WHOLE = {
    "name": "声",
    "rows": {"a": 0},
    "lists": [[1, 2], []],
    "factor": 2,
    "flag": True,
    "kind": "1",
    "inner": {"size": 4},
}


def test_a_record_is_read_as_declared() -> None:
    assert build(Record, WHOLE) == Record("声", {"a": 0}, ((1, 2), ()), 2.0, True, "1", Inner(4))
    assert build(Record, {"name": "", "rows": {}}) == Record("", {})
    assert [build(Record, WHOLE | {"kind": kind}).kind for kind in (5, None)] == [5, None]


def test_unknown_keys_are_refused_or_left_out() -> None:
    more = WHOLE | {"extra": [1]}
    with pytest.raises(ValueError, match="key 'extra' is unknown"):
        build(Record, more)
    assert build(Record, more, strict=False) == build(Record, WHOLE)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", 5),
        ("name", None),
        ("name", "x" * 10_001),
        ("name", "\ud800"),
        ("rows", []),
        ("rows", {"a": True}),
        ("rows", {"a": 1.0}),
        ("rows", {"a": 2**31}),
        ("rows", {"\ud800": 0}),
        ("lists", [[1], 2]),
        ("lists", "12"),
        ("factor", "1"),
        ("factor", True),
        ("flag", 1),
        ("kind", 1.5),
        ("kind", []),
        ("inner", None),
        ("inner", {"size": "3"}),
        ("inner", {"sizes": 3}),
    ],
)
def test_other_types_are_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=key):
        build(Record, WHOLE | {key: value})


@pytest.mark.parametrize("data", [None, [], "x", 5, {}, {"name": "x"}])
def test_what_is_no_record_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match=r"an object is needed|is missing"):
        build(Record, data)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe{}",
        b"NaN",
        b"[Infinity]",
        b"[-Infinity]",
        b"[1e999]",
        b"[-1e400]",
        b"9" * 5000,
        b"1" + b"0" * 400,
        b"[" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
    ids=range(12),
)
def test_text_that_is_no_record_is_refused(text: bytes) -> None:
    begun = time.monotonic()
    with pytest.raises(ValueError, match=r"Expecting|decode|is no number|is too large|nested too deeply"):
        parse_record(text)
    assert time.monotonic() - begun < 1


def test_large_files_are_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(ValueError, match="more than"):
        read_record(tmp_path / "a.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(key=st.sampled_from(list(WHOLE)), value=JSON)
def test_any_value_is_read_or_refused(key: str, value: Any) -> None:
    try:
        record = build(Record, WHOLE | {key: value})
    except ValueError:
        return
    json.dumps(record.rows).encode()
    record.name.encode()
