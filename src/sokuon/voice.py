"""A converted voice folder: manifest, style vectors, speaker table.

voice.json, encoder.onnx, flow.onnx, decoder.onnx, their .weights (safetensors format), style_vectors.npy, speakers.npy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from sokuon.contracts import STYLE_WIDTH
from sokuon.decoder_config import DecoderConfig
from sokuon.errors import OptionError, VoiceError, VoiceNotFoundError
from sokuon.tensors import F32

FORMAT = 2
MANIFEST = "voice.json"


@dataclass(frozen=True)
class Manifest:
    """What voice.json says. `speakers` and `styles`: name → row of the speaker table and of the style vectors."""

    name: str
    add_blank: bool
    bert_width: int
    speakers: Mapping[str, int]
    styles: Mapping[str, int]
    decoder: DecoderConfig
    licence: str | None = None
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Save as voice.json in `folder`."""
        text = json.dumps(asdict(self), ensure_ascii=False, indent=1)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Voice:
    """A voice folder, opened. `style_vectors` [styles, 256], `speaker_table` [speakers, G]."""

    folder: Path
    manifest: Manifest
    style_vectors: F32
    speaker_table: F32

    @classmethod
    def open(cls, folder: Path) -> Voice:
        """Read a converted folder. Raises VoiceNotFoundError or VoiceError."""
        manifest = _read_manifest(folder / MANIFEST)
        styles = _read_array(folder / "style_vectors.npy")
        check_style_vectors(styles, manifest.styles, folder / "style_vectors.npy")
        table = _read_array(folder / "speakers.npy")
        return cls(folder, manifest, styles, table)

    @property
    def sample_rate(self) -> int:
        """Samples per second."""
        return self.manifest.decoder.sample_rate

    def style(self, name: str | None, weight: float) -> F32:
        """V[0] + (V[style] - V[0]) · weight, shape [256]: 0 is neutral, 1 the style, more exaggerates it."""
        row = 0 if name is None else _row(self.manifest.styles, name, "style", self.manifest.name)
        neutral = self.style_vectors[0]
        return np.asarray(neutral + (self.style_vectors[row] - neutral) * np.float32(weight), np.float32)

    def speaker(self, speaker: str | int | None) -> F32:
        """The vector [G] of a speaker, by name, by number, or the first."""
        if isinstance(speaker, str):
            row = _row(self.manifest.speakers, speaker, "speaker", self.manifest.name)
        else:
            row = min(self.manifest.speakers.values()) if speaker is None else speaker
        if not 0 <= row < len(self.speaker_table):
            last = len(self.speaker_table) - 1
            raise OptionError(f"voice {self.manifest.name} has no speaker {row}; numbers go from 0 to {last}.")
        vector: F32 = self.speaker_table[row]
        return vector


def check_style_vectors(vectors: F32, styles: Mapping[str, int], path: Path) -> None:
    """Raise VoiceError unless `vectors` is [n, 256] of finite numbers with a row for each style."""
    if vectors.ndim != 2 or vectors.shape[1] != STYLE_WIDTH:
        raise VoiceError(f"{path} has shape {list(vectors.shape)}; style vectors are [styles, {STYLE_WIDTH}].")
    if max(styles.values()) >= len(vectors):
        raise VoiceError(f"{path} has {len(vectors)} rows, fewer than the styles of its voice need.")
    if not np.isfinite(vectors).all():
        raise VoiceError(f"{path} holds NaN or infinity; take the file its author published.")


def _row(table: Mapping[str, int], name: str, kind: str, voice: str) -> int:
    if name not in table:
        raise OptionError(f"voice {voice} has no {kind} {name!r}; it has {', '.join(table)}.")
    return table[name]


def _read_manifest(path: Path) -> Manifest:
    if not path.is_file():
        raise VoiceNotFoundError(f"{path} does not exist; convert the voice with `sokuon convert`.")
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise VoiceError(
                f"{path} has format {data['format']}, this version reads {FORMAT}; convert the voice again."
            )
        return Manifest(**{**data, "decoder": _decoder(data["decoder"])})
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, VoiceError):
            raise
        raise VoiceError(f"{path} is damaged ({error}); convert the voice again.") from error


def _decoder(data: dict[str, Any]) -> DecoderConfig:
    known = {field.name for field in fields(DecoderConfig)}
    if set(data) != known:
        raise ValueError(f"decoder keys {sorted(set(data) ^ known)}")
    return DecoderConfig(**{key: _tuples(value) for key, value in data.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _read_array(path: Path) -> F32:
    try:
        return np.asarray(np.load(path, allow_pickle=False), np.float32)
    except FileNotFoundError as error:
        raise VoiceNotFoundError(f"{path} does not exist; convert the voice again.") from error
    except (ValueError, OSError, EOFError) as error:
        raise VoiceError(f"{path} cannot be read ({error}); convert the voice again.") from error
