"""Folders as their authors published them, converted once into a cache.

A cached folder is named by the content of its source, so a changed source is converted anew. Conversion writes to a
temporary folder and renames it: a kill in the middle leaves nothing half done, and of two processes that convert the
same source at once the first to end sets the folder, which nobody replaces while it is read.

A folder keeps a list of its files. One that has lost a file, or part of one, is converted again. A conversion takes the
place of those that older converters made of the same source. Folders that go are renamed first and then deleted: a
process that has opened or mapped their files keeps them (Linux, macOS), or they stay (Windows).
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sokuon.errors import SokuonError, VoiceError, VoiceNotFoundError
from sokuon.storage.files import write_atomically
from sokuon.storage.locks import is_locked, take_lock

# By the kind of a folder; raise when converted ones of older versions must not be used any more.
_CONVERTERS = {"voices": 4, "berts": 3}
_BLOCK_BYTES = 1 << 22
_STALE_S = 86_400.0  # of a folder that tells nothing of its process
_YOUNG_S = 60.0  # it may be about to lock
_ALIVE = ".alive"  # locked while a conversion runs
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_log = logging.getLogger("sokuon.storage")
_KNOWN = "known.json"
_CONTENTS = "contents.json"  # of a converted folder: bytes of each other file
_NAME_CHARACTERS = 40  # of the source's name: file systems allow 255 bytes, a character may take four

Convert = Callable[[Path, Path], None]


def cache_folder() -> Path:
    """`$SOKUON_CACHE`, or the user's cache folder."""
    named = os.environ.get("SOKUON_CACHE")
    if named:
        return Path(named)
    import platformdirs

    try:
        return platformdirs.user_cache_path("sokuon")
    except RuntimeError as error:  # a number without a passwd entry, and no HOME
        _log.warning("there is no home folder for the cache (%s); set SOKUON_CACHE to a folder.", error)
        return _temporary_folder()


@cache
def _temporary_folder() -> Path:
    """Of this process, for what has no other place; it vanishes when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="sokuon-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def cached(kind: str, files: list[Path], convert: Convert, variant: str = "", name: str | None = None) -> Path:
    """The converted folder for a source made of `files`, converting it first if it is new.

    `kind` is the subfolder (voices, berts), `variant` tells apart conversions of one source, `name` is
    what people know it by, else that of the files' folder. Errors of `convert` pass.
    """
    try:
        return _cached_in(cache_folder() / kind, files, convert, variant, name)
    except _UnwritableError as error:
        try:
            root = _temporary_folder() / kind
        except OSError:  # not even there
            raise error from None
        _log.warning("%s What is converted now is kept until this process ends.", error)
        return _cached_in(root, files, convert, variant, name)


class _UnwritableError(VoiceError):
    """The cache takes nothing."""


def _cached_in(root: Path, files: list[Path], convert: Convert, variant: str, name: str | None) -> Path:
    digests = [f"{path.name} {_digest(root, path)}" for path in files]
    source = files[0].parent
    name = name or source.resolve().name
    target, *older = (root / _name(name, digests, variant, version) for version in range(_CONVERTERS[root.name], 0, -1))
    if not _is_whole(target):
        with _workspace(root) as work:
            made = work / target.name
            convert(source, made)
            (made / _CONTENTS).write_text(json.dumps(_sizes(made), indent=1), encoding="utf-8")
            for folder in older if _is_whole(target) else (target, *older):  # another process may have been quicker
                _discard(folder, work)
            _keep_first(made, target)
    return target


def _is_whole(folder: Path) -> bool:
    """True if all files that were converted are still there, by name and size."""
    try:
        contents = json.loads((folder / _CONTENTS).read_text(encoding="utf-8"))
        return bool(contents.items() <= _sizes(folder).items())
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def _sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir())}


def _discard(folder: Path, work: Path) -> None:
    """Move a folder, if there is one, into `work`, which vanishes."""
    with contextlib.suppress(OSError):  # there is none, another process was quicker, or (Windows) is using it
        folder.rename(work / f"{folder.name}.old")


@contextmanager
def _workspace(root: Path) -> Iterator[Path]:
    """A new folder in the cache that vanishes afterwards."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        _remove_stale(root)
        work = Path(tempfile.mkdtemp(prefix=".", suffix=".tmp", dir=root))
        held = take_lock(work / _ALIVE)
    except OSError as error:
        raise _UnwritableError(
            f"the cache folder {root} cannot be written ({error}); set SOKUON_CACHE to a writable place."
        ) from error
    try:
        yield work
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise VoiceError(
            f"the cache folder {root} has no room ({error.strerror}); set SOKUON_CACHE to a place that has."
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
        os.close(held)


def _keep_first(made: Path, target: Path) -> None:
    """Rename `made` to `target` unless another process did so meanwhile: theirs is as good, and may be in use."""
    try:
        made.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def _name(name: str, digests: list[str], variant: str, version: int) -> str:
    import hashlib  # with it comes OpenSSL, 3 MB, which the built-in voice never needs

    digest = hashlib.sha256("\n".join([f"{version} {variant}", *digests]).encode())
    return f"{name[:_NAME_CHARACTERS]}-{digest.hexdigest()[:16]}"


def _digest(root: Path, path: Path) -> str:
    """Hash of a file's content; a file unchanged by size and time is not read again."""
    if not path.is_file():
        raise VoiceNotFoundError(f"{path} does not exist; the folder needs it.")
    stat = path.stat()
    key = f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}"
    known = _known(root)
    if key not in known:
        import hashlib

        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
        known[key] = digest.hexdigest()
        with contextlib.suppress(OSError, SokuonError):  # a read-only cache works, only slower
            root.mkdir(parents=True, exist_ok=True)
            write_atomically(root / _KNOWN, json.dumps(known, indent=0).encode())
    return known[key]


def _known(root: Path) -> dict[str, str]:
    try:
        known = json.loads((root / _KNOWN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remove_stale(root: Path) -> None:
    """Temporary folders of conversions that were killed: nobody holds their lock."""
    for path in root.glob(".*.tmp"):
        with contextlib.suppress(OSError):  # another process was quicker
            age = time.time() - path.stat().st_mtime
            if age > _STALE_S or (age > _YOUNG_S and (path / _ALIVE).exists() and not is_locked(path / _ALIVE)):
                shutil.rmtree(path, ignore_errors=True)
