"""The only import of ONNX Runtime: opens a graph, sets its threads and memory policy, checks its contract.

It is imported when the first graph is opened: it costs 21 MB and 40 ms, and what runs natively has no use for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sokuon.errors import MissingExtraError, VoiceError
from sokuon.formats.contracts import Contract, Port
from sokuon.native.interruptible import interruptible
from sokuon.networks.graphs import graph_of

if TYPE_CHECKING:
    import onnxruntime as ort

_TENSOR_TYPES = {"float32": "tensor(float)", "int64": "tensor(int64)"}


# These join an addition with a norm or GELU into one node that is 2 to 7 times slower than the two apart (ONNX Runtime
# 1.32, x86-64: 0.26 ms against 0.04 ms for 42 rows of 1024).
_SLOWER_FUSIONS = ["SkipLayerNormFusion", "BiasGeluFusion"]

# Products of unsigned by signed bytes sum pairs in 16 bits on x86-64 processors without VNNI, and saturate: a third of
# the BERT's accuracy (28 dB instead of 43). With this, ONNX Runtime takes a kernel of unsigned bytes there, which is
# exact; where nothing saturates it changes nothing.
_EXACT_PRODUCTS = "session.x64quantprecision"
_WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"  # of a graph that is no file
_LONGEST_REASON = 300


def onnx_runtime() -> Any:
    """The library. Raises MissingExtraError."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(
            f"ONNX Runtime cannot be loaded ({error}); install it with: python -m pip install onnxruntime."
        ) from error
    return onnxruntime


class Session:
    """One graph, ready to run. Thread-safe: ONNX Runtime allows concurrent runs of a session."""

    def __init__(
        self,
        path: Path,
        contract: Contract,
        threads: int,
        *,
        arena: bool = False,
        constants: Mapping[str, npt.NDArray[Any]] | None = None,
    ) -> None:
        """Open the graph `path` of a converted folder, made first if it is not there (see `graphs`).

        With `arena`, memory of a run is kept for the next (see `run`): faster for many small nodes. `constants` are
        those that the graph names but does not hold. Raises VoiceError, MissingExtraError.
        """
        ort, model = onnx_runtime(), graph_of(path, contract)
        options = _options(threads, arena)
        if isinstance(model, bytes):
            options.add_session_config_entry(_WEIGHTS_FOLDER, str(path.parent))
        if constants:
            values = [ort.OrtValue.ortvalue_from_numpy(value) for value in constants.values()]
            options.add_external_initializers(list(constants), values)
        try:
            self._session = ort.InferenceSession(
                model if isinstance(model, bytes) else str(model),
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=_SLOWER_FUSIONS,
                enable_fallback=0,  # it would print, and try the same once more
            )
        except Exception as error:  # ONNX Runtime raises a class per failure, none of them ours to list
            raise VoiceError(f"{path} cannot be opened ({_reason(error)}); convert the folder again.") from error
        self._path = path
        _check(path, self._session, contract)
        self._outputs = [port.name for port in contract.outputs]

    def run(self, *, shrink: bool = False, **inputs: npt.NDArray[Any]) -> list[npt.NDArray[np.float32]]:
        """Run the graph on inputs named as in its contract; outputs in the contract's order.

        `shrink` gives the arena's memory back afterwards: for a run that needs far more than the usual one. Raises
        VoiceError where a node of a damaged graph fails.
        """
        import onnxruntime as ort

        options = ort.RunOptions()
        if shrink:
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

        def work() -> list[npt.NDArray[np.float32]]:
            try:
                outputs: list[npt.NDArray[np.float32]] = self._session.run(self._outputs, inputs, options)
            except Exception as error:
                if not type(error).__module__.startswith("onnxruntime"):
                    raise
                raise VoiceError(f"{self._path} cannot be run ({_reason(error)}); convert the folder again.") from error
            return outputs

        def stop() -> None:
            options.terminate = True

        return interruptible(work, stop)


def _reason(error: Exception) -> str:
    """In one line: it has several, a trace among them."""
    return " ".join(str(error).split())[:_LONGEST_REASON]


def _options(threads: int, arena: bool) -> ort.SessionOptions:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # sizes change with every sentence: a plan per size is memory for nothing
    options.enable_cpu_mem_arena = arena  # an arena keeps the largest sentence ever spoken, unless it is shrunk
    options.add_session_config_entry(_EXACT_PRODUCTS, "1")
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if threads > 1 else "0")
    options.add_session_config_entry("session.force_spinning_stop", "1")  # the next graph needs these processors
    return options


def _check(path: Path, session: ort.InferenceSession, contract: Contract) -> None:
    for kind, ports, values in (
        ("input", contract.inputs, session.get_inputs()),
        ("output", contract.outputs, session.get_outputs()),
    ):
        found = {value.name: value for value in values}
        for port in ports:
            value = found.get(port.name)
            if value is None or not _fits(port, value):
                raise VoiceError(f"{path} has no {kind} {port.name} {port.dtype}{list(port.shape)}; convert it again.")


def _fits(port: Port, value: Any) -> bool:
    if value.type != _TENSOR_TYPES[port.dtype] or len(value.shape) != len(port.shape):
        return False
    return all(isinstance(want, str) or want == got for want, got in zip(port.shape, value.shape, strict=True))
