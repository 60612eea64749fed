"""The native decoder against the float64 reference, for every instruction set of the machine."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import os
import platform
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import reference

from sokuon.convert.panels import decoder_codes, save_codes
from sokuon.errors import WeightError
from sokuon.formats.decoder_config import DecoderConfig
from sokuon.native import bert as native_bert
from sokuon.native import library as native
from sokuon.native.decoder import NativeDecoder
from sokuon.native.library import Storage
from sokuon.storage.tensors import TensorFile

F32 = npt.NDArray[np.float32]

# Exact FP32 "to rounding": an FP32 product summed directly has 130 dB here, Toom-Cook transforms cost 10-16 dB of it.
EXACT_DB = 105.0

# 16-bit codes err evenly by up to half a step of max|w| / 32767: 91 dB below normally distributed weights, the largest
# of which is 2.6 to 3 deviations in 100 to 300. Layers in a row add their errors.
CODES_DB = 85.0
STORAGES: dict[Storage, float] = {"fp32": EXACT_DB, "q16": CODES_DB}

BASE = DecoderConfig(
    latent_channels=12,
    speaker_channels=8,
    initial_channels=96,
    upsample_rates=(4, 2),
    upsample_kernels=(8, 4),
    resblock=1,
    resblock_kernels=(3, 7, 11),
    resblock_dilations=((1, 3, 5),) * 3,
    sample_rate=22050,
)
CONFIGS = {
    "sbv2-like": BASE,
    "wide": dataclasses.replace(BASE, initial_channels=160, upsample_rates=(3,), upsample_kernels=(7,)),
    "resblock-2": dataclasses.replace(
        BASE, resblock=2, resblock_kernels=(3, 5, 7), resblock_dilations=((1, 2), (2, 6), (3, 12))
    ),
    "resblock-2-three": dataclasses.replace(BASE, resblock=2, resblock_dilations=((1, 2, 4), (1,), (7, 2))),
    "kernels-1-5-9": dataclasses.replace(BASE, resblock_kernels=(1, 5, 9), resblock_dilations=((1, 2), (4, 1), (2, 3))),
    "kernels-13-17": dataclasses.replace(BASE, resblock_kernels=(13, 17), resblock_dilations=((1, 2), (3,))),
    "one-branch": dataclasses.replace(BASE, resblock_kernels=(7,), resblock_dilations=((1, 9),)),
    "odd-channels": dataclasses.replace(BASE, latent_channels=5, initial_channels=76, speaker_channels=3),
    "no-speaker": dataclasses.replace(BASE, speaker_channels=0),
    "hop-300": dataclasses.replace(
        BASE,
        initial_channels=128,
        upsample_rates=(5, 5, 4, 3),
        upsample_kernels=(11, 11, 8, 7),
        resblock_kernels=(3, 7),
        resblock_dilations=((1, 3, 5),) * 2,
    ),
    "kernel-is-rate": dataclasses.replace(BASE, upsample_rates=(8, 2, 2), upsample_kernels=(16, 2, 2)),
    "rate-1": dataclasses.replace(BASE, upsample_rates=(1, 5), upsample_kernels=(3, 15)),
    # Wide enough for weights that are kept as filters or codes, and not a whole number of column blocks.
    "filters": dataclasses.replace(
        BASE,
        latent_channels=131,
        initial_channels=264,
        upsample_rates=(3,),
        upsample_kernels=(7,),
        resblock_kernels=(3, 5, 7, 9, 11, 13),
        resblock_dilations=((1, 3),) * 6,
    ),
    "filters-resblock-2": dataclasses.replace(
        BASE,
        initial_channels=512,
        upsample_rates=(2, 2),
        upsample_kernels=(4, 2),
        resblock=2,
        resblock_kernels=(1, 7, 11),
        resblock_dilations=((1, 2), (2, 6), (3, 1)),
    ),
    "down-to-1-channel": dataclasses.replace(
        BASE, initial_channels=8, upsample_rates=(2, 2, 2), upsample_kernels=(4, 4, 4)
    ),
}


ISAS = {"x86_64": ("amx", "avx512", "avx2", "sse2"), "aarch64": ("neon",)}.get(platform.machine(), ("",))


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param and request.param not in native.isas():
        pytest.skip(f"this machine has no {request.param}")
    monkeypatch.setenv(native.ISA_VARIABLE, request.param)


def inputs(config: DecoderConfig, frames: int, seed: int = 1) -> tuple[F32, F32]:
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((config.latent_channels, frames)).astype(np.float32)
    return z, rng.standard_normal(config.speaker_channels).astype(np.float32)


@functools.cache
def truth_of(name: str) -> tuple[dict[str, F32], F32, F32, reference.F64]:
    """Weights, 23 frames of input, and the float64 samples."""
    config = CONFIGS[name]
    tensors = reference.random_tensors(config)
    z, g = inputs(config, 23)
    return tensors, z, g, reference.decode(config, tensors, z, g)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("name", CONFIGS)
def test_equals_float64(name: str, storage: Storage) -> None:
    config = CONFIGS[name]
    tensors, z, g, truth = truth_of(name)
    samples = NativeDecoder(config, tensors, storage).decode(z, g, threads=1)
    assert samples.shape == (23 * config.hop,)
    assert samples.dtype == np.float32
    assert reference.snr(samples, truth) > STORAGES[storage]


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("name", ["filters", "filters-resblock-2", "sbv2-like"])
def test_codes_of_the_file_are_used_where_they_lie(name: str, tmp_path: Path) -> None:
    """They equal those that would be packed from the weights but for a few that lie between two codes."""
    config = CONFIGS[name]
    tensors, z, g, truth = truth_of(name)
    save_codes(tmp_path / "decoder.codes", decoder_codes(tensors, config, prefix=""), len(tensors))
    codes = TensorFile(tmp_path / "decoder.codes")
    assert bool(len(codes)) == (name != "sbv2-like")  # too small for any
    without = {n: value if f"{n}.scales" not in codes else np.zeros_like(value) for n, value in tensors.items()}
    mapped, packed = NativeDecoder(config, without, "q16", codes), NativeDecoder(config, tensors, "q16")
    samples = mapped.decode(z, g, threads=1)
    assert reference.snr(samples, truth) > CODES_DB
    assert reference.snr(samples, packed.decode(z, g, threads=1).astype(np.float64)) > 100.0
    assert mapped.weight_bytes == packed.weight_bytes


@pytest.mark.usefixtures("isa")
def test_codes_take_less_memory() -> None:
    """A code has half the bytes of a number, but beside codes longer tiles are used, which keep up to 1.3 numbers for
    one; layers that are too small for codes keep what they keep."""
    config = CONFIGS["filters"]
    tensors = truth_of("filters")[0]
    floats = sum(tensor.nbytes for tensor in tensors.values())
    kept = {storage: NativeDecoder(config, tensors, storage).weight_bytes for storage in STORAGES}
    assert kept["fp32"] < 2 * floats  # kernel 13 is kept transformed
    assert kept["q16"] < 0.8 * kept["fp32"]


def test_constant_and_empty_filters_survive_codes() -> None:
    """A tap of zeros has no scale; one of equal values is exact."""
    config = CONFIGS["filters"]
    tensors = dict(truth_of("filters")[0])
    tensors["resblocks.0.convs1.0.weight"] = np.zeros_like(tensors["resblocks.0.convs1.0.weight"])
    tensors["resblocks.2.convs2.1.weight"] = np.full_like(tensors["resblocks.2.convs2.1.weight"], 1e-3)
    z, g = inputs(config, 5)
    samples = NativeDecoder(config, tensors, "q16").decode(z, g, threads=1)
    assert reference.snr(samples, reference.decode(config, tensors, z, g)) > CODES_DB


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("frames", [0, 1, 2, 3, 5, 13, 40, 700])
def test_any_length(frames: int) -> None:
    tensors = reference.random_tensors(BASE)
    z, g = inputs(BASE, frames)
    samples = NativeDecoder(BASE, tensors).decode(z, g, threads=2)
    assert samples.shape == (frames * BASE.hop,)
    if frames:
        assert reference.snr(samples, reference.decode(BASE, tensors, z, g)) > EXACT_DB


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_and_chunks_change_rounding_only(threads: int) -> None:
    decoder = NativeDecoder(BASE, reference.random_tensors(BASE))
    z, g = inputs(BASE, 700)
    whole = decoder.decode(z, g, threads=1).astype(np.float64)
    assert reference.snr(decoder.decode(z, g, threads), whole) > EXACT_DB
    for chunks in ([1, 2, 3, 50], [699], [1000], [0, 340], []):
        pieces = list(decoder.stream(z, g, threads, chunks))
        assert reference.snr(np.concatenate(pieces), whole) > EXACT_DB


def test_same_call_gives_same_bits() -> None:
    decoder = NativeDecoder(BASE, reference.random_tensors(BASE))
    z, g = inputs(BASE, 300)
    first = decoder.decode(z, g, threads=2)
    decoder.decode(*inputs(BASE, 200, seed=9), threads=1)  # other data in the same memory in between
    assert np.array_equal(first, decoder.decode(z, g, threads=2))


@pytest.mark.usefixtures("isa")
def test_silence_stays_silence() -> None:
    """Without biases a stretch of zeros is exactly zero; a quiet passage keeps its own SNR beside a loud one."""
    tensors = reference.random_tensors(BASE, bias=0.0)
    decoder = NativeDecoder(BASE, tensors)
    z, _ = inputs(BASE, 240)
    z[:, 80:160] = 0
    z[:, 160:] *= 1e-4
    g = np.zeros(BASE.speaker_channels, np.float32)
    samples = decoder.decode(z, g, threads=1)
    truth = reference.decode(BASE, tensors, z, g)
    reach = (BASE.margin + 40) * BASE.hop  # beyond it no tile touches a loud frame
    assert not samples[80 * BASE.hop + reach : 160 * BASE.hop - reach].any()
    quiet = slice(160 * BASE.hop + BASE.margin * BASE.hop, None)
    assert np.abs(truth[quiet]).max() < 1e-3
    assert reference.snr(samples[quiet], truth[quiet]) > EXACT_DB


def test_concurrent_use() -> None:
    decoder = NativeDecoder(BASE, reference.random_tensors(BASE))
    jobs = [inputs(BASE, 100 + 30 * i, seed=i) for i in range(6)]
    expected = [decoder.decode(z, g, threads=2) for z, g in jobs]
    results: list[F32 | None] = [None] * len(jobs)

    def work(i: int) -> None:
        results[i] = decoder.decode(*jobs[i], threads=2)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(len(jobs))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for result, truth in zip(results, expected, strict=True):
        assert result is not None
        assert np.array_equal(result, truth)


def test_bad_weights_are_named() -> None:
    tensors = reference.random_tensors(BASE)
    missing = {name: value for name, value in tensors.items() if name != "ups.1.bias"}
    with pytest.raises(WeightError, match=r"ups\.1\.bias is missing"):
        NativeDecoder(BASE, missing)
    with pytest.raises(WeightError, match=r"conv_post\.weight has 7 values, expected 168"):
        NativeDecoder(BASE, tensors | {"conv_post.weight": np.zeros((1, 1, 7), np.float32)})


@pytest.mark.parametrize("storage", ["fp32", "q16"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -3e38])
def test_weights_that_are_no_numbers_are_refused(storage: Storage, value: float) -> None:
    """As 16-bit codes they would vanish, by a cast that C++ does not define."""
    config = dataclasses.replace(BASE, initial_channels=256)
    tensors = reference.random_tensors(config)
    tensors["conv_pre.weight"][7, 3, 1] = value
    with pytest.raises(WeightError, match=r"conv_pre\.weight holds NaN, infinity or a value beyond 1e30"):
        NativeDecoder(config, tensors, storage)


def test_unknown_storage_is_named() -> None:
    with pytest.raises(WeightError, match="neither float32 nor int16"):
        NativeDecoder(BASE, reference.random_tensors(BASE), "int8")  # type: ignore[arg-type]


def test_unknown_isa_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.ISA_VARIABLE, "mmx")
    with pytest.raises(WeightError, match="no kernels named mmx"):
        NativeDecoder(BASE, reference.random_tensors(BASE))


def test_a_variant_of_the_bert_is_its_instruction_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """One variable for all networks: the decoder has no variants, and takes the set that the BERT's belongs to."""
    z, g = inputs(BASE, 4)
    for variant in native_bert.isas():
        sounds = []
        for name in (variant, next(isa for isa in native.isas() if variant.startswith(isa))):
            monkeypatch.setenv(native.ISA_VARIABLE, name)
            sounds.append(NativeDecoder(BASE, reference.random_tensors(BASE)).decode(z, g, threads=1))
        np.testing.assert_array_equal(*sounds)


