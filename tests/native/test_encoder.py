"""The native encoder against float64 and against encoder.onnx of the same folder."""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import encoder_reference
import numpy as np
import numpy.typing as npt
import pytest
from spline_reference import F64, inverse, knots_of
from tiny_voice import TinyVoice, make_tiny_voice

from sokuon.convert.voice import convert_voice
from sokuon.errors import WeightError
from sokuon.formats.contracts import ENCODER
from sokuon.native import library as native
from sokuon.native.encoder import NativeEncoder
from sokuon.native.library import NativeError
from sokuon.networks.session import Session
from sokuon.storage.tensors import TensorFile

F32 = npt.NDArray[np.float32]
Inputs = dict[str, npt.NDArray[Any]]

# Outputs are near unit size. Two FP32 evaluations in another order differ by some 1e-6 each after a dozen norms; a
# wrong tap, head or bin differs by 1e-2 and more.
TOLERANCE = 3e-5
ISAS = {"x86_64": ("amx", "avx512", "avx2", "sse2"), "aarch64": ("neon",)}.get(platform.machine(), ("",))

SHAPES = {
    "small": TinyVoice(),
    "one-layer": TinyVoice(layers=1),  # too shallow for the speaker
    "two-layers": TinyVoice(layers=2, heads=1),
    "five-layers": TinyVoice(layers=5, heads=4, speaker=17),
    "kernel-1": TinyVoice(kernel=1),
    "even-kernel": TinyVoice(kernel=4, filters=40),
    "kernel-5": TinyVoice(kernel=5, channels=24, filters=31, heads=4, bert=20),
    "odd-sizes": TinyVoice(channels=20, filters=7, heads=2, speaker=3, bert=9),
    "wide": TinyVoice(channels=96, filters=130, heads=2, layers=4, speaker=33, bert=70),
}


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param and request.param not in native.isas():
        pytest.skip(f"this machine has no {request.param}")
    monkeypatch.setenv(native.ISA_VARIABLE, request.param)


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Name of a shape → folder of that voice, converted."""
    root = tmp_path_factory.mktemp("voices")

    def folder(name: str) -> Path:
        if not (root / name).exists():
            make_tiny_voice(root / f"{name}.source", seed=7, shape=SHAPES[name])
            convert_voice(root / f"{name}.source", root / name)
        return root / name

    return folder


@pytest.fixture
def small(converted: Callable[[str], Path]) -> Path:
    return converted("small")


def inputs(shape: TinyVoice, slots: int, seed: int = 1, noise: float = 0.8) -> Inputs:
    rng = np.random.default_rng(seed)
    characters = max(1, slots // 3)

    def normal(*size: int) -> F32:
        return rng.standard_normal(size).astype(np.float32)

    return {
        "phones": rng.integers(0, 112, slots),
        "tones": rng.integers(0, 12, slots),
        "languages": rng.integers(0, 3, slots),
        "characters": np.sort(rng.integers(0, characters, slots)),
        "bert": normal(characters, shape.bert),
        "style": normal(256),
        "speaker": normal(shape.speaker),
        "duration_noise": (noise * normal(2, slots)).astype(np.float32),
    }


def close(ours: Sequence[npt.NDArray[Any]], theirs: Sequence[npt.NDArray[Any]]) -> None:
    for port, a, b in zip(ENCODER.outputs, ours, theirs, strict=True):
        assert a.dtype == np.float32
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE, err_msg=port.name)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("name", SHAPES)
def test_equals_float64(name: str, converted: Callable[[str], Path]) -> None:
    folder, shape = converted(name), SHAPES[name]
    encoder, tensors = NativeEncoder.open(folder, 1), TensorFile(folder / "encoder.weights")
    for slots in (1, 2, 13, 61):
        case = inputs(shape, slots)
        close(encoder.run(**case), encoder_reference.encode(tensors, case))


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("name", SHAPES)
def test_equals_the_graph(name: str, converted: Callable[[str], Path]) -> None:
    folder, shape = converted(name), SHAPES[name]
    encoder, graph = NativeEncoder.open(folder, 1), Session(folder / "encoder.onnx", ENCODER, 1)
    for slots in (3, 47):
        case = inputs(shape, slots, seed=2)
        close(encoder.run(**case), graph.run(**case))


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("slots", [1, 2, 3, 4, 5, 9, 11, 12, 23, 24, 25, 48, 49, 100, 257, 400])
def test_any_length(slots: int, small: Path) -> None:
    encoder, graph = NativeEncoder.open(small, 2), Session(small / "encoder.onnx", ENCODER, 1)
    for noise in (0.0, 0.8, 4.0):  # 4: beyond the spline's tails
        case = inputs(SHAPES["small"], slots, noise=noise)
        close(encoder.run(**case), graph.run(**case))


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_nothing(threads: int, converted: Callable[[str], Path]) -> None:
    folder = converted("wide")
    one, several = NativeEncoder.open(folder, 1), NativeEncoder.open(folder, threads)
    for slots in (1, 7, 40, 131):
        case = inputs(SHAPES["wide"], slots)
        for ours, theirs in zip(one.run(**case), several.run(**case), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_callers_at_once(converted: Callable[[str], Path]) -> None:
    encoder = NativeEncoder.open(converted("wide"), 2)
    cases = [inputs(SHAPES["wide"], slots) for slots in (30, 80, 5)]
    alone = [encoder.run(**case) for case in cases]
    wrong: list[int] = []

    def call(index: int) -> None:
        for _ in range(10):
            if any((a != b).any() for a, b in zip(encoder.run(**cases[index]), alone[index], strict=True)):
                wrong.append(index)

    callers = [threading.Thread(target=call, args=(i,)) for i in (0, 1, 2, 0)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


# ---- the spline: a voice whose couplings have constant parameters


class Spline:
    """A voice that hears one spline: sampled log duration = spline(noise row 0)."""

    def __init__(self, folder: Path) -> None:
        self._tensors = dict(TensorFile(folder / "encoder.weights"))
        self._shape = SHAPES["small"]
        one = np.log(np.expm1(0.999))  # slope 1 everywhere and equal bins: the identity
        for flow in (7, 5, 3):
            weight = self._tensors[f"sdp.flows.{flow}.proj.weight"]
            self._tensors[f"sdp.flows.{flow}.proj.weight"] = np.zeros_like(weight)
            self._set(flow, np.zeros(10), np.zeros(10), np.full(9, one))
        self._tensors["sdp.flows.0.shift"] = np.zeros(1, np.float32)
        self._tensors["sdp.flows.0.scale"] = np.ones(1, np.float32)

    def _set(self, flow: int, *parts: F64) -> None:
        self._tensors[f"sdp.flows.{flow}.proj.bias"] = np.concatenate(parts).astype(np.float32)

    def __call__(self, y: F64, widths: F64, heights: F64, slopes: F64) -> F64:
        """x for y; widths and heights are those that the network scales by 1 / sqrt(C)."""
        self._set(3, widths, heights, slopes)
        case = inputs(self._shape, len(y))
        case["duration_noise"] = np.stack([y, np.zeros_like(y)]).astype(np.float32)
        return NativeEncoder(self._tensors, 1).run(**case)[3].astype(np.float64)

    def expected(self, y: F64, widths: F64, heights: F64, slopes: F64) -> F64:
        scale = float(np.float32(1 / np.sqrt(np.float32(self._shape.channels))))
        raw = [part.astype(np.float32).astype(np.float64) for part in (widths, heights, slopes)]
        return np.array([inverse(value, scale * raw[0], scale * raw[1], raw[2]) for value in y])


@pytest.fixture
def spline(small: Path) -> Spline:
    return Spline(small)


def raw(scale: float, seed: int) -> tuple[F64, F64, F64]:
    rng = np.random.default_rng(seed)
    return tuple(scale * rng.standard_normal(n) for n in (10, 10, 9))  # type: ignore[return-value]


def as_floats(values: Any) -> F64:
    return np.asarray(values, np.float32).astype(np.float64)


def rounding(spline: Spline, y: F64, parameters: tuple[F64, F64, F64]) -> F64:
    """The result is a float below 5 and goes through one identity spline before: 1e-6; the exponentials are known to
    1e-7 of themselves, knots in y therefore to some 2e-7, which dx/dy carries over to x."""
    low, high = (spline.expected(np.clip(y + h, -5, 5), *parameters) for h in (-1e-4, 1e-4))
    return np.asarray(1e-6 + 2e-6 * (high - low) / 1e-4)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
def test_spline_equals_float64(scale: float, spline: Spline) -> None:
    y = as_floats(np.random.default_rng(1).uniform(-5, 5, 150))
    for seed in range(3):
        parameters = raw(scale, seed)
        error = np.abs(spline(y, *parameters) - spline.expected(y, *parameters))
        assert (error <= rounding(spline, y, parameters)).all()


@pytest.mark.usefixtures("isa")
def test_spline_is_the_identity_outside(spline: Spline) -> None:
    beyond = np.nextafter(np.float32(5), np.float32(6))
    y = as_floats([-1e6, -6, -beyond, beyond, 7, 1e6])
    np.testing.assert_array_equal(spline(y, *raw(2.0, 3)), y)


@pytest.mark.usefixtures("isa")
def test_spline_at_knots_and_bounds(spline: Spline) -> None:
    parameters = raw(2.0, 5)
    scale = 1 / np.sqrt(SHAPES["small"].channels)
    at = np.clip(knots_of(scale * parameters[1]).astype(np.float32), -5, 5)
    x = knots_of(scale * parameters[0])
    np.testing.assert_allclose(spline(at.astype(np.float64), *parameters), x, atol=2e-5)
    for side in (-9, 9):
        beside = np.clip(np.nextafter(at, np.float32(side)), -5, 5).astype(np.float64)
        np.testing.assert_allclose(spline(beside, *parameters), x, atol=2e-5)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("tall", [0, 4, 9])
def test_spline_with_bins_of_the_smallest_size(tall: int, spline: Spline) -> None:
    """All bins but one are 0.01 wide or high; slopes are the smallest or steep: no NaN, in order, inside."""
    peak = np.zeros(10)
    peak[tall] = 500.0
    y = np.linspace(-5, 5, 101)
    for slopes in (np.full(9, -80.0), np.full(9, 20.0), np.tile([-80.0, 20.0, 0.0], 3)):
        for parameters in ((peak, np.zeros(10), slopes), (np.zeros(10), peak, slopes), (peak, peak[::-1], slopes)):
            x = spline(y, *parameters)
            assert np.isfinite(x).all()
            assert (np.abs(x) <= 5).all()
            assert (np.diff(x) >= -1e-6).all()
            error = np.abs(x - spline.expected(as_floats(y), *parameters))
            assert (error <= rounding(spline, y, parameters)).all()


@pytest.mark.usefixtures("isa")
def test_damage_stays_visible(small: Path) -> None:
    """NaN must reach the durations, where it becomes an error; in the weights it is refused."""
    features = inputs(SHAPES["small"], 12)
    features["bert"] = np.full_like(features["bert"], np.nan)
    durations = NativeEncoder.open(small, 1).run(**features)[2:]
    assert all(np.isnan(row).all() for row in durations)
    tensors = dict(TensorFile(small / "encoder.weights"))
    for name in ("dp.conv_1.bias", "sdp.convs.convs_1x1.0.bias", "enc_p.emb.weight"):
        damaged = tensors | {name: np.full_like(tensors[name], np.nan)}
        with pytest.raises(WeightError, match=f"{name} holds NaN"):
            NativeEncoder(damaged, 1)


# ---- what cannot be run


@pytest.mark.parametrize("name", ["phones", "tones", "languages", "characters"])
@pytest.mark.parametrize("value", [-1, 112, 1 << 40, -(1 << 62)])
def test_an_id_in_no_table_is_an_error(name: str, value: int, small: Path) -> None:
    case = inputs(SHAPES["small"], 9)
    case[name][4] = value
    with pytest.raises(NativeError, match=rf"{name[:-1]} {value} of slot 4 is not in 0 … "):
        NativeEncoder.open(small, 1).run(**case)


def test_misshaped_inputs_are_errors(small: Path) -> None:
    encoder = NativeEncoder.open(small, 1)
    good = inputs(SHAPES["small"], 9)
    for name in good:
        with pytest.raises(ValueError, match=name if name != "phones" else "tones"):  # phones say how many slots
            encoder.run(**(good | {name: good[name][..., :-1]}))
        with pytest.raises(ValueError, match=f"{name} is missing"):
            encoder.run(**{key: value for key, value in good.items() if key != name})
    with pytest.raises(NativeError, match="nothing to encode"):
        encoder.run(**inputs(SHAPES["small"], 0))


@pytest.mark.parametrize(
    "name",
    [
        "enc_p.emb.weight",
        "enc_p.bert_proj.bias",
        "enc_p.encoder.attn_layers.0.emb_rel_k",
        "enc_p.encoder.attn_layers.1.qkv.weight",
        "enc_p.encoder.spk_emb_linear.bias",
        "dp.cond.bias",
        "dp.conv_1.weight",
        "dp.norm_2.gamma",
        "sdp.convs.convs_sep.1.weight.2",
        "sdp.flows.5.proj.weight",
        "sdp.flows.0.shift",
    ],
)
def test_bad_tensors_are_one_clear_sentence(name: str, small: Path) -> None:
    tensors = dict(TensorFile(small / "encoder.weights"))
    with pytest.raises(WeightError, match=r"tensor \S+ has \d+ values, expected|no multiple of") as caught:
        NativeEncoder(tensors | {name: np.append(tensors[name], 0)}, 1)
    assert str(caught.value).endswith("; convert the voice again.")
    del tensors[name]
    with pytest.raises(WeightError, match=rf"the encoder tensor {name} is missing"):
        NativeEncoder(tensors, 1)


def test_an_unknown_instruction_set_is_an_error(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.ISA_VARIABLE, "avx9000")
    with pytest.raises(WeightError, match="no kernels named avx9000"):
        NativeEncoder.open(small, 1)


def test_it_tells_the_memory_of_its_weights(small: Path) -> None:
    plain = sum(tensor.nbytes for tensor in TensorFile(small / "encoder.weights").values())
    assert plain < NativeEncoder.open(small, 1).weight_bytes
