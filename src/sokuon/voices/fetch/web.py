"""A voice file at an https:// address."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from sokuon.errors import DownloadError
from sokuon.voices.fetch import http
from sokuon.voices.fetch.address import Address
from sokuon.voices.fetch.listing import CONFIG, STYLES, WEIGHTS, RemoteFile
from sokuon.voices.fetch.places import Contents
from sokuon.voices.fetch.watch import BusyError, Watch, again


class WebFile:
    """One file; of bare weights also the config.json and style_vectors.npy beside them."""

    def __init__(self, address: Address) -> None:
        self._url = address.place
        self._name = unquote(urlsplit(self._url).path).rpartition("/")[2]

    def contents(self, watch: Watch) -> Contents:
        """See Place."""
        beside = (CONFIG, STYLES) if self._name.lower().endswith(WEIGHTS) else ()
        with http.client() as client:
            found = [self._look(client, name, watch, needed=name == self._name) for name in (self._name, *beside)]
        files = tuple(file for file in found if file is not None)
        return Contents(" ".join(f"{f.path}:{f.etag or f.size}" for f in files), files, main=self._name)

    def _look(self, client: Any, name: str, watch: Watch, needed: bool) -> RemoteFile | None:
        url = self._address(name)

        def ask() -> RemoteFile | None:
            import httpx2

            try:
                answer = client.head(url)
            except httpx2.TransportError as error:
                raise BusyError(str(error)) from error
            if answer.status_code == 404 and not needed:
                return None
            if answer.status_code == 405:  # a server without HEAD
                return RemoteFile(name)
            http.check(answer, url)
            return RemoteFile(name, int(answer.headers.get("content-length") or 0), etag=answer.headers.get("etag"))

        return again(ask, url, watch)

    def fetch(self, file: RemoteFile, revision: str, target: Path, watch: Watch) -> None:
        """See Place."""
        if file.path == self._name or file.path in (CONFIG, STYLES):
            http.download(self._address(file.path), target, watch)
            return
        raise DownloadError(f"{self._url} has no {file.path} at {revision}; check the address.")

    def _address(self, name: str) -> str:
        return self._url if name == self._name else urljoin(self._url, name)
