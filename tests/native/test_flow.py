"""The native flow against float64 from the equations and against the ONNX graph, for every instruction set."""

from __future__ import annotations

import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import flow_reference
import numpy as np
import numpy.typing as npt
import pytest
import reference
from flow_reference import Sizes

from sokuon.convert.flow import flow
from sokuon.convert.graph import Graph
from sokuon.convert.layers import Scope, StackShape
from sokuon.convert.panels import flow_codes, save_codes
from sokuon.convert.weights import Checkpoint
from sokuon.errors import WeightError
from sokuon.formats.contracts import FLOW
from sokuon.native import library as native
from sokuon.native.flow import NativeFlow, Storage
from sokuon.networks.flow import OnnxFlow
from sokuon.networks.runtime import Runtime
from sokuon.networks.session import Session
from sokuon.storage.tensors import TensorFile, TensorFileWriter

F32 = npt.NDArray[np.float32]

# FP32 sums and Toom-Cook transforms leave 124 to 135 dB on these networks (ONNX Runtime 128 to 136); a wrong index
# falls below 40 dB.
EXACT_DB = 118.0
# 16-bit codes carry 2^-16 of the largest weight of an output as rounding: 81 to 91 dB on these networks.
CODED_DB = 76.0

SIZES = {
    "standard": Sizes(),
    "wide": Sizes(channels=96, filters=200, layers=2),
    "odd": Sizes(channels=22, filters=37, heads=1, layers=4, speaker=5),
    "heads-3": Sizes(channels=42, filters=33, heads=3, layers=1),
    "heads-of-1": Sizes(channels=8, filters=9, heads=8, layers=3, couplings=2),
    "kernel-3": Sizes(kernel=3),
    "kernel-1": Sizes(kernel=1, layers=2),
    "kernel-2": Sizes(kernel=2, layers=2),
    "kernel-4": Sizes(kernel=4, filters=50),
    "kernel-7": Sizes(kernel=7, layers=2),
    "seven-layers": Sizes(layers=7, couplings=2),
    "one-coupling": Sizes(couplings=1),
    "three-couplings": Sizes(couplings=3, channels=18, filters=260),
    "wavenet": Sizes(heads=0, layers=4),
    "wavenet-odd": Sizes(heads=0, layers=2, channels=22, kernel=3, speaker=5, couplings=3),
    "wavenet-wide": Sizes(heads=0, layers=1, channels=96, couplings=2),
}

