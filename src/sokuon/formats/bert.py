"""A converted BERT on disk: bert.json, the vocabulary, and what the relative positions mean."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sokuon.errors import VoiceError, VoiceNotFoundError
from sokuon.formats.manifest import read_manifest

I64 = npt.NDArray[np.int64]

FORMAT = 3

MANIFEST = "bert.json"

WEIGHTS = "bert.weights"

VOCABULARY = "vocab.txt"

EMBEDDINGS = "embeddings"  # name of the table in the weights file

_MOST = 1 << 22
_MOST_TAPS = 1 << 10
_MOST_VOCABULARY_BYTES = 1 << 24

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
        return read_manifest(cls, folder / MANIFEST, FORMAT, "BERT")

    def check(self) -> None:
        """Raise ValueError or VoiceError for values out of range."""
        sizes = (self.hidden_size, self.layers, self.vocab_size, self.heads, self.head_size, self.intermediate_size)
        if min(sizes) < 1 or max(sizes) > _MOST or not 0 < self.norm_epsilon < 1:
            raise ValueError("a size is out of range")
        if not 0 <= self.conv_kernel <= _MOST_TAPS:
            raise ValueError(f"conv_kernel is {self.conv_kernel}")
        check_positions(self.position_buckets, self.max_position)


class Vocabulary:
    """One id per character; the file has one token per line, its number is the id."""

    def __init__(self, path: Path) -> None:
        """Read a vocabulary. Raises VoiceNotFoundError or VoiceError."""
        if not path.is_file():
            raise VoiceNotFoundError(f"{path} does not exist; convert the BERT again.")
        tokens = _lines(path)
        self._count = len(tokens)
        self._ids = {token: i for i, token in enumerate(tokens)}
        missing = [token for token in _SPECIAL.values() if token not in self._ids]
        if missing:
            raise VoiceError(f"{path} has no {missing[0]}; it is not the vocabulary of a character BERT.")
        self.cls, self.sep, self.unknown = (self._ids[token] for token in _SPECIAL.values())

    def __len__(self) -> int:
        return self._count

    def encode(self, text: str) -> I64:
        """C characters → C + 2 ids, whatever they are: one that is unknown or folds to several is [UNK]."""
        ids = [self._ids.get(fold(character), self.unknown) for character in text]
        return np.array([self.cls, *ids, self.sep], np.int64)


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_VOCABULARY_BYTES + 1)
        if len(text) > _MOST_VOCABULARY_BYTES:
            raise ValueError(f"it has more than {_MOST_VOCABULARY_BYTES} bytes")
        return text.decode().replace("\r\n", "\n").removesuffix("\n").split("\n")
    except (OSError, ValueError) as error:
        raise VoiceError(f"{path} is not the vocabulary of a BERT ({error}); take the file of the model.") from error


def check_positions(buckets: int, max_position: int) -> None:
    """Raise VoiceError unless relative positions have as many buckets as they can have."""
    if buckets < 4 or buckets % 2 or not buckets // 2 + 1 < max_position <= _MOST:
        raise VoiceError(
            f"position_buckets {buckets} must be even, at least 4, and fewer than twice the reach of {max_position} "
            "positions."
        )


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
