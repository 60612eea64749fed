"""A converted voice folder: manifest, style vectors, speaker table.

voice.json, encoder.weights, flow.weights, decoder.weights (safetensors format), flow.codes, decoder.codes (the large
ones of these weights as 16-bit codes), style_vectors.npy, speakers.npy; graphs on these weights (encoder.onnx and so
on) once ONNX Runtime ran them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sokuon.errors import OptionError, VoiceError, VoiceNotFoundError, shown
from sokuon.formats.contracts import STYLE_WIDTH
from sokuon.formats.voice import Manifest
from sokuon.storage.arrays import read_array
from sokuon.storage.tensors import F32


@dataclass(frozen=True)
class VoiceInfo:
    """What a voice offers: names of speakers and styles in order, `sample_rate` in Hz, first line of its licence."""

    name: str
    speakers: tuple[str, ...]
    styles: tuple[str, ...]
    sample_rate: int
    licence: str | None

    @classmethod
    def of(cls, name: str, m: Manifest) -> VoiceInfo:
        """From the manifest of a voice that goes by `name`."""
        return cls(name, tuple(m.speakers), tuple(m.styles), m.decoder.sample_rate, m.licence)


def speaker_of(given: str | int | None, speakers: Sequence[str]) -> str | int | None:
    """A speaker as a person names one: by name, else by number where the text is one."""
    if not isinstance(given, str) or given in speakers:
        return given
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else given


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
        manifest = Manifest.read(folder)
        styles = _read_array(folder / "style_vectors.npy")
        check_style_vectors(styles, manifest.styles, folder / "style_vectors.npy")
        table = _read_array(folder / "speakers.npy")
        _check_speakers(table, manifest, folder / "speakers.npy")
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
            raise OptionError(f"voice {self.manifest.name} has no speaker {shown(row)}; numbers go from 0 to {last}.")
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


def _check_speakers(table: F32, manifest: Manifest, path: Path) -> None:
    width = manifest.decoder.speaker_channels
    if table.ndim != 2 or table.shape[1] != width:
        raise VoiceError(
            f"{path} has shape {list(table.shape)}; [speakers, {width}] is needed; convert the voice again."
        )
    if max(manifest.speakers.values()) >= len(table):
        problem = f"has {len(table)} rows, fewer than the speakers of its voice need"
        raise VoiceError(f"{path} {problem}; convert the voice again.")
    if not np.isfinite(table).all():
        raise VoiceError(f"{path} holds NaN or infinity; convert the voice again.")


def _row(table: Mapping[str, int], name: str, kind: str, voice: str) -> int:
    """The number of a name; in any case (lively for Lively) where that leaves one."""
    alike = [known for known in table if known.casefold() == name.casefold()]
    if name not in table and len(alike) != 1:
        raise OptionError(f"voice {voice} has no {kind} {shown(name)}; it has {', '.join(table)}.")
    return table[name if name in table else alike[0]]


def _read_array(path: Path) -> F32:
    try:
        return read_array(path)
    except FileNotFoundError as error:
        raise VoiceNotFoundError(f"{path} does not exist; convert the voice again.") from error
    except (ValueError, OSError) as error:
        raise VoiceError(f"{path} cannot be read ({error}); convert the voice again.") from error
