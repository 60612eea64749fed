"""Folders as their authors published them, converted once into a cache.

A cached folder is named by the content of its source, so a changed source is converted anew. Conversion writes to a
temporary folder and renames it: a kill in the middle leaves nothing half done, and of two processes that convert the
same source at once the first to end sets the folder, which nobody replaces while it is read.

A folder keeps a list of its files. One that has lost a file, or part of one, is converted again. A conversion takes the
place of those that older converters made of the same source. Folders that go are renamed first and then deleted: a
process that has opened or mapped their files keeps them (Linux, macOS), or they stay (Windows).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sokuon.errors import SokuonError, VoiceError, VoiceNotFoundError
from sokuon.storage.files import write_atomically

_CONVERTER = 2  # raise when converted folders of older versions must not be used any more
_BLOCK_BYTES = 1 << 22
_STALE_S = 86_400.0
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

    return platformdirs.user_cache_path("sokuon")


def cached(kind: str, files: list[Path], convert: Convert, variant: str = "", name: str | None = None) -> Path:
    """The converted folder for a source made of `files`, converting it first if it is new.

    `kind` is the subfolder (voices, berts), `variant` tells apart conversions of one source, `name` is
    what people know it by, else that of the files' folder. Errors of `convert` pass.
    """
    root = cache_folder() / kind
    digests = [f"{path.name} {_digest(root, path)}" for path in files]
    source = files[0].parent
    name = name or source.resolve().name
    target, *older = (root / _name(name, digests, variant, version) for version in range(_CONVERTER, 0, -1))
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
    except OSError as error:
        raise VoiceError(
            f"the cache folder {root} cannot be written ({error}); set SOKUON_CACHE to a writable place."
        ) from error
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _keep_first(made: Path, target: Path) -> None:
    """Rename `made` to `target` unless another process did so meanwhile: theirs is as good, and may be in use."""
    try:
        made.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def _name(name: str, digests: list[str], variant: str, version: int) -> str:
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
    """Temporary folders that a killed conversion left a day ago or earlier."""
    for path in root.glob(".*.tmp"):
        with contextlib.suppress(OSError):  # another process was quicker
            if time.time() - path.stat().st_mtime > _STALE_S:
                shutil.rmtree(path, ignore_errors=True)
