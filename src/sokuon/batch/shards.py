"""Many sounds in one file: WebDataset's tar, or Parquet with encoded audio as Hugging Face's `datasets` reads it.

The same lines give the same bytes: members in the order of the table, no times, no owners.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from sokuon.batch.lines import Line
from sokuon.batch.tables import load_pyarrow

Sounds = Sequence[tuple[Line, Path, Mapping[str, Any]]]  # line, file of its sound, what is known of it

_ROWS_AT_ONCE = 100  # of a row group, in memory
_FEATURES = {  # how `datasets.load_dataset` gives each column
    "id": {"dtype": "string", "_type": "Value"},
    "text": {"dtype": "string", "_type": "Value"},
    "audio": {"_type": "Audio"},
    "voice": {"dtype": "string", "_type": "Value"},
    "seed": {"dtype": "string", "_type": "Value"},
    "seconds": {"dtype": "float64", "_type": "Value"},
    "sample_rate": {"dtype": "int32", "_type": "Value"},
    "timings": {"dtype": "string", "_type": "Value"},
}


def check(packing: str) -> None:
    """Raise MissingExtraError where a packing needs what is not installed."""
    if packing == "parquet":
        load_pyarrow()


def write_tar(file: BinaryIO, sounds: Sounds) -> None:
    """ID.wav and ID.json for each line; a dot in an id, which would end WebDataset's key, is written %2E."""
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for line, path, row in sounds:
            name = line.id.replace("%", "%25").replace(".", "%2E")
            _add(tar, f"{name}{path.suffix}", path.read_bytes())
            _add(tar, f"{name}.json", json.dumps(row, ensure_ascii=False).encode())


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def write_parquet(file: BinaryIO, sounds: Sounds) -> None:
    """A row for each line: `audio` is {bytes, path}; `timings` are sentences and phonemes as JSON."""
    pyarrow, parquet = load_pyarrow()
    audio = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    types = {"audio": audio, "seconds": pyarrow.float64(), "sample_rate": pyarrow.int32()}
    schema = pyarrow.schema(
        [(name, types.get(name, pyarrow.string())) for name in _FEATURES],
        {"huggingface": json.dumps({"info": {"features": _FEATURES}})},
    )
    with parquet.ParquetWriter(file, schema) as writer:
        for begin in range(0, len(sounds), _ROWS_AT_ONCE):
            rows = [_row(*sound) for sound in sounds[begin : begin + _ROWS_AT_ONCE]]
            writer.write_table(pyarrow.Table.from_pylist(rows, schema))


def _row(line: Line, path: Path, row: Mapping[str, Any]) -> dict[str, Any]:
    timings = {name: row[name] for name in ("sentences", "phonemes") if name in row}
    return {
        "id": line.id, "text": line.text, "audio": {"bytes": path.read_bytes(), "path": f"{line.id}{path.suffix}"},
        "voice": line.voice, "seed": str(line.options.seed), "seconds": row["seconds"],
        "sample_rate": row["sample_rate"], "timings": json.dumps(timings, ensure_ascii=False),
    }  # fmt: skip


WRITERS: dict[str, Callable[[BinaryIO, Sounds], None]] = {"tar": write_tar, "parquet": write_parquet}