def test_wrong_input_shapes_are_refused() -> None:
    decoder = NativeDecoder(BASE, reference.random_tensors(BASE))
    z, g = inputs(BASE, 4)
    with pytest.raises(ValueError, match=r"expected \(12, frames\)"):
        decoder.decode(z[:3], g, threads=1)
    with pytest.raises(ValueError, match=r"expected \(8,\)"):
        decoder.decode(z, g[:3], threads=1)


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt even where the shell started the tests in the background, ignoring it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupts")
def test_ctrl_c_ends_a_slice() -> None:
    """A signal ends a long decoding soon, and the decoder works afterwards."""
    decoder = NativeDecoder(BASE, reference.random_tensors(BASE))
    z, g = inputs(BASE, 200)
    expected = decoder.decode(z, g, threads=2)
    endless = np.zeros((BASE.latent_channels, 2_000_000), np.float32)  # minutes of work
    timer = threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        decoder._run(endless, g, slice(0, 2_000_000), 2, np.empty(2_000_000 * BASE.hop, np.float32))
    timer.join()
    assert np.array_equal(decoder.decode(z, g, threads=2), expected)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_stop_flag_ends_a_slice(threads: int) -> None:
    """A request that is given up does not decode its slice to the end: some seconds of sound more."""
    decoder = NativeDecoder(BASE, reference.random_tensors(BASE))
    z, g = inputs(BASE, 300)
    expected = decoder.decode(z, g, threads)
    endless = np.zeros((BASE.latent_channels, 2_000_000), np.float32)  # minutes of work
    flag = native.StopFlag()

    def request() -> None:
        with flag.stoppable(), pytest.raises(native.StopRunError):
            decoder._run(endless, g, slice(0, 2_000_000), threads, np.empty(2_000_000 * BASE.hop, np.float32))

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(request)
        time.sleep(0.2)
        flag.set()
        running.result(timeout=30)
    assert np.array_equal(decoder.decode(z, g, threads), expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_works_in_a_forked_child() -> None:
    """The threads of the pool do not survive a fork; the child gets new ones."""
    decoder = NativeDecoder(BASE, reference.random_tensors(BASE))
    z, g = inputs(BASE, 300)
    expected = decoder.decode(z, g, threads=2)
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(decoder.decode(z, g, threads=2), expected) else 1)
    assert os.waitpid(child, 0)[1] == 0
