"""Voices that differ from a made one in a few tensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sokuon.storage.tensors import TensorFile, TensorFileWriter

Tensors = dict[str, npt.NDArray[Any]]


def rewrite(folder: Path, change: Callable[[Tensors], object]) -> None:
    """Write model.safetensors in `folder` anew after `change` has edited its dict of tensors."""
    path = folder / "model.safetensors"
    tensors = {name: np.array(tensor) for name, tensor in TensorFile(path).items()}
    change(tensors)
    with TensorFileWriter(path, header_bytes=65536) as file:
        for name, tensor in tensors.items():
            file.add(name, tensor)
