"""How a voice or BERT is named: a path, or the address of a place that holds it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit
from uuid import UUID

from sokuon.errors import OptionError, VoiceNotFoundError

Scheme = Literal["hf", "s3", "https", "aivis"]

FORMS = "hf://user/repo[@revision][/folder], s3://bucket/prefix, https://…, aivis://UUID, file:///path, or a path"
_ADDRESS = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+)://")  # two letters or more: C:/ is a drive
_HUGGING_FACE = ("huggingface.co", "www.huggingface.co", "hf.co")
_AIVIS_HUB = "hub.aivis-project.com"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PART = re.compile(r"[A-Za-z0-9][\w.-]*")  # of a repository's name: the hub allows no more


@dataclass(frozen=True)
class Address:
    """A place beyond this machine's files.

    `place` is the repository (hf), bucket (s3), URL (https) or UUID (aivis); `inside` the folder or file in it, ""
    for all; `revision` a branch, tag or commit (hf).
    """

    scheme: Scheme
    place: str
    inside: str = ""
    revision: str | None = None

    def __str__(self) -> str:
        if self.scheme == "https":
            return self.place
        at = f"@{self.revision}" if self.revision else ""
        return f"{self.scheme}://{self.place}{at}" + (f"/{self.inside}" if self.inside else "")

    @property
    def name(self) -> str:
        """The last part, for folders made from it."""
        return (self.inside or urlsplit(self.place).path or self.place).rstrip("/").rpartition("/")[2]


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # a ~name whom nobody knows
        raise VoiceNotFoundError(f"{text} does not exist: there is no user of that name here.") from error


def parse(name: str | Path) -> Address | Path:
    """An address, or the local path that `name` says. Raises OptionError for an address that means nothing."""
    text = str(name)
    found = _ADDRESS.match(text)
    if isinstance(name, Path) or not found:
        return _expanded(text)
    parsers: dict[str, Callable[[str], Address | Path]] = {
        "hf": _hf, "s3": _s3, "https": _web, "http": _web, "aivis": _aivis, "file": _file
    }  # fmt: skip
    scheme = found[1].lower()
    if scheme not in parsers:
        raise OptionError(f"{text} begins with {scheme}://, which is not known; give {FORMS}.")
    try:
        return parsers[scheme](text)
    except ValueError as error:
        if isinstance(error, OptionError):
            raise
        raise OptionError(f"{text} is no address ({error}); give {FORMS}.") from error


def is_address(name: str | Path) -> bool:
    """True if `name` names a place that may need the network."""
    return isinstance(parse(name), Address)


def _file(text: str) -> Path:
    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost"):
        raise OptionError(f"{text} names a file on {parts.netloc}; only this machine's files have file:// addresses.")
    path = unquote(parts.path)
    return Path(path[1:] if re.match(r"/[A-Za-z]:", path) else path)  # file:///C:/… on Windows


def _hf(text: str) -> Address:
    """hf://user/repo[@revision][/inside]; a revision with a slash is written with %2F."""
    user, _, rest = text.partition("://")[2].partition("/")
    repo, _, inside = rest.partition("/")
    repo, _, revision = repo.partition("@")
    return _repository(text, user, repo, unquote(revision) or None, inside)


def _repository(text: str, user: str, repo: str, revision: str | None, inside: str) -> Address:
    if not (_PART.fullmatch(user) and _PART.fullmatch(repo)):
        raise OptionError(f"{text} names no repository; write hf://user/repo, e.g. hf://litagin/style_bert_vits2_jvnv.")
    return Address("hf", f"{user}/{repo}", _clean(text, inside), revision)


def _s3(text: str) -> Address:
    bucket, _, prefix = text.partition("://")[2].partition("/")
    if not bucket:
        raise OptionError(f"{text} names no bucket; write s3://bucket/prefix.")
    return Address("s3", bucket, _clean(text, prefix))


def _aivis(text: str) -> Address:
    word = text.partition("://")[2].strip("/")
    try:
        return Address("aivis", str(UUID(word)))
    except ValueError as error:
        raise OptionError(
            f"{text} holds no UUID; write aivis:// and the UUID from the voice's page on AivisHub."
        ) from error


def _web(text: str) -> Address:
    parts = urlsplit(text)
    host = parts.hostname or ""
    if host in _HUGGING_FACE or _netloc(os.environ.get("HF_ENDPOINT", "")) == parts.netloc:
        return _hub_page(text, unquote(parts.path))
    if host == _AIVIS_HUB:
        return _aivis("aivis://" + parts.path.rstrip("/").rpartition("/")[2])
    if parts.scheme.lower() == "http" and host not in _LOOPBACK:
        raise OptionError(f"{text} would be fetched unencrypted; give its https:// address.")
    if not host or not parts.path.strip("/"):
        raise OptionError(f"{text} names no file; give the address of a voice file, such as https://…/voice.aivmx.")
    return Address("https", text)


def _netloc(endpoint: str) -> str | None:
    return urlsplit(endpoint).netloc or None


def _hub_page(text: str, path: str) -> Address:
    """/user/repo, and with /tree/, /blob/, /resolve/ or /commit/ the revision and what follows."""
    words = [word for word in path.split("/") if word]
    if len(words) < 2 or words[0] in ("datasets", "spaces"):
        raise OptionError(f"{text} is no model repository; copy the address of a voice's page on Hugging Face.")
    if len(words) > 2 and (words[2] not in ("tree", "blob", "resolve", "commit") or len(words) == 3):
        raise OptionError(f"{text} names no place in a repository; copy the address of a folder or file there.")
    return _repository(text, words[0], words[1], words[3] if len(words) > 3 else None, "/".join(words[4:]))


def _clean(text: str, inside: str) -> str:
    """`inside` without slashes at its ends; no way out of the place."""
    inside = inside.strip("/")
    if any(word in ("", ".", "..") for word in inside.split("/")) and inside:
        raise OptionError(f"{text} has an empty, . or .. folder in it; give the plain address.")
    return inside
