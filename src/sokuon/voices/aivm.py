"""AIVM and AIVMX: a voice in one file, its configuration, style vectors and manifest as metadata of the weights.

Source: spec voice-files section 3. Metadata are read without the weights: of the tensor file's header, or of the
graph's last fields.
"""

from __future__ import annotations

import base64
import binascii
import mmap
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sokuon.errors import VoiceError
from sokuon.formats.protobuf import fields
from sokuon.storage.arrays import parse_array
from sokuon.storage.records import parse_record
from sokuon.storage.tensors import F32

ARCHITECTURE = "Style-Bert-VITS2 (JP-Extra)"
_KEYS = ("aivm_manifest", "aivm_hyper_parameters", "aivm_style_vectors")
_MOST_METADATA_BYTES = 256_000_000  # pictures and samples included
_MOST_STYLES = 4096
_METADATA_PROPS = 14  # field of ModelProto
_KEY, _VALUE = 1, 2  # fields of StringStringEntryProto


@dataclass(frozen=True)
class AivmMetadata:
    """What an AIVM file says besides its weights; `config` is the config.json of its architecture."""

    manifest: Mapping[str, Any]
    config: Mapping[str, Any]
    styles: F32  # [styles, 256]
    speaker_rows: Mapping[str, int]  # speaker → row of the speaker table, in the manifest's order
    style_rows: Mapping[str, int]  # style → row of the style vectors

    @property
    def name(self) -> str:
        """The voice's name."""
        return str(self.manifest.get("name") or "voice")


def read_metadata(path: Path) -> AivmMetadata | None:
    """The metadata of an .aivm, .aivmx, .safetensors or .onnx file; None if it has none of AIVM's.

    Raises VoiceError for damage, and for an architecture that is not JP-Extra.
    """
    try:
        found = dict(_onnx_metadata(path) if is_graph(path) else _tensor_metadata(path))
        if _KEYS[0] not in found:
            return None
        return _parsed(found)
    except VoiceError as error:
        raise VoiceError(f"{path}: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, struct.error, OSError) as error:
        raise VoiceError(f"{path} has damaged AIVM metadata ({error!r}); download it again.") from error


def is_graph(path: Path) -> bool:
    """True for an ONNX file, by its suffix."""
    return path.suffix.lower() in (".aivmx", ".onnx")


def _parsed(found: Mapping[str, str]) -> AivmMetadata:
    manifest = parse_record(found["aivm_manifest"].encode())
    architecture = manifest["model_architecture"]
    if architecture != ARCHITECTURE:
        raise VoiceError(f"its architecture is {architecture!r}; only {ARCHITECTURE} can be converted.")
    if not manifest["speakers"] or not all(speaker["styles"] for speaker in manifest["speakers"]):
        raise VoiceError("its manifest names no speaker, or a speaker without styles.")
    config = parse_record(found["aivm_hyper_parameters"].encode())
    if not isinstance(config, dict):
        raise VoiceError("its hyper-parameters are not a configuration.")
    speakers = manifest["speakers"]
    return AivmMetadata(manifest, config, _style_vectors(found), _rows(speakers), _style_rows(speakers))


def _style_rows(speakers: Any) -> dict[str, int]:
    """A name that speakers use for different rows is told apart by speaker."""
    rows: dict[str, int] = {}
    for speaker in speakers:
        for name, row in _rows(speaker["styles"]).items():
            rows[name if rows.get(name, row) == row else f"{speaker['name']}/{name}"] = row
    return rows


def _style_vectors(found: Mapping[str, str]) -> F32:
    if not found.get("aivm_style_vectors"):
        raise VoiceError("it has no style vectors, which JP-Extra voices need.")
    try:
        data = base64.b64decode(found["aivm_style_vectors"], validate=True)
    except binascii.Error as error:
        raise VoiceError("its style vectors are not Base64.") from error
    vectors = parse_array(data)
    if len(vectors) > _MOST_STYLES:
        raise VoiceError(f"it has {len(vectors)} style vectors; {_MOST_STYLES} are the most.")
    return vectors


def _rows(items: Any) -> dict[str, int]:
    rows = {str(item["name"]): int(item["local_id"]) for item in items}
    if min(rows.values()) < 0:
        raise ValueError("a local_id is negative")
    return rows


def _tensor_metadata(path: Path) -> Iterator[tuple[str, str]]:
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > _MOST_METADATA_BYTES:
            raise ValueError("its header is larger than any voice needs")
        header = parse_record(file.read(length))
    metadata = header.get("__metadata__", {})
    return ((key, metadata[key]) for key in _KEYS if key in metadata)


def _onnx_metadata(path: Path) -> Iterator[tuple[str, str]]:
    """The entries of AIVM among metadata_props."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        total = 0
        for field in fields(data, 0, len(data)):
            if field.number != _METADATA_PROPS:
                continue
            total += field.end - field.begin
            if total > _MOST_METADATA_BYTES:
                raise ValueError("its metadata are larger than any voice needs")
            parts = {f.number: data[f.begin : f.end].decode() for f in fields(data, field.begin, field.end)}
            if parts.get(_KEY) in _KEYS:
                yield parts[_KEY], parts.get(_VALUE, "")
