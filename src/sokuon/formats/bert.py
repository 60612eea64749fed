"""A converted BERT on disk: bert.json, the vocabulary, and what the relative positions mean."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sokuon.errors import VoiceError, VoiceNotFoundError

I64 = npt.NDArray[np.int64]

FORMAT = 3

MANIFEST = "bert.json"

WEIGHTS = "bert.weights"

VOCABULARY = "vocab.txt"

EMBEDDINGS = "embeddings"  # name of the table in the weights file

_SPECIAL = {"cls": "[CLS]", "sep": "[SEP]", "unknown": "[UNK]"}


@dataclass(frozen=True)
class Manifest:
    """What bert.json says. `source` is the name of the folder it was converted from."""

    precision: str
    hidden_size: int
    layers: int
    vocab_size: int
    position_buckets: int
    max_position: int
    conv_kernel: int
    heads: int
    head_size: int
    intermediate_size: int
    norm_epsilon: float
    source: str
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Save as bert.json in `folder`."""
        (folder / MANIFEST).write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read bert.json. Raises VoiceNotFoundError or VoiceError."""
        path = folder / MANIFEST
        if not path.is_file():
            raise VoiceNotFoundError(f"{path} does not exist; convert the BERT with `sokuon convert`.")
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if data["format"] != FORMAT:
                raise VoiceError(f"{path} has format {data['format']}, this version reads {FORMAT}; convert it again.")
            return cls(**data)
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, VoiceError):
                raise
            raise VoiceError(f"{path} is damaged ({error}); convert the BERT again.") from error


class Vocabulary:
    """One id per character; the file has one token per line, its number is the id."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise VoiceNotFoundError(f"{path} does not exist; convert the BERT again.")
        tokens = path.read_text(encoding="utf-8").replace("\r\n", "\n").removesuffix("\n").split("\n")
        self._ids = {token: i for i, token in enumerate(tokens)}
        missing = [token for token in _SPECIAL.values() if token not in self._ids]
        if missing:
            raise VoiceError(f"{path} has no {missing[0]}; it is not the vocabulary of a character BERT.")
        self.cls, self.sep, self.unknown = (self._ids[token] for token in _SPECIAL.values())

    def __len__(self) -> int:
        return len(self._ids)

    def encode(self, text: str) -> I64:
        """C characters → C + 2 ids, whatever they are: one that is unknown or folds to several is [UNK]."""
        ids = [self._ids.get(fold(character), self.unknown) for character in text]
        return np.array([self.cls, *ids, self.sep], np.int64)


def fold(character: str) -> str:
    """A character as the vocabulary spells it (full-width Latin becomes ASCII, and so on)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFC", character))


def relative_rows(length: int, manifest: Manifest) -> I64:
    """Row of the relative tables for every distance -length … length - 1."""
    reach = manifest.position_buckets
    return bucket(np.arange(-length, length), reach, manifest.max_position) + reach


def bucket(distance: I64, buckets: int, max_position: int) -> I64:
    """Relative position → bucket in ±`buckets`: exact up to half of them, then logarithmic (spec model-bert 3)."""
    half = buckets // 2
    far = np.maximum(np.abs(distance), half) / half
    steps = np.ceil(np.log(far) / np.log((max_position - 1) / half) * (half - 1)).astype(np.int64) + half
    signed = np.where(np.abs(distance) <= half, distance, np.sign(distance) * steps)
    return np.clip(signed, -buckets, buckets).astype(np.int64)
