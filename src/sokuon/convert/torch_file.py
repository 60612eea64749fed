"""Read `pytorch_model.bin` without torch: tensors only, nothing in the file is ever executed.

A torch file is a ZIP archive of stored (uncompressed) members: one pickle that describes the tensors and one raw
member per storage. The pickle is not unpickled but read: a machine of some twenty instructions keeps names as names,
so that no object exists that the file could call or alter. Whatever a state dict does not need is refused, and a
tensor must lie inside its storage and use no element twice. Tensors come out as views of the mapped file.
Source: the pickle protocol of the Python documentation and files written by `torch.save`.
"""

from __future__ import annotations

import math
import mmap
import pickletools
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sokuon.errors import VoiceError
from sokuon.storage.tensors import widen_bfloat16

_LOCAL_HEADER = b"PK\x03\x04"
_LOCAL_HEADER_BYTES = 30  # of a ZIP member, before its name and extra field
_MOST_PICKLE_BYTES = 1 << 26  # one that describes a million tensors is smaller
_MOST_AXES = 8
_MOST_ELEMENTS = 1 << 40


class _Global(NamedTuple):
    """A name that the pickle refers to."""

    module: str
    name: str


class _Kind(NamedTuple):
    """What a storage is made of."""

    dtype: type[np.generic]
    bfloat16: bool = False


class _Storage(NamedTuple):
    kind: _Kind
    key: str


class _Tensor(NamedTuple):
    """A tensor as the pickle describes it; `offset`, `shape` and `strides` count elements of the storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Placed(NamedTuple):
    """A tensor that lies inside its storage: `first` byte of the file, `strides` in bytes."""

    kind: _Kind
    first: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


_STORAGES = {
    _Global("torch", "FloatStorage"): _Kind(np.float32),
    _Global("torch", "HalfStorage"): _Kind(np.float16),
    _Global("torch", "BFloat16Storage"): _Kind(np.uint16, bfloat16=True),
    _Global("torch", "DoubleStorage"): _Kind(np.float64),
    _Global("torch", "LongStorage"): _Kind(np.int64),
    _Global("torch", "IntStorage"): _Kind(np.int32),
    _Global("torch", "BoolStorage"): _Kind(np.bool_),
}
_ORDERED_DICT = _Global("collections", "OrderedDict")
_TENSOR = _Global("torch._utils", "_rebuild_tensor_v2")
_PARAMETER = _Global("torch._utils", "_rebuild_parameter")
_GLOBALS = {*_STORAGES, _ORDERED_DICT, _TENSOR, _PARAMETER}


class TorchFile(Mapping[str, npt.NDArray[Any]]):
    """The state dict of a file written by `torch.save`: name → array (bfloat16 is widened to float32).

    Raises VoiceError if the file is not a plain state dict in torch's ZIP format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file, zipfile.ZipFile(file) as archive:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                members = {info.filename.partition("/")[2]: info for info in archive.infolist()}
            places = {name: _place(self._map, info) for name, info in members.items()}
            state = _read_state(self._map, *places["data.pkl"])
            self._tensors = {name: _placed(name, tensor, places) for name, tensor in state.items()}
        except VoiceError as error:
            raise VoiceError(f"{path}: {error}") from error
        except (OSError, ValueError, LookupError, TypeError, ArithmeticError, EOFError, RuntimeError) as error:
            raise self._damaged(error) from error
        except (zipfile.BadZipFile, struct.error) as error:
            raise self._damaged(error) from error

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        kind, first, shape, strides = self._tensors[name]
        view: npt.NDArray[Any] = np.ndarray(shape, kind.dtype, self._map, first, strides)  # raises beyond the file
        return widen_bfloat16(view) if kind.bfloat16 else view

    def release(self) -> None:
        """Give back the memory of the pages read so far, as TensorFile.release."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def _damaged(self, error: Exception) -> VoiceError:
        return VoiceError(
            f"{self.path} is not a complete torch state dict in ZIP format ({error}); "
            "download it again, or save it as model.safetensors."
        )


def _place(data: mmap.mmap, info: zipfile.ZipInfo) -> tuple[int, int]:
    """First and last + 1 byte of a stored member."""
    if info.compress_type != zipfile.ZIP_STORED:
        raise VoiceError(f"member {info.filename!r} is compressed; torch.save never does that.")
    header = info.header_offset
    if header < 0 or data[header : header + len(_LOCAL_HEADER)] != _LOCAL_HEADER:
        raise ValueError(f"member {info.filename!r} has no header")
    name_bytes, extra_bytes = struct.unpack_from("<HH", data, header + 26)
    begin = header + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes
    if begin + info.file_size > len(data):
        raise ValueError(f"member {info.filename!r} is cut short")
    return begin, begin + info.file_size


def _placed(name: str, tensor: _Tensor, places: Mapping[str, tuple[int, int]]) -> _Placed:
    """Where a tensor lies in the file; both ends by Python's integers, which do not wrap around."""
    kind, offset, shape, strides = tensor.storage.kind, tensor.offset, tensor.shape, tensor.strides
    begin, end = places.get(f"data/{tensor.storage.key}", (0, 0))
    itemsize = np.dtype(kind.dtype).itemsize
    reach = sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    inside = offset >= 0 and offset + reach < (end - begin) // itemsize
    sizes_fit = min((*shape, *strides), default=0) >= 0 and len(shape) <= _MOST_AXES
    if 0 in shape and sizes_fit and math.prod(max(n, 1) for n in shape) <= _MOST_ELEMENTS:
        return _Placed(kind, 0, shape, (0,) * len(shape))
    if not sizes_fit or not inside or math.prod(shape) > reach + 1:
        raise VoiceError(f"tensor {name!r} does not lie inside its storage, or repeats it; download the file again.")
    steps = (stride * itemsize if n > 1 else 0 for n, stride in zip(shape, strides, strict=True))  # any for one
    return _Placed(kind, begin + offset * itemsize, shape, tuple(steps))


