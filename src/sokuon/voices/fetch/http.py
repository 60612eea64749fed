"""Files by HTTP: resumed after a cut, tried again when a server is busy, whole or not there."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sokuon.errors import DownloadError, missing_extra
from sokuon.storage.files import write_atomically
from sokuon.voices.fetch.store import check_space
from sokuon.voices.fetch.watch import BusyError, Watch, again

if TYPE_CHECKING:
    import httpx2

_TIMEOUT_S = 20.0
_BUSY = (408, 425, 429, 500, 502, 503, 504)
_MOST_TEXT_BYTES = 8_000_000  # of an answer that is read into memory
_REMEDIES = {401: "log in first", 403: "ask its owner for access", 404: "check the address", 410: "it was withdrawn"}


@dataclass(frozen=True)
class Login:
    """Headers that open a place, and what to do where they do not, by status."""

    headers: Mapping[str, str] = field(default_factory=dict)
    remedies: Mapping[int, str] = field(default_factory=dict)


def client() -> httpx2.Client:
    """A client that follows redirects and heeds the proxies of the environment. Use as a context manager."""
    try:
        import httpx2
    except ImportError as error:
        raise missing_extra("an address needs", "httpx2", "hub") from error
    from sokuon import __version__

    with contextlib.suppress(FileNotFoundError, OSError):
        login = httpx2.NetRCAuth(os.environ.get("NETRC"))
        return httpx2.Client(follow_redirects=True, timeout=_TIMEOUT_S, headers=_headers(__version__), auth=login)
    return httpx2.Client(follow_redirects=True, timeout=_TIMEOUT_S, headers=_headers(__version__))


def get_json(url: str, watch: Watch, missing_ok: bool = False) -> Any:
    """The JSON at `url`; None for one that is not there and need not be. Raises DownloadError."""

    def ask() -> Any:
        import httpx2

        try:
            with http.stream("GET", url) as answer:
                if missing_ok and answer.status_code == 404:
                    return None
                check(answer, url)
                return json.loads(_text(answer, url))
        except httpx2.TransportError as error:
            raise BusyError(_said(error)) from error
        except ValueError as error:
            raise DownloadError(f"{url} answered something that is not JSON; try again later.") from error

    with client() as http:
        return again(ask, url, watch)


def download(url: str, target: Path, watch: Watch, size: int = 0, login: Login | None = None) -> str:
    """Fetch `url` into the file `target`; returns its ETag, "" if it has none. Raises DownloadError.

    What a cut or kill leaves lies beside it as `.part` and is continued, if the server says that the file is the same.
    """
    part, notes = _beside(target, ".part"), _beside(target, ".part.json")
    with client() as http:
        etag = again(lambda: _attempt(http, url, part, notes, watch, size, login or Login()), url, watch)
    part.replace(target)
    notes.unlink(missing_ok=True)
    return etag


def part_of(target: Path) -> Path:
    """Where an unfinished download of `target` lies."""
    return _beside(target, ".part")


def _attempt(
    http: httpx2.Client, url: str, part: Path, notes: Path, watch: Watch, size: int, login: Login
) -> str:  # all of one download
    """One request for what is missing."""
    import httpx2

    validator = _validator(notes) if part.is_file() else None
    have = part.stat().st_size if validator else 0
    headers = {"Range": f"bytes={have}-", "If-Range": validator} if validator and have else {}
    try:
        with http.stream("GET", url, headers={**login.headers, **headers, "Accept-Encoding": "identity"}) as answer:
            if answer.status_code == 416:  # no such range: the file is another one
                part.unlink(missing_ok=True)
                raise BusyError("the file has changed")
            check(answer, url, login.remedies)
            start = have if answer.status_code == 206 and _starts_at(answer, have) else 0
            _remember(notes, answer)
            _receive(answer, part, start, url, watch, size)
            return str(answer.headers.get("etag", "")).strip('"')
    except httpx2.TransportError as error:  # cut, timeout, no connection
        raise BusyError(_said(error)) from error


def _receive(answer: httpx2.Response, part: Path, start: int, url: str, watch: Watch, size: int) -> None:
    total = start + int(answer.headers.get("content-length") or 0)
    if size and total > start and total != size:
        raise DownloadError(f"{url} has {total} bytes where {size} were announced; try again later.")
    check_space(part.parent, total - start, url)
    name = urlsplit(url).path.rpartition("/")[2] or url
    with part.open("r+b" if start else "wb") as file:
        file.seek(start)
        file.truncate()
        done = start
        for block in answer.iter_raw():
            file.write(block)
            done += len(block)
            watch.progress(name, done, total)
    if total > start and done != total:
        raise BusyError("the connection was cut")


def check(answer: httpx2.Response, url: str, remedies: Mapping[int, str] | None = None) -> None:
    """Raise BusyError or DownloadError for an answer that is no file."""
    if answer.url.scheme != "https" and urlsplit(url).scheme == "https":
        raise DownloadError(f"{url} leads to an unencrypted address; ask its owner for another.")
    status = answer.status_code
    if status in _BUSY:
        raise BusyError(f"the server answered {status}", _wait(answer))
    if status not in (200, 206):
        remedy = {**_REMEDIES, **(remedies or {})}.get(status, "check the address")
        raise DownloadError(f"{url} cannot be fetched: the server answered {status}; {remedy}.")


def _wait(answer: httpx2.Response) -> float | None:
    """Seconds that a busy server asks for."""
    with contextlib.suppress(ValueError):
        return max(0.0, float(answer.headers["retry-after"])) if "retry-after" in answer.headers else None
    return None


def _text(answer: httpx2.Response, url: str) -> bytes:
    data = bytearray()
    for block in answer.iter_bytes():
        data += block
        if len(data) > _MOST_TEXT_BYTES:
            raise DownloadError(f"{url} answered more than {_MOST_TEXT_BYTES // 1_000_000} MB of text; it is refused.")
    return bytes(data)


def _starts_at(answer: httpx2.Response, have: int) -> bool:
    return bool(answer.headers.get("content-range", "").startswith(f"bytes {have}-"))


def _remember(notes: Path, answer: httpx2.Response) -> None:
    """What tells this file from a later one at the same address: a strong ETag, else its date."""
    etag = answer.headers.get("etag", "")
    validator = etag if etag and not etag.startswith("W/") else answer.headers.get("last-modified", "")
    write_atomically(notes, json.dumps({"validator": validator}).encode())


def _validator(notes: Path) -> str | None:
    try:
        return str(json.loads(notes.read_text(encoding="utf-8"))["validator"]) or None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(f".{target.name[:100]}{suffix}")


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def _headers(version: str) -> dict[str, str]:
    return {"User-Agent": f"sokuon/{version}"}