ISAS = {"x86_64": ("amx", "avx512", "avx2", "sse2"), "aarch64": ("neon",)}.get(platform.machine(), ("",))


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param and request.param not in native.isas():
        pytest.skip(f"this machine has no {request.param}")
    monkeypatch.setenv(native.ISA_VARIABLE, request.param)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every kind of flow, converted."""
    return {name: convert(sizes, tmp_path_factory.mktemp(name)) for name, sizes in SIZES.items()}


def convert(sizes: Sizes, folder: Path) -> Path:
    """flow.onnx and flow.weights of a random flow."""
    checkpoint = Checkpoint(flow_reference.random_tensors(sizes), folder / "model.safetensors")
    shape = StackShape(sizes.channels, sizes.filters, sizes.kernel, sizes.heads, 0, sizes.speaker)
    with TensorFileWriter(folder / "flow.weights", header_bytes=65536) as weights:
        graph = Graph(FLOW, weights)
        z = flow(Scope(graph, checkpoint).at("flow"), graph.input("z_prior"), graph.input("speaker"), shape)
        graph.save(folder, [z])
    written = TensorFile(folder / "flow.weights")
    save_codes(folder / "flow.codes", flow_codes(written), len(written))
    return folder


def inputs(sizes: Sizes, frames: int, seed: int = 1) -> tuple[F32, F32]:
    rng = np.random.default_rng(seed)
    return (
        rng.standard_normal((frames, sizes.channels)).astype(np.float32),
        rng.standard_normal(sizes.speaker).astype(np.float32),
    )


def truth(sizes: Sizes, z: F32, speaker: F32) -> npt.NDArray[np.float64]:
    return flow_reference.flow(sizes, flow_reference.random_tensors(sizes), z, speaker)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("storage", ["fp32", "q16"])
@pytest.mark.parametrize("name", SIZES)
def test_equals_float64(folders: dict[str, Path], name: str, storage: Storage) -> None:
    sizes = SIZES[name]
    z, speaker = inputs(sizes, 53)
    result = NativeFlow(TensorFile(folders[name] / "flow.weights"), storage).run(z, speaker, threads=1)
    assert result.dtype == np.float32
    bound = EXACT_DB if storage == "fp32" else CODED_DB
    assert reference.snr(result, truth(sizes, z, speaker)) > bound


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("frames", [9, 53])
@pytest.mark.parametrize("name", SIZES)
def test_codes_of_the_file_are_used_where_they_lie(folders: dict[str, Path], name: str, frames: int) -> None:
    """They equal those that would be packed from the weights but for a few that lie between two codes."""
    weights, codes = TensorFile(folders[name] / "flow.weights"), TensorFile(folders[name] / "flow.codes")
    z, speaker = inputs(SIZES[name], frames)
    packed = NativeFlow(weights, "q16")
    without = {n: value if f"{n}.scales" not in codes else np.zeros_like(value) for n, value in weights.items()}
    mapped = NativeFlow(without, "q16", codes)
    result = mapped.run(z, speaker, threads=2)
    assert reference.snr(result, truth(SIZES[name], z, speaker)) > CODED_DB
    # Tiles round each product's factors to 2^-18: what those few codes move is then rounded anew, in every layer.
    alike_db = 94.0 if "amx" in (os.environ[native.ISA_VARIABLE] or native.isas()) else 100.0
    assert reference.snr(result, packed.run(z, speaker, threads=1).astype(np.float64)) > alike_db
    assert mapped.weight_bytes == packed.weight_bytes


def test_codes_that_do_not_fit_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    weights, codes = TensorFile(folders["standard"] / "flow.weights"), TensorFile(folders["standard"] / "flow.codes")
    name = "flow.flows.2.enc.ffn_layers.0.conv_2.weight"

    def refused(end: str, value: npt.NDArray[np.generic], message: str) -> None:
        with TensorFileWriter(tmp_path / "flow.codes", header_bytes=65536) as file:
            for tensor in codes:
                file.add(tensor, value if tensor == name + end else codes[tensor])
        with pytest.raises(WeightError, match=message):
            NativeFlow(weights, "q16", TensorFile(tmp_path / "flow.codes"))

    whole, scales = codes[name], codes[f"{name}.scales"]
    refused("", whole.astype(np.int32), "holds no tensor .* of type I16")
    refused(".scales", scales.astype(np.float64), "holds no tensor .*scales of type F32")
    refused("", whole[:, :-1], "the flow codes of .* are .* expected")
    refused(".scales", scales[:-1], "the flow codes of .* are .* expected")
    refused(".scales", scales * np.float32(np.nan), "the flow scales of .* hold NaN")


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 6, 9, 11, 12, 13, 31, 97, 192, 193, 523, 700])
@pytest.mark.parametrize("name", ["standard", "kernel-3", "kernel-4", "wavenet"])
def test_any_length_on_any_number_of_threads(folders: dict[str, Path], name: str, frames: int) -> None:
    sizes = SIZES[name]
    z, speaker = inputs(sizes, frames)
    opened = NativeFlow(TensorFile(folders[name] / "flow.weights"))
    expected = truth(sizes, z, speaker)
    for threads in (1, 2, 3):
        assert reference.snr(opened.run(z, speaker, threads), expected) > EXACT_DB


@pytest.mark.parametrize("name", SIZES)
def test_equals_the_graph(folders: dict[str, Path], name: str) -> None:
    session = Session(folders[name] / "flow.onnx", FLOW, threads=1)
    opened = NativeFlow(TensorFile(folders[name] / "flow.weights"))
    for frames in (1, 7, 70):
        z, speaker = inputs(SIZES[name], frames)
        (expected,) = session.run(z_prior=z, speaker=speaker)
        assert reference.snr(opened.run(z, speaker, threads=2), expected.astype(np.float64)) > EXACT_DB


@pytest.mark.parametrize("storage", ["fp32", "q16"])
def test_the_tiny_voice(converted: Path, storage: Storage) -> None:
    """The flow of a whole converted voice folder."""
    session = Session(converted / "voice" / "flow.onnx", FLOW, threads=1)
    opened = NativeFlow(TensorFile(converted / "voice" / "flow.weights"), storage)
    z, speaker = inputs(Sizes(channels=opened.shape.channels, speaker=6), 40)
    (expected,) = session.run(z_prior=z, speaker=speaker)
    bound = EXACT_DB if storage == "fp32" else CODED_DB
    assert reference.snr(opened.run(z, speaker, threads=1), expected.astype(np.float64)) > bound


def test_no_frames(folders: dict[str, Path]) -> None:
    z, speaker = inputs(SIZES["standard"], 0)
    assert NativeFlow(TensorFile(folders["standard"] / "flow.weights")).run(z, speaker, threads=2).shape == (0, 24)


@pytest.mark.parametrize("storage", ["fp32", "q16"])
def test_same_bits_whatever_ran_before_and_however_many_threads(folders: dict[str, Path], storage: Storage) -> None:
    opened = NativeFlow(TensorFile(folders["wide"] / "flow.weights"), storage)
    jobs = [inputs(SIZES["wide"], frames, seed=frames) for frames in (300, 20, 1200, 5, 64)]
    first = [opened.run(z, g, threads=2) for z, g in jobs]
    for (z, g), expected in zip(reversed(jobs), reversed(first), strict=True):
        for threads in (1, 2, 3):
            assert np.array_equal(opened.run(z, g, threads), expected)


def test_concurrent_use(folders: dict[str, Path]) -> None:
    opened = NativeFlow(TensorFile(folders["standard"] / "flow.weights"), "q16")
    jobs = [inputs(SIZES["standard"], 100 + 30 * i, seed=i) for i in range(6)]
    expected = [opened.run(z, g, threads=2) for z, g in jobs]
    results: list[F32 | None] = [None] * len(jobs)

    def work(i: int) -> None:
        results[i] = opened.run(*jobs[i], threads=2)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(len(jobs))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for result, before in zip(results, expected, strict=True):
        assert result is not None
        assert np.array_equal(result, before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_works_in_a_forked_child(folders: dict[str, Path]) -> None:
    opened = NativeFlow(TensorFile(folders["standard"] / "flow.weights"))
    z, speaker = inputs(SIZES["standard"], 300)
    expected = opened.run(z, speaker, threads=2)
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(opened.run(z, speaker, threads=2), expected) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_the_source_is_not_needed_after_construction(folders: dict[str, Path]) -> None:
    tensors = {name: np.array(value) for name, value in TensorFile(folders["standard"] / "flow.weights").items()}
    opened = NativeFlow(tensors)
    z, speaker = inputs(SIZES["standard"], 30)
    before = opened.run(z, speaker, threads=1)
    for value in tensors.values():
        value[...] = np.nan
    assert np.array_equal(opened.run(z, speaker, threads=1), before)


def test_codes_take_half_the_memory(folders: dict[str, Path]) -> None:
    tensors = TensorFile(folders["wide"] / "flow.weights")
    whole, coded = NativeFlow(tensors).weight_bytes, NativeFlow(tensors, "q16").weight_bytes
    assert 0.5 < coded / whole < 0.56  # scales, norms and relative embeddings stay floats


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1.3e30, -3e38])
@pytest.mark.parametrize("storage", ["fp32", "q16"])
def test_weights_that_are_no_numbers_are_refused(folders: dict[str, Path], storage: Storage, value: float) -> None:
    """As 16-bit codes they would vanish."""
    tensors = dict(TensorFile(folders["standard"] / "flow.weights"))
    name = "flow.flows.2.enc.ffn_layers.0.conv_2.weight"
    tensors[name] = np.array(tensors[name])
    tensors[name][3, 5] = value
    with pytest.raises(WeightError, match=r"conv_2\.weight holds NaN, infinity or a value beyond 1e30"):
        NativeFlow(tensors, storage)


def test_weights_too_small_for_codes_are_zero(folders: dict[str, Path]) -> None:
    tensors = dict(TensorFile(folders["standard"] / "flow.weights"))
    name = "flow.flows.2.enc.ffn_layers.0.conv_2.weight"
    z, speaker = inputs(SIZES["standard"], 40)
    sounds = []
    for value in (0.0, 1e-44):
        tensors[name] = np.full_like(tensors[name], value)
        sounds.append(NativeFlow(tensors, "q16").run(z, speaker, threads=1))
    np.testing.assert_array_equal(*sounds)


def test_bad_weights_are_named(folders: dict[str, Path]) -> None:
    tensors = dict(TensorFile(folders["standard"] / "flow.weights"))
    for name in (
        "flow.flows.6.enc.attn_layers.2.qkv.bias",
        "flow.flows.0.post.bias",
        "flow.flows.0.pre.bias",
        "flow.flows.2.enc.attn_layers.0.emb_rel_k",
    ):
        missing = {other: value for other, value in tensors.items() if other != name}
        with pytest.raises(WeightError, match=name.replace(".", r"\.") + " is missing"):
            NativeFlow(missing)
    with pytest.raises(WeightError, match=r"norm_layers_1\.1\.gamma has 7 values, expected 24"):
        NativeFlow(tensors | {"flow.flows.4.enc.norm_layers_1.1.gamma": np.zeros(7, np.float32)})
    with pytest.raises(WeightError, match=r"flow\.flows\.0\.pre\.bias is missing"):
        NativeFlow({})


def test_a_long_kernel_is_refused(tmp_path: Path) -> None:
    folder = convert(Sizes(kernel=17, layers=1), tmp_path)
    with pytest.raises(WeightError, match="has 17 taps, expected 1 to 16"):
        NativeFlow(TensorFile(folder / "flow.weights"))


def test_wrong_input_shapes_are_refused(folders: dict[str, Path]) -> None:
    opened = NativeFlow(TensorFile(folders["standard"] / "flow.weights"))
    z, speaker = inputs(SIZES["standard"], 4)
    with pytest.raises(ValueError, match=r"expected \(frames, 24\)"):
        opened.run(z[:, :3], speaker, threads=1)
    with pytest.raises(ValueError, match=r"expected \(6,\)"):
        opened.run(z, speaker[:3], threads=1)


class InterruptedHereError(Exception):
    """What the test's signal handler raises, as Python's own raises KeyboardInterrupt."""


@pytest.fixture
def signalled() -> Iterator[Callable[[float], list[float]]]:
    """A function: send SIGUSR1 after some seconds; the list it returns gets the moment."""

    def handler(*_: object) -> None:
        raise InterruptedHereError

    def send(after_s: float) -> list[float]:
        sent: list[float] = []

        def fire() -> None:
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGUSR1)

        threading.Timer(after_s, fire).start()
        return sent

    before = signal.signal(signal.SIGUSR1, handler)
    yield send
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
@pytest.mark.parametrize(("kind", "threads"), [("native", 1), ("native", 2), ("onnx", 1)])
def test_a_long_run_is_interrupted_at_once(
    kind: str, threads: int, folders: dict[str, Path], signalled: Callable[[float], list[float]]
) -> None:
    """0.2 s after Ctrl-C at most (the best of five: others use this machine), though the run would take seconds; the
    flow is as good as before."""
    flow = network(kind, folders["wide"], threads)
    short, long = inputs(SIZES["wide"], 30), inputs(SIZES["wide"], 4000)
    expected = flow(*short)
    waits = []
    for _ in range(5):
        sent = signalled(0.1)
        with pytest.raises(InterruptedHereError):
            flow(*long)
        waits.append(time.monotonic() - sent[0])
    assert min(waits) < 0.2, waits
    np.testing.assert_array_equal(flow(*short), expected)


def network(kind: str, folder: Path, threads: int) -> Callable[[F32, F32], F32]:
    if kind == "native":
        kernel = NativeFlow(TensorFile(folder / "flow.weights"))
        return lambda z_prior, speaker: kernel.run(z_prior, speaker, threads)
    return OnnxFlow(folder, Runtime(threads, "onnx")).run


def test_other_threads_run_where_they_are(folders: dict[str, Path]) -> None:
    """Only the main thread handles signals: elsewhere a long run needs no helper, and equals a short one's rows."""
    flow = network("native", folders["kernel-1"], 1)
    long = inputs(SIZES["kernel-1"], 500)
    results: list[F32] = []
    thread = threading.Thread(target=lambda: results.append(flow(*long)))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(results[0], flow(*long))
