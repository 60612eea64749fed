"""Read `pytorch_model.bin` without torch: tensors only, nothing in the file is ever executed.

A torch file is a ZIP archive of stored (uncompressed) members: one pickle that describes the tensors and one raw
member per storage. The unpickler here knows exactly the four globals a state dict needs and refuses every other, so a
hostile file raises VoiceError instead of running code. Tensors come out as views of the mapped file.
Source: the pickle protocol of the Python documentation and files written by `torch.save`.
"""

from __future__ import annotations

import mmap
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sokuon.errors import VoiceError
from sokuon.storage.tensors import widen_bfloat16

_LOCAL_HEADER_BYTES = 30  # of a ZIP member, before its name and extra field


@dataclass(frozen=True)
class _StorageType:
    dtype: type[np.generic]
    bfloat16: bool = False


@dataclass(frozen=True)
class _Tensor:
    """A tensor as the pickle describes it; `offset`, `shape` and `strides` count elements of the storage `key`."""

    kind: _StorageType
    key: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


_STORAGES = {
    "FloatStorage": _StorageType(np.float32),
    "HalfStorage": _StorageType(np.float16),
    "BFloat16Storage": _StorageType(np.uint16, bfloat16=True),
    "DoubleStorage": _StorageType(np.float64),
    "LongStorage": _StorageType(np.int64),
    "IntStorage": _StorageType(np.int32),
    "BoolStorage": _StorageType(np.bool_),
}


class TorchFile(Mapping[str, npt.NDArray[Any]]):
    """The state dict of a file written by `torch.save`: name → array (bfloat16 is widened to float32).

    Raises VoiceError if the file is not a plain state dict in torch's ZIP format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file, zipfile.ZipFile(file) as archive:
                members = {info.filename.partition("/")[2]: info for info in archive.infolist()}
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                state = _Unpickler(archive.open(members["data.pkl"])).load()
            self._places = {name: _place(self._map, info) for name, info in members.items()}
            self._tensors = {name: item for name, item in state.items() if isinstance(item, _Tensor)}
        except VoiceError as error:
            raise VoiceError(f"{path}: {error}") from error
        except (OSError, ValueError, KeyError, AttributeError, TypeError, IndexError, EOFError) as error:
            raise self._damaged(error) from error
        except (zipfile.BadZipFile, pickle.UnpicklingError, struct.error) as error:
            raise self._damaged(error) from error

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        tensor = self._tensors[name]
        begin, end = self._places[f"data/{tensor.key}"]
        storage = np.frombuffer(
            self._map, tensor.kind.dtype, (end - begin) // np.dtype(tensor.kind.dtype).itemsize, begin
        )
        reach = tensor.offset + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True))
        if 0 not in tensor.shape and (min(tensor.strides, default=0) < 0 or not 0 <= reach < len(storage)):
            raise VoiceError(f"{self.path}: tensor {name} does not lie inside its storage; download the file again.")
        steps = [s * storage.itemsize for s in tensor.strides]
        view = np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, steps, writeable=False)
        return widen_bfloat16(view) if tensor.kind.bfloat16 else view

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def _damaged(self, error: Exception) -> VoiceError:
        return VoiceError(
            f"{self.path} is not a complete torch state dict in ZIP format ({error}); "
            "download it again, or save it as model.safetensors."
        )


class _Unpickler(pickle.Unpickler):
    """Knows the globals of a state dict; any other is refused before it could be called."""

    def find_class(self, module: str, name: str) -> Any:
        known: dict[tuple[str, str], Callable[..., Any]] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
        }
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if (module, name) not in known:
            raise VoiceError(f"the file asks for {module}.{name}, which no state dict needs; it is refused unread.")
        return known[module, name]

    def persistent_load(self, saved: Any) -> tuple[_StorageType, str]:
        tag, kind, key, _location, _count = saved
        if tag != "storage" or not isinstance(kind, _StorageType) or not isinstance(key, str):
            raise VoiceError(f"the file refers to {saved!r}, which is no tensor storage.")
        return kind, key


def _rebuild_tensor(storage: tuple[_StorageType, str], offset: int, shape: Any, strides: Any, *_: Any) -> _Tensor:
    if not all(isinstance(n, int) for n in (offset, *shape, *strides)):
        raise VoiceError("a tensor's shape is not made of integers.")
    return _Tensor(*storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(tensor: _Tensor, *_: Any) -> _Tensor:
    return tensor


def _place(data: mmap.mmap, info: zipfile.ZipInfo) -> tuple[int, int]:
    """First and last + 1 byte of a stored member."""
    if info.compress_type != zipfile.ZIP_STORED:
        raise VoiceError(f"member {info.filename} is compressed; torch.save never does that.")
    name_bytes, extra_bytes = struct.unpack_from("<HH", data, info.header_offset + 26)
    begin = info.header_offset + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes
    if begin + info.file_size > len(data):
        raise ValueError(f"member {info.filename} is cut short")
    return begin, begin + info.file_size
