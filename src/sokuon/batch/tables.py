"""Tables of lines on disk: JSONL, CSV, TSV, Parquet, or a text with a line each. A row that cannot be read is a row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sokuon.errors import OptionError, TextError, missing_extra, shown
from sokuon.storage.records import parse_record
from sokuon.text.encodings import content, decoded

_MOST_MB = 2_000  # of a table that is read as a whole
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Row:
    """A row of a table: `number` counts from 1, in a text its lines; `problem` says why there are no values."""

    number: int
    values: Mapping[str, object] = field(default_factory=dict)
    problem: str | None = None


def read_table(path: Path, encoding: str | None = None) -> Iterator[Row]:
    """The rows of a table; its kind is that of the suffix (.jsonl, .ndjson, .csv, .tsv, .parquet; else a text).

    The encoding of CSV, TSV and texts is found out unless given; JSONL is UTF-8 unless given. Raises TextError for a
    file that cannot be read, OptionError for an unknown encoding, MissingExtraError for Parquet without pyarrow.
    """
    kind = path.suffix.lower()
    if kind == ".parquet":
        return _parquet(path)
    data = content(path, _MOST_MB, "split the table, or write it as Parquet")
    if kind in (".jsonl", ".ndjson"):
        return _jsonl(data if encoding is None else decoded(data, encoding, str(path)).encode())
    text = decoded(data, encoding, str(path))
    if kind in (".csv", ".tsv"):
        return _separated(text, "," if kind == ".csv" else "\t")
    return (Row(number, {"text": line}) for number, line in enumerate(text.splitlines(), 1) if line.strip())


def _jsonl(data: bytes) -> Iterator[Row]:
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            values = parse_record(line)
        except ValueError as error:
            yield Row(number, problem=f"it is no JSON: {error}.")
            continue
        if isinstance(values, dict):
            yield Row(number, values)
        else:
            yield Row(number, problem=f"it is {shown(values)}; a JSON object with a text is needed.")


def _separated(text: str, delimiter: str) -> Iterator[Row]:
    """Rows of CSV by the names in its first line; raises OptionError where they lack a text."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names = next(_records(reader), None)
    if names is None or not isinstance(names, list) or "text" not in names:
        known = ", ".join(names) if isinstance(names, list) else "none"
        raise OptionError(f"the table has no column named text in its first line; its columns are {known[:200]}.")
    return _named(reader, names)


def _named(reader: Any, names: list[str]) -> Iterator[Row]:
    for number, cells in enumerate(_records(reader), 1):
        if isinstance(cells, str):
            yield Row(number, problem=f"it is no row of a table: {cells}.")
        elif len(cells) > len(names):
            yield Row(number, problem=f"it has {len(cells)} fields and the table {len(names)} columns; quote the text.")
        else:
            yield Row(number, dict(zip(names, cells, strict=False)))


def _records(reader: Any) -> Iterator[list[str] | str]:
    """Rows that are not empty, or what is wrong with one."""
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield str(error)
            continue
        if cells:
            yield cells


def _parquet(path: Path) -> Iterator[Row]:
    pyarrow, parquet = load_pyarrow()
    try:
        file = parquet.ParquetFile(path)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise TextError(f"{path} cannot be read as Parquet ({error}); check the file.") from error
    if "text" not in file.schema_arrow.names:
        raise OptionError(f"the table has no column named text; its columns are {', '.join(file.schema_arrow.names)}.")
    return _parquet_rows(path, file, pyarrow.ArrowException)


def _parquet_rows(path: Path, file: Any, problem: type[Exception]) -> Iterator[Row]:
    number = 0
    try:
        for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
            for values in batch.to_pylist():
                number += 1
                yield Row(number, values)
    except (OSError, ValueError, problem) as error:
        raise TextError(f"{path} cannot be read from row {number + 1} on ({error}); check the file.") from error


def load_pyarrow() -> tuple[Any, Any]:
    """pyarrow and its module for Parquet. Raises MissingExtraError."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise missing_extra("Parquet needs", "pyarrow", "parquet") from error
    return pyarrow, parquet
