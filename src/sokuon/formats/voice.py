"""A converted voice's manifest, voice.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sokuon.errors import VoiceError, VoiceNotFoundError
from sokuon.formats.decoder_config import DecoderConfig

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


def read_manifest(path: Path) -> Manifest:
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
