"""A checkpoint as a ledger: every tensor is taken exactly once, or stands on the list of dead ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from sokuon.convert.exact import total
from sokuon.errors import WeightError
from sokuon.storage.tensors import F32, to_float32

Shape = tuple[int | None, ...]  # None: any size

_NORM_SPELLINGS = (("weight_g", "weight_v"), ("parametrizations.weight.original0", "parametrizations.weight.original1"))


@runtime_checkable
class Releasable(Protocol):
    """A mapped file."""

    def release(self) -> None: ...


class Checkpoint:
    """Tensors by name under a prefix, widened to float32 as they are taken.

    Raises WeightError naming the tensor that is missing, taken twice, misshaped, not finite, or (from `finish`) left
    over.
    """

    def __init__(self, tensors: Mapping[str, npt.NDArray[Any]], path: Path) -> None:
        self._tensors = tensors
        self._path = path
        self._left = set(tensors)

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def names(self, pattern: str) -> list[str]:
        """All names that match the regular expression, whether taken or not."""
        return [name for name in self._tensors if re.fullmatch(pattern, name)]

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor, without taking it."""
        if name not in self._tensors:
            raise WeightError(f"{self._path} has no tensor {name}; the file is damaged or not a JP-Extra voice.")
        return self._tensors[name].shape

    def take(self, name: str, shape: Shape) -> F32:
        """The tensor as float32, checked against `shape`."""
        found = self.shape(name)
        if len(found) != len(shape) or any(w is not None and w != f for w, f in zip(shape, found, strict=True)):
            wanted = ["any" if n is None else n for n in shape]
            raise WeightError(f"{self._path}: tensor {name} has shape {list(found)} where {wanted} is needed.")
        if name not in self._left:
            raise WeightError(f"{self._path}: tensor {name} is used twice.")
        self._left.remove(name)
        return self._finite(name, to_float32(self._tensors[name]))

    def take_normed(self, name: str, shape: Shape) -> F32:
        """`<name>.weight` with weight norm folded, in either spelling, or plain (spec model-synthesizer 8.1)."""
        for gain_name, direction_name in _NORM_SPELLINGS:
            if f"{name}.{direction_name}" in self:
                direction = self.take(f"{name}.{direction_name}", shape)
                gain = self.take(f"{name}.{gain_name}", (direction.shape[0],) + (1,) * (direction.ndim - 1))
                return self._finite(f"{name}.{direction_name} by its norm", fold_weight_norm(gain, direction))
        return self.take(f"{name}.weight", shape)

    def normed_shape(self, name: str) -> tuple[int, ...]:
        """Shape of the weight that `take_normed` would give."""
        for _, direction_name in _NORM_SPELLINGS:
            if f"{name}.{direction_name}" in self:
                return self.shape(f"{name}.{direction_name}")
        return self.shape(f"{name}.weight")

    def release(self) -> None:
        """Give back the memory of the file's pages read so far, where it is mapped; arrays taken stay valid."""
        if isinstance(self._tensors, Releasable):
            self._tensors.release()

    def ignore(self, prefix: str) -> None:
        """Strike off the tensors under `prefix`: the model carries them for nothing."""
        self._left = {name for name in self._left if not name.startswith(prefix)}

    def finish(self, dead: Iterable[str]) -> None:
        """Check that nothing is left but tensors matching one of the `dead` regular expressions."""
        patterns = [re.compile(p) for p in dead]
        unknown = sorted(n for n in self._left if not any(p.fullmatch(n) for p in patterns))
        if unknown:
            shown = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
            raise WeightError(f"{self._path} holds tensors this model does not know: {shown}.")

    def overflow(self, layer: str) -> WeightError:
        """What to raise where a layer makes of ordinary rows what no float32 holds."""
        return WeightError(
            f"{self._path}: what {layer} gives for ordinary text is too large for 32 bits; the file is damaged or its"
            " training failed, take the one its author published."
        )

    def _finite(self, name: str, tensor: F32) -> F32:
        """`tensor`, unless a value is NaN or infinite: both show in the extremes, so nothing is allocated."""
        if tensor.size and not (np.isfinite(tensor.min()) and np.isfinite(tensor.max())):
            raise WeightError(
                f"{self._path}: tensor {name} holds NaN or infinity; the file is damaged or its training failed, "
                "download it again or take another checkpoint."
            )
        return tensor


def fold_weight_norm(gain: F32, direction: F32) -> F32:
    """W = g · v / ‖v‖, the norm per index of axis 0 over all others; no epsilon, the same bits on every machine."""
    v = direction.astype(np.float64)
    squares = total((v**2).reshape(len(v), -1), axis=1)
    norm = np.sqrt(squares).reshape(-1, *(1,) * (v.ndim - 1))
    with np.errstate(invalid="ignore", divide="ignore"):  # NaN where there is no length, as in torch
        return np.asarray(gain * v / norm, np.float32)