def _read_state(data: mmap.mmap, begin: int, end: int) -> dict[str, _Tensor]:
    """The tensors of a pickled state dict by name."""
    if end - begin > _MOST_PICKLE_BYTES:
        raise VoiceError(f"its description has {end - begin} bytes, more than any state dict needs.")
    state = _Machine().run(data[begin:end])
    if not isinstance(state, dict):
        raise ValueError(f"it holds a {type(state).__name__}")
    model = state.get("model")  # training checkpoints keep it beside the optimizer's state
    tensors = model if isinstance(model, dict) else state
    return {name: item for name, item in tensors.items() if isinstance(item, _Tensor) and type(name) is str}


class _Machine:
    """Reads a pickle: what it would call stays a name, what it would set on an object is dropped."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self, pickled: bytes) -> Any:
        """The value that the pickle describes."""
        for opcode, argument, _ in pickletools.genops(pickled):
            instruction = _INSTRUCTIONS.get(opcode.name)
            if instruction is None:
                raise VoiceError(f"the pickle instruction {opcode.name} is none that a state dict needs; refused.")
            instruction(self, argument)
        return self._stack.pop()

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def take(self, count: int) -> list[Any]:
        """The last values, off the stack."""
        if len(self._stack) < count:
            raise ValueError("its pickle takes what it never put")
        items = self._stack[len(self._stack) - count :]
        del self._stack[len(self._stack) - count :]
        return items

    def drop(self) -> None:
        self.take(1)

    def take_marked(self) -> list[Any]:
        return self.take(max(len(self._stack) - self._marks.pop(), 0))

    def remember(self, number: Any) -> None:
        self._memo[len(self._memo) if number is None else number] = self._stack[-1]

    def fill(self, items: list[Any]) -> None:
        """Names and values into the dict that lies on top."""
        names, values = items[::2], items[1::2]
        if not all(type(name) in (str, int) for name in names):  # optimizers number their parameters
            raise VoiceError("a name in the state dict is neither text nor a number.")
        self._top(dict).update(zip(names, values, strict=True))

    def extend(self, items: list[Any]) -> None:
        self._top(list).extend(items)

    def find(self, module: Any, name: Any) -> None:
        found = _Global(module, name)
        if type(module) is not str or type(name) is not str or found not in _GLOBALS:
            raise VoiceError(f"the file asks for {module}.{name}, which no state dict needs; it is refused unread.")
        self.push(found)

    def call(self) -> None:
        """What the three functions of a state dict would give."""
        function, arguments = self.take(2)
        if function == _ORDERED_DICT and arguments == ():
            self.push({})
        elif function == _TENSOR:
            self.push(_tensor(*arguments))
        elif function == _PARAMETER and isinstance(arguments[0], _Tensor):
            self.push(arguments[0])
        else:
            raise ValueError("its pickle calls something else than a state dict does")

    def refer(self) -> None:
        """A persistent id: a storage."""
        saved = self.take(1)[0]
        tag, kind, key = saved[:3]
        if tag != "storage" or not isinstance(kind, _Global) or kind not in _STORAGES or type(key) is not str:
            raise VoiceError("the file refers to something that is no tensor storage.")
        self.push(_Storage(_STORAGES[kind], key))

    def _top(self, kind: type) -> Any:
        if type(self._stack[-1]) is not kind:
            raise ValueError(f"its pickle fills a {type(self._stack[-1]).__name__}")
        return self._stack[-1]


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    if not isinstance(storage, _Storage) or type(shape) is not tuple or type(strides) is not tuple:
        raise ValueError("a tensor has no storage")
    if not all(type(n) is int for n in (offset, *shape, *strides)) or len(shape) != len(strides):
        raise VoiceError("a tensor's shape is not made of integers.")
    return _Tensor(storage, offset, shape, strides)


def _constant(make: Callable[[], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.push(make())


_VALUES = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")
_INSTRUCTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda _machine, _: None),
    **dict.fromkeys(_VALUES, _Machine.push),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.remember),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda machine, number: machine.push(machine._memo[number])),
    "NONE": _constant(lambda: None),
    "NEWTRUE": _constant(lambda: True),
    "NEWFALSE": _constant(lambda: False),
    "EMPTY_TUPLE": _constant(tuple),
    "EMPTY_LIST": _constant(list),
    "EMPTY_DICT": _constant(dict),
    "MARK": _Machine.mark,
    "TUPLE": lambda machine, _: machine.push(tuple(machine.take_marked())),
    "TUPLE1": lambda machine, _: machine.push(tuple(machine.take(1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(machine.take(2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(machine.take(3))),
    "APPEND": lambda machine, _: machine.extend(machine.take(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.take_marked()),
    "SETITEM": lambda machine, _: machine.fill(machine.take(2)),
    "SETITEMS": lambda machine, _: machine.fill(machine.take_marked()),
    "GLOBAL": lambda machine, both: machine.find(*both.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.find(*machine.take(2)),
    "BINPERSID": lambda machine, _: machine.refer(),
    "REDUCE": lambda machine, _: machine.call(),
    "BUILD": lambda machine, _: machine.drop(),  # an OrderedDict's attributes: `_metadata` of a module
}
