"""Two flows of one contract: `flow.onnx` on ONNX Runtime, and the native one."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np

from sokuon.formats.contracts import FLOW
from sokuon.native import flow as native_flow
from sokuon.networks.runtime import Runtime
from sokuon.networks.session import Session
from sokuon.storage.tensors import F32, TensorFile

_KEPT_FRAMES = 1000  # memory of longer runs goes back to the system
_MOST_FRAMES_PER_RUN = 3000  # 35 s of sound: attention costs the square, and no voice was trained on so much at once
_CONTEXT_FRAMES = 250  # of its neighbours that a run reads where there are several: 3 s


class Flow(Protocol):
    """Prior sample z_prior [F, C] and speaker [G] → latent frames z [F, C]; `threads` as in Encoder."""

    def run(self, z_prior: F32, speaker: F32, threads: int | None = None) -> F32: ...


class OnnxFlow:
    """`flow.onnx`."""

    def __init__(self, folder: Path, runtime: Runtime) -> None:
        self._session = Session(folder / "flow.onnx", FLOW, runtime.threads, arena=True)

    def run(self, z_prior: F32, speaker: F32, threads: int | None = None) -> F32:  # noqa: ARG002
        """See Flow; a session has the threads it was opened with."""
        return self._session.run(shrink=len(z_prior) > _KEPT_FRAMES, z_prior=z_prior, speaker=speaker)[0]


class NativeFlow:
    """The native flow behind the same contract."""

    def __init__(self, folder: Path, runtime: Runtime) -> None:
        tensors = TensorFile(folder / "flow.weights")
        self._threads = runtime.threads
        codes = TensorFile(folder / "flow.codes") if runtime.weights == "q16" else None
        self._kernel = native_flow.NativeFlow(tensors, runtime.weights, codes)
        tensors.release()

    @property
    def weight_bytes(self) -> int:
        """Memory of the weights, packed or in the mapped file."""
        return self._kernel.weight_bytes

    def run(self, z_prior: F32, speaker: F32, threads: int | None = None) -> F32:
        """See Flow."""
        return self._kernel.run(z_prior, speaker, threads or self._threads)


def run_bounded(flow: Flow, z_prior: F32, speaker: F32, threads: int | None = None) -> F32:
    """Flow.run in time and memory in proportion to F: what is longer than any sentence is run in overlapping parts."""
    frames = len(z_prior)
    runs = -(-frames // _MOST_FRAMES_PER_RUN)
    if runs <= 1:
        return flow.run(z_prior, speaker, threads)
    z = np.empty_like(z_prior)
    bounds = np.linspace(0, frames, runs + 1).astype(int).tolist()
    for begin, end in pairwise(bounds):
        first = max(0, begin - _CONTEXT_FRAMES)
        part = flow.run(z_prior[first : end + _CONTEXT_FRAMES], speaker, threads)
        z[begin:end] = part[begin - first : end - first]
    return z


def open_flow(folder: Path, runtime: Runtime) -> Flow:
    """The flow of a converted voice."""
    return runtime.choose(
        f"the flow in {folder}", lambda: NativeFlow(folder, runtime), lambda: OnnxFlow(folder, runtime)
    )
