"""The kinds of places, each by its own library: what they hold, and how a file comes from there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sokuon.voices.fetch.address import Address
from sokuon.voices.fetch.listing import RemoteFile
from sokuon.voices.fetch.watch import Watch


@dataclass(frozen=True)
class Contents:
    """What a place holds now: `revision` changes when a file does; `licence` if the place states one, `main` the path
    that the address itself names."""

    revision: str
    files: tuple[RemoteFile, ...]
    licence: str | None = None
    main: str | None = None


class Place(Protocol):
    """A repository, bucket, or server."""

    def contents(self, watch: Watch) -> Contents:
        """List the files. Raises DownloadError."""

    def fetch(self, file: RemoteFile, revision: str, target: Path, watch: Watch) -> None:
        """Bring one file, whole or not at all; an earlier attempt is continued. Raises DownloadError."""


def open_place(address: Address) -> Place:
    """The place of an address. Raises MissingExtraError if its library is not installed."""
    if address.scheme == "hf":
        from sokuon.voices.fetch.hub import HubRepository

        return HubRepository(address)
    if address.scheme == "s3":
        from sokuon.voices.fetch.s3 import Bucket

        return Bucket(address)
    if address.scheme == "aivis":
        from sokuon.voices.fetch.aivis import AivisModel

        return AivisModel(address)
    from sokuon.voices.fetch.web import WebFile

    return WebFile(address)
