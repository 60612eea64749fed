"""A converted voice's manifest, voice.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from sokuon.formats.decoder_config import DecoderConfig
from sokuon.formats.manifest import check_rows, read_manifest

FORMAT = 3

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

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read voice.json. Raises VoiceNotFoundError or VoiceError."""
        return read_manifest(cls, folder / MANIFEST, FORMAT, "voice")

    def check(self) -> None:
        """Raise ValueError or VoiceError for values out of range."""
        if self.bert_width < 1:
            raise ValueError(f"bert_width is {self.bert_width}")
        check_rows(self.speakers, "speakers")
        check_rows(self.styles, "styles")
        self.decoder.check()
