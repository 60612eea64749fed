"""Two encoders of one contract: `encoder.onnx` on ONNX Runtime, and the native one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from sokuon.formats.contracts import ENCODER
from sokuon.native.encoder import NativeEncoder
from sokuon.networks.runtime import Runtime
from sokuon.networks.session import Session
from sokuon.storage.tensors import F32

_KEPT_SLOTS = 400  # memory of longer runs goes back to the system: attention needs it by the square


class Encoder(Protocol):
    """The contract ENCODER: its inputs by name → its outputs in order, on `threads` (None: as opened) if native."""

    def run(self, threads: int | None = None, **inputs: npt.NDArray[Any]) -> list[F32]: ...


class OnnxEncoder:
    """`encoder.onnx`."""

    def __init__(self, folder: Path, runtime: Runtime) -> None:
        self._session = Session(folder / "encoder.onnx", ENCODER, runtime.threads, arena=True)

    def run(self, threads: int | None = None, **inputs: npt.NDArray[Any]) -> list[F32]:  # noqa: ARG002
        """See Encoder; a session has the threads it was opened with."""
        return self._session.run(shrink=len(inputs["phones"]) > _KEPT_SLOTS, **inputs)


def open_encoder(folder: Path, runtime: Runtime) -> Encoder:
    """The encoder of a converted voice."""
    return runtime.choose(
        f"the encoder in {folder}",
        lambda: NativeEncoder.open(folder, runtime.threads),
        lambda: OnnxEncoder(folder, runtime),
    )
