"""What the manifests of converted folders have in common: found, of this format, of the right types, in range."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from sokuon.errors import VoiceError, VoiceNotFoundError
from sokuon.storage.records import build, read_record


class Checked(Protocol):
    """A manifest that knows what its values can be."""

    def check(self) -> None:
        """Raise ValueError (VoiceError is one) for a value out of range."""


M = TypeVar("M", bound=Checked)


def read_manifest(kind: type[M], path: Path, version: int, what: str) -> M:
    """The manifest in `path`. `what` was converted, for the messages. Raises VoiceNotFoundError or VoiceError."""
    if not path.is_file():
        raise VoiceNotFoundError(f"{path} does not exist; convert the {what} with `sokuon convert`.")
    try:
        data = read_record(path)
        found = data.get("format") if isinstance(data, dict) else None
        if type(found) is int and found == version:
            manifest = build(kind, data)
            manifest.check()
            return manifest
    except (OSError, ValueError) as error:
        raise VoiceError(f"{path} is damaged ({str(error).rstrip('.')}); convert the {what} again.") from error
    shown = found if type(found) is int else "unknown"
    raise VoiceError(f"{path} has format {shown}, this version reads {version}; convert the {what} again.")


def check_rows(table: Mapping[str, int], key: str) -> None:
    """Raise VoiceError unless names stand for rows of a table."""
    if not table or min(table.values()) < 0:
        raise VoiceError(f"{key} must name at least one entry, numbered from 0.")
