"""What is known of a voice besides its sound: about.json in a converted folder.

Licence, credits, pictures and samples as its author published them, where it came from, and what it was mixed from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sokuon.errors import VoiceError
from sokuon.storage.records import read_record

ABOUT = "about.json"
_MOST_BYTES = 256_000_000  # pictures and samples included


@dataclass(frozen=True)
class StyleAbout:
    """A style: `row` of the style vectors, `icon` a data URL, `samples` pairs of a sound's data URL and its text."""

    name: str
    row: int
    icon: str | None = None
    samples: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class SpeakerAbout:
    """A speaker: `row` of the speaker table, `uuid` as AIVM has it, `icon` a data URL, languages as BCP 47 tags."""

    name: str
    row: int
    uuid: str | None = None
    icon: str | None = None
    languages: tuple[str, ...] = ()
    styles: tuple[StyleAbout, ...] = ()


@dataclass(frozen=True)
class About:
    """`licence` is its whole text, `origin` what fetch recorded, `aivm` the manifest of an AIVM file as it was,
    `made_of` a line about each voice that was merged into this one."""

    licence: str | None = None
    origin: Mapping[str, Any] | None = None
    aivm: Mapping[str, Any] | None = None
    made_of: tuple[Mapping[str, Any], ...] = field(default=())

    @property
    def creators(self) -> tuple[str, ...]:
        """Names of the voice's makers."""
        return _texts((self.aivm or {}).get("creators"))

    @property
    def description(self) -> str:
        """What its author says of it, "" if nothing."""
        return _text((self.aivm or {}).get("description")) or ""

    @property
    def uuid(self) -> str | None:
        """Of the model, as AIVM has it."""
        return _text((self.aivm or {}).get("uuid"))

    @property
    def speakers(self) -> tuple[SpeakerAbout, ...]:
        """Speakers with their pictures and samples; () for a voice that is not from an AIVM file."""
        return tuple(_speaker(item) for item in _mappings((self.aivm or {}).get("speakers")))

    def write(self, folder: Path) -> None:
        """Save as about.json in `folder`."""
        text = json.dumps({key: value for key, value in asdict(self).items() if value}, ensure_ascii=False, indent=1)
        (folder / ABOUT).write_text(text + "\n", encoding="utf-8")


def read_about(folder: Path) -> About:
    """about.json of a converted folder, empty where there is none. Raises VoiceError for a damaged one."""
    path = folder / ABOUT
    try:
        data = read_record(path, _MOST_BYTES)
        return About(**{**data, "made_of": tuple(data.get("made_of", ()))})
    except FileNotFoundError:
        return About()
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise VoiceError(f"{path} is damaged ({error}); convert the voice again.") from error


def _speaker(item: Mapping[str, Any]) -> SpeakerAbout:
    return SpeakerAbout(
        name=_text(item.get("name")) or "",
        row=_row(item),
        uuid=_text(item.get("uuid")),
        icon=_text(item.get("icon")),
        languages=_texts(item.get("supported_languages")),
        styles=tuple(_style(style) for style in _mappings(item.get("styles"))),
    )


def _style(item: Mapping[str, Any]) -> StyleAbout:
    samples = ((_text(s.get("audio")), _text(s.get("transcript"))) for s in _mappings(item.get("voice_samples")))
    kept = tuple((audio, text or "") for audio, text in samples if audio)
    return StyleAbout(_text(item.get("name")) or "", _row(item), _text(item.get("icon")), kept)


def _row(item: Mapping[str, Any]) -> int:
    number = item.get("local_id", 0)
    return number if isinstance(number, int) else 0


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
