"""Converted voices on both backends, and our own torch model, against the reference synthesizer given the same noise.

The reference runs as a program in an environment of its own (`oracle.py`): the interpreter in SOKUON_ORACLE_PYTHON, or
this one if it holds the package `hayakoe`.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from cases import CASES, Case

from sokuon.convert.voice import convert_voice
from sokuon.networks.runtime import Backend, Runtime
from sokuon.networks.synthesizer import Encoded, Synthesizer, Utterance, durations, growing_chunks
from sokuon.options import SynthesisOptions
from sokuon.storage.tensors import F32, TensorFile, to_float32
from sokuon.text import Slots
from sokuon.voices.source_files import find_weights
from sokuon.voices.voice import Voice

HERE = Path(__file__).parent
TRAINING = HERE.parents[1] / "training"
TOLERANCE = 1e-4  # absolute; float32 sums in another order through some 60 layers differ by some 1e-6 to 1e-5
BACKENDS: tuple[Backend, ...] = ("onnx", "native")
PARAMETERS = [pytest.param(c, id=c.name, marks=[pytest.mark.heavy] if c.heavy else []) for c in CASES]
Spoken = dict[str, Any]  # one run: arrays and scalars by name, as `oracle.speak` returns them


def oracle_python() -> str | None:
    if importlib.util.find_spec("hayakoe") and importlib.util.find_spec("torch"):
        return sys.executable
    return os.environ.get("SOKUON_ORACLE_PYTHON")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], Path]:
    """A function: case → folder with the voice and the reference's runs (made for all light cases at once)."""
    python = oracle_python()
    if python is None:
        pytest.skip("the reference is not installed: set SOKUON_ORACLE_PYTHON to a Python that has hayakoe and torch")
    folder = tmp_path_factory.mktemp("oracle")

    def made(case: Case) -> Path:
        if not (folder / case.name).exists():
            names = [case.name] if case.heavy else [c.name for c in CASES if not c.heavy]
            subprocess.run([python, HERE / "oracle.py", folder, *names], check=True)
        return folder / case.name

    return made


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", PARAMETERS)
def test_networks_equal_the_reference(
    case: Case, backend: Backend, spoken: Callable[[Case], Path], tmp_path: Path
) -> None:
    folder = spoken(case)
    convert_voice(folder / "voice", tmp_path / "converted")
    voice = Voice.open(tmp_path / "converted")
    synthesizer = Synthesizer.open(voice, Runtime(1, backend, "fp32"))
    for run in runs(case, folder):
        encoded = encode(synthesizer, voice, run)
        close(encoded.mean, run["mean"])
        close(encoded.log_std, run["log_std"])
        close(encoded.log_duration, run["log_duration"])
        close_to_exact(encoded.log_duration_sampled, run)
        frames = durations(encoded, SynthesisOptions(sdp_ratio=run["sdp_ratio"], speed=1 / run["length_scale"]))
        np.testing.assert_array_equal(frames, run["durations"])
        z = synthesizer.latent(encoded, frames, scaled(run["epsilon"], run["noise"]), run["speaker"])
        close(z, run["z"])
        for chunks in ([len(z)], growing_chunks(len(z))):
            close(np.concatenate(list(synthesizer.decode(z, run["speaker"], chunks))), run["audio"])


@pytest.mark.parametrize("case", PARAMETERS)
def test_speakers_and_styles_are_the_voices_own(case: Case, spoken: Callable[[Case], Path], tmp_path: Path) -> None:
    folder = spoken(case)
    convert_voice(folder / "voice", tmp_path / "converted")
    voice = Voice.open(tmp_path / "converted")
    for run in runs(case, folder):
        np.testing.assert_array_equal(voice.speaker(run["sid"]), run["speaker"])
    styles = np.load(folder / "voice" / "style_vectors.npy")
    assert len(voice.manifest.styles) == len(styles) == case.styles
    for name, row in voice.manifest.styles.items():
        np.testing.assert_allclose(voice.style(name, 1.0), styles[row], rtol=1e-6, atol=1e-6)  # V0 + (V - V0)


TRAINABLE = [p for p in PARAMETERS if p.values[0].spelling == "original"]  # the spelling its torch modules use


@pytest.mark.parametrize("case", TRAINABLE)
def test_our_torch_model_equals_the_reference(
    case: Case, spoken: Callable[[Case], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.syspath_prepend(str(TRAINING))
    folder = spoken(case)
    model = our_torch_model(case, folder / "voice")
    for run in runs(case, folder):
        with torch.no_grad():
            said = say_with_torch(torch, model, run)
        np.testing.assert_array_equal(said.frames, run["durations"])
        close(np.asarray(said.z).T, run["z"])
        close(np.asarray(said.audio), run["audio"])


def runs(case: Case, folder: Path) -> list[Spoken]:
    files = (np.load(folder / f"run_{index}.npz") for index in range(len(case.runs)))
    return [{key: value if value.ndim else value.item() for key, value in file.items()} for file in files]


def encode(synthesizer: Synthesizer, voice: Voice, run: Spoken) -> Encoded:
    phones = run["phones"]
    counts = np.bincount(run["characters"], minlength=len(run["bert"]))
    slots = Slots(("_",) * len(phones), phones, run["tones"], run["languages"], tuple(counts.tolist()))
    assert voice.manifest.bert_width == run["bert"].shape[1]
    utterance = Utterance(slots, run["bert"], run["style"], run["speaker"])
    return synthesizer.encode(utterance, scaled(run["epsilon_w"], run["noise_w"]))


def scaled(noise: Any, scale: Any) -> Any:
    return (noise * np.float32(scale)).astype(np.float32)


def close(ours: Any, reference: Any) -> None:
    assert ours.shape == reference.shape
    np.testing.assert_allclose(ours, reference, rtol=0, atol=TOLERANCE)


def close_to_exact(log_durations: F32, run: Spoken) -> None:
    """Near the reference in float64, and no farther than twice what its own float32 strays at that slot."""
    error = np.abs(log_durations - run["log_duration_sampled_exact"])
    assert (error <= TOLERANCE + 2 * run["log_duration_sampled_strays"]).all(), error.max()


def our_torch_model(case: Case, voice: Path) -> Any:
    import torch
    from sokuon_training import config, synthesizer

    model = synthesizer.Synthesizer(config.read(voice / "config.json", transformer_flow=case.flow == "transformer"))
    tensors = TensorFile(find_weights(voice))
    state = {name: torch.from_numpy(to_float32(tensors[name]).copy()) for name in model.state_dict()}
    model.load_state_dict(state)
    return model.eval()


def say_with_torch(torch: ModuleType, model: Any, run: Spoken) -> Any:
    from sokuon_training.encoder import TextInput
    from sokuon_training.synthesizer import Scales

    t = {key: torch.from_numpy(value)[None] for key, value in run.items() if isinstance(value, np.ndarray)}
    bert = t["bert"][0][t["characters"][0]].T[None]  # [1, B, T]
    text = TextInput(t["phones"], t["tones"], t["languages"], bert, t["style"], torch.ones(1, 1, len(run["phones"])))
    scales = Scales(
        noise=run["noise"],
        noise_w=run["noise_w"],
        length=run["length_scale"],
        sdp_ratio=run["sdp_ratio"],
    )
    return model.infer(text, run["sid"], scales, (t["epsilon_w"][0], t["epsilon"][0].T))
