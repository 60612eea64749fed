"""Voices of AivisHub, by UUID (spec voice-files section 5)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sokuon.errors import DownloadError
from sokuon.voices.fetch import http
from sokuon.voices.fetch.address import Address
from sokuon.voices.fetch.listing import RemoteFile
from sokuon.voices.fetch.places import Contents
from sokuon.voices.fetch.watch import Watch

_SERVER = "https://api.aivis-project.com"
_KINDS = ("AIVM", "AIVMX")  # tensors are better than a graph to recover them from


def server() -> str:
    """`$SOKUON_AIVISHUB`, or AivisHub itself."""
    return os.environ.get("SOKUON_AIVISHUB", _SERVER).rstrip("/")


class AivisModel:
    """A model of AivisHub: its newest file, as tensors where it has them."""

    def __init__(self, address: Address) -> None:
        self._uuid = address.place

    def contents(self, watch: Watch) -> Contents:
        """See Place. Says name and licence; a withdrawn model is refused."""
        self._refuse_withdrawn(watch)
        model = http.get_json(f"{server()}/v1/aivm-models/{self._uuid}", watch)
        if not isinstance(model, Mapping):
            raise DownloadError(f"AivisHub says nothing of {self._uuid} that can be understood; try again later.")
        file = self._newest(model)
        licence = _licence(file) or _licence(model)
        watch.note(f"{model.get('name', self._uuid)}: licence {licence or 'not stated'}.")
        kind = str(file["model_type"])
        name = f"{self._uuid}.{kind.lower()}"
        size = file.get("file_size")
        listed = RemoteFile(name, size if isinstance(size, int) else 0, sha256=str(file["checksum"]).lower())
        return Contents(f"{file.get('version', '')} {file['checksum']}", (listed,), licence)

    def fetch(self, file: RemoteFile, revision: str, target: Path, watch: Watch) -> None:
        """See Place; the caller compares the checksum."""
        del revision  # the hub gives the newest
        kind = file.path.rpartition(".")[2].upper()
        http.download(f"{server()}/v1/aivm-models/{self._uuid}/download?model_type={kind}", target, watch)

    def _refuse_withdrawn(self, watch: Watch) -> None:
        rules = http.get_json(f"{server()}/v1/aivisspeech/forced-removal-rules", watch, missing_ok=True)
        if any(self._uuid == str(value).lower() for value in _leaves(rules)):
            raise DownloadError(f"AivisHub has withdrawn the voice {self._uuid}; it must not be used, choose another.")

    def _newest(self, model: Mapping[str, Any]) -> Mapping[str, Any]:
        """The file with the highest version, of these the one with tensors."""
        files = [f for f in _mappings(model) if f.get("model_type") in _KINDS and isinstance(f.get("checksum"), str)]
        if not files:
            raise DownloadError(f"AivisHub lists no file of {self._uuid}; its author may have withdrawn it.")
        return max(files, key=lambda f: (_version(f.get("version")), -_KINDS.index(f["model_type"])))


def _licence(model: Mapping[str, Any]) -> str | None:
    kind, text = model.get("license_type"), model.get("license_text")
    return str(text) if text and kind in (None, "Custom") else str(kind) if kind else None


def _version(text: Any) -> tuple[int, ...]:
    numbers = str(text or "0").partition("-")[0].split(".")
    return tuple(int(n[:9]) if n.isdecimal() else 0 for n in numbers)


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every JSON object inside `value`."""
    if isinstance(value, Mapping):
        yield value
        for item in value.values():
            yield from _mappings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _mappings(item)


def _leaves(value: Any) -> Iterator[Any]:
    """Every string, number and so on inside `value`."""
    if isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _leaves(item)
    else:
        yield value
