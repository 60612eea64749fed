"""`.sbv2`: a graph and its style vectors in one archive (spec voice-files section 4).

Read as a stream into a temporary folder: only the three members that are known, under names of our own.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, cast

import numpy as np

from sokuon.errors import VoiceError, missing_extra
from sokuon.formats.contracts import STYLE_WIDTH
from sokuon.storage.tensors import F32

GRAPH, STYLES, VERSION = "model.onnx", "style_vectors.json", "version.txt"
_MOST_BYTES = {GRAPH: 4 << 30, STYLES: 64 << 20, VERSION: 1024}
_MOST_MEMBERS = 64
_BLOCK_BYTES = 1 << 20


@contextmanager
def unpacked(path: Path) -> Iterator[tuple[Path, F32]]:
    """The graph as a file that vanishes afterwards, and the style vectors [styles, 256]. Raises VoiceError."""
    with TemporaryDirectory(prefix="sokuon-") as folder:
        try:
            _unpack(path, Path(folder))
            styles = _style_vectors(Path(folder) / STYLES)
        except VoiceError as error:
            raise VoiceError(f"{path}: {error}") from error
        except (OSError, EOFError, ValueError, TypeError, KeyError, RecursionError, tarfile.TarError) as error:
            raise VoiceError(f"{path} is not a complete .sbv2 archive ({error}); download it again.") from error
        except zstd().ZstdError as error:
            raise VoiceError(f"{path} is not a complete .sbv2 archive ({error}); download it again.") from error
        yield Path(folder) / GRAPH, styles


def zstd() -> Any:
    """The library: part of Python from 3.14 on. Raises MissingExtraError."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(name)
        except ImportError:
            continue
    raise missing_extra(".sbv2 files need", "zstd", "sbv2")


def _unpack(path: Path, folder: Path) -> None:
    with zstd().open(path, "rb") as stream, tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|") as archive:
        for number, member in enumerate(archive):
            if number >= _MOST_MEMBERS:
                raise VoiceError(f"it holds over {_MOST_MEMBERS} files; a voice has three.")
            name = member.name.removeprefix("./")
            if name in _MOST_BYTES and member.isfile():
                _copy(archive, member, folder / name, _MOST_BYTES[name])
    missing = [name for name in (GRAPH, STYLES) if not (folder / name).is_file()]
    if missing:
        raise VoiceError(f"it holds no {missing[0]}; download it again.")


def _copy(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path, most: int) -> None:
    """Contents of a member, never its name, owner or mode."""
    source = archive.extractfile(member)
    if source is None or member.size > most:
        raise VoiceError(f"its {target.name} is larger than any voice's.")
    with target.open("wb") as file:
        while block := source.read(_BLOCK_BYTES):
            file.write(block)


def _style_vectors(path: Path) -> F32:
    data = json.loads(path.read_text(encoding="utf-8"))
    vectors = np.asarray(data["data"], np.float32)
    if vectors.shape != tuple(data["shape"]) or vectors.shape[1:] != (STYLE_WIDTH,) or not len(vectors):
        raise ValueError(f"its style vectors have shape {list(vectors.shape)}")
    return vectors
