"""A converted voice beside the graph it was recovered from: the same inputs without noise must give the same samples.

The published graph runs in a process of its own, with bounds on time and memory: it is a program from elsewhere.

    python -m sokuon.convert.compare GRAPH FOLDER
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from sokuon.convert.graphs import graph_bytes
from sokuon.errors import VoiceError
from sokuon.formats.contracts import DECODER, ENCODER, FLOW, Contract
from sokuon.formats.voice import Manifest
from sokuon.storage.tensors import F32
from sokuon.text.tables import SYMBOLS

TOLERANCE = 1e-4  # of samples in [-1, 1]: float32 sums in another order stay ten times below
_SECONDS = 60.0
_BYTES = 8 << 30  # of address space; runtimes reserve far more than they use
_SLOTS = 19
_MOST_FRAMES = 2000
_CLEAR = 1e-4  # relative distance of every duration to the next integer, or rounding would decide
_DRAWS = 50
_SDP_RATIO, _LENGTH = 0.4, 1.2  # both predictors are heard


def compare(graph: Path, folder: Path) -> None:
    """Raise VoiceError unless `folder` speaks as `graph` does."""
    command = [sys.executable, "-m", "sokuon.convert.compare", str(graph), str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, env=environment)
    except subprocess.TimeoutExpired as error:
        raise VoiceError(f"{graph} did not finish a short sentence in {_SECONDS:g} s; {_REMEDY}") from error
    try:
        found = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise VoiceError(f"{graph} cannot be run ({_last_line(done.stderr)}); {_REMEDY}") from error
    if found["problem"]:
        raise VoiceError(f"{graph}: {found['problem']}; {_REMEDY}")


_REMEDY = "take the voice's .safetensors file, or download it again."


def difference(graph: Path, folder: Path) -> str | None:
    """What sets the two apart; None if nothing does. One network is in memory at a time, once."""
    inputs, expected = _speak_clearly(_Converted(folder), np.random.default_rng(0))
    heard = _heard(graph, inputs)
    if len(heard) != len(expected):
        return f"it speaks {len(heard)} samples where its weights give {len(expected)}"
    error = float(np.abs(heard - expected).max())
    return None if error <= TOLERANCE else f"its samples differ by {error:.1e} from what its weights give"


def _heard(graph: Path, inputs: dict[str, Any]) -> F32:
    """Samples of the published graph."""
    from sokuon.convert.onnx_file import OnnxFile  # brings onnx

    session = _session(OnnxFile(graph).skeleton(), graph.parent)
    first = session.get_outputs()[0].name
    return np.asarray(session.run([first], _named(session, inputs))[0]).reshape(-1)


def _session(model: bytes, folder: Path) -> Any:
    """A graph as it is, whose weights are used where they lie in files of `folder`."""
    import onnxruntime as ort

    runtime: Any = ort
    runtime.set_default_logger_severity(4)
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    options.add_session_config_entry("session.disable_prepacking", "1")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _named(session: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs under the graph's names, in the shapes it wants: scalars may be [] or [1]."""
    other = {"x": "x_tst", "x_lengths": "x_tst_lengths", "tone": "tones"}
    given = {}
    for port in session.get_inputs():
        name = next((ours for ours in inputs if port.name in (ours, other.get(ours))), None)
        if name is None:
            raise ValueError(f"the graph has an input {port.name!r} that no JP-Extra voice has")
        value = inputs[name]
        given[port.name] = value.reshape(()) if value.size == 1 and not port.shape else value
    return given


def _speak_clearly(ours: _Converted, random: np.random.Generator) -> tuple[dict[str, Any], F32]:
    """Inputs whose durations no rounding decides, and what the converted voice says to them."""
    encoder = ours.network(ENCODER)
    for _ in range(_DRAWS):
        inputs = _draw(ours, random)
        frames, spoken = ours.durations(encoder, inputs)
        if np.abs(frames - np.rint(frames)).min() > _CLEAR * max(1.0, float(frames.max())):
            del encoder
            return inputs, ours.speak(np.ceil(frames).astype(np.int64), spoken, inputs)
    raise ValueError("its durations are all whole numbers")


def _draw(ours: _Converted, random: np.random.Generator) -> dict[str, Any]:
    slots = (1, _SLOTS)
    return {
        "x": random.integers(0, len(SYMBOLS), slots),
        "x_lengths": np.array([_SLOTS]),
        "sid": np.array([random.integers(0, len(ours.speakers))]),
        "tone": random.integers(0, 12, slots),
        "language": random.integers(0, 3, slots),
        "bert": random.standard_normal((1, ours.bert_width, _SLOTS), np.float32),
        "style_vec": ours.styles[random.integers(0, len(ours.styles))][None],
        "length_scale": _scalar(_LENGTH),
        "sdp_ratio": _scalar(_SDP_RATIO),
        "noise_scale": _scalar(0.0),
        "noise_scale_w": _scalar(0.0),
    }


def _scalar(value: float) -> F32:
    return np.array([value], np.float32)


class _Converted:
    """The converted networks, run in a row as the engine does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.speakers = np.load(folder / "speakers.npy")
        self.styles = np.asarray(np.load(folder / "style_vectors.npy"), np.float32)
        self.bert_width = Manifest.read(folder).bert_width

    def network(self, contract: Contract) -> Any:
        """One of them, opened."""
        return _session(graph_bytes(self._folder, contract), self._folder)

    def durations(self, encoder: Any, inputs: dict[str, Any]) -> tuple[F32, F32]:
        """Frames of each slot before they are rounded up [T], and the prior's mean [T, C]."""
        feed = {
            "phones": inputs["x"][0], "tones": inputs["tone"][0], "languages": inputs["language"][0],
            "characters": np.arange(_SLOTS), "bert": np.ascontiguousarray(inputs["bert"][0].T),
            "style": inputs["style_vec"][0], "speaker": self.speakers[inputs["sid"][0]],
            "duration_noise": np.zeros((2, _SLOTS), np.float32),
        }  # fmt: skip
        mean, _, fixed, sampled = encoder.run(None, feed)
        frames = np.exp(_SDP_RATIO * sampled + (1 - _SDP_RATIO) * fixed) * _LENGTH
        if not frames.sum() < _MOST_FRAMES:
            raise ValueError("its durations are without bound")
        return frames, mean

    def speak(self, frames: Any, mean: F32, inputs: dict[str, Any]) -> F32:
        """Samples [N] without noise."""
        speaker = self.speakers[inputs["sid"][0]]
        (z,) = self.network(FLOW).run(None, {"z_prior": np.repeat(mean, frames, axis=0), "speaker": speaker})
        (audio,) = self.network(DECODER).run(None, {"z": z, "speaker": speaker})
        return np.asarray(audio, np.float32)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it ended without a word"])[-1][:200]


def _bounded() -> None:
    """No more address space than a voice can need."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))


def main(graph: Path, folder: Path) -> None:
    """Print the difference as a line of JSON."""
    _bounded()
    try:
        problem = difference(graph, folder)
    except Exception as error:
        problem = f"it cannot be run ({_last_line(str(error))})"
    print(json.dumps({"problem": problem}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
