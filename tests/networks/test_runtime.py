"""Which backend runs each network of a voice, and what is said where it cannot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_voice import TinyVoice, make_tiny_voice

from sokuon.convert.voice import convert_voice
from sokuon.errors import OptionError
from sokuon.native import library as native
from sokuon.native.encoder import NativeEncoder
from sokuon.networks.decoder import NativeDecoder, OnnxDecoder, open_decoder
from sokuon.networks.encoder import OnnxEncoder, open_encoder
from sokuon.networks.flow import NativeFlow, OnnxFlow, open_flow
from sokuon.networks.runtime import Backend, Runtime
from sokuon.networks.synthesizer import Synthesizer
from sokuon.voices.voice import Voice

NATIVE = native.available()[0]
native_only = pytest.mark.skipif(not NATIVE, reason="this installation was built without a C++ compiler")


def opened(folder: Path, backend: Backend) -> list[type]:
    runtime = Runtime(1, backend)
    voice = Voice.open(folder)
    return [type(n) for n in (open_encoder(folder, runtime), open_flow(folder, runtime), open_decoder(voice, runtime))]


@pytest.fixture
def wavenet(tmp_path: Path) -> Path:
    make_tiny_voice(tmp_path / "source", 3, TinyVoice(wavenet=True))
    convert_voice(tmp_path / "source", tmp_path / "voice")
    return tmp_path / "voice"


def test_backend_decides_for_every_network(converted: Path) -> None:
    all_native, all_onnx = [NativeEncoder, NativeFlow, NativeDecoder], [OnnxEncoder, OnnxFlow, OnnxDecoder]
    assert opened(converted / "voice", "onnx") == all_onnx
    assert opened(converted / "voice", "auto") == (all_native if NATIVE else all_onnx)


@native_only
def test_a_wavenet_flow_runs_natively_too(wavenet: Path) -> None:
    assert opened(wavenet, "native") == [NativeEncoder, NativeFlow, NativeDecoder]


@native_only
def test_what_runs_is_logged(converted: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="sokuon"):
        Synthesizer.open(Voice.open(converted / "voice"), Runtime(1))
    assert "NativeEncoder, NativeFlow, NativeDecoder" in caplog.text


@native_only
def test_weights_reach_the_flow(converted: Path) -> None:
    rng, folder = np.random.default_rng(0), converted / "voice"
    z = rng.standard_normal((50, TinyVoice().channels)).astype(np.float32)
    speaker = rng.standard_normal(TinyVoice().speaker).astype(np.float32)
    codes, full = (open_flow(folder, Runtime(1, weights=weights)).run(z, speaker) for weights in ("q16", "fp32"))
    assert 0 < np.abs(codes - full).max() < 1e-3  # 16-bit codes: near, and not the same


@pytest.mark.skipif(NATIVE, reason="the native kernels are there")
def test_native_kernels_asked_for_and_missing_are_said() -> None:
    with pytest.raises(OptionError, match=r"the native kernels cannot run here \(.*\); use backend='onnx'"):
        Runtime(1, "native").native()
