"""The native decoder beside the ONNX Runtime decoder: full-size standard configuration, random weights.

    python bench/decoder.py [--repeats 7] [--seconds 1.7 5 30] [--storage float32] [--memory] [--exact]

Both decode the same z in turn, in one process, with 1 and 2 threads; times are medians of wall clock. Then one thread's
CPU time of each part of the native decoder (best of the repeats), as GFLOP/s that a direct convolution needs, beside
the SGEMM rate of NumPy's BLAS and of ONNX Runtime measured in the same run. `--memory` compares the peak memory of
decoding 10 seconds and 10 minutes of z; `--exact` compares with float64 (half a minute). The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from shared import ROOT, table

from sokuon.convert.decoder import decoder as emit_decoder
from sokuon.convert.graph import Graph
from sokuon.formats.contracts import DECODER
from sokuon.formats.decoder_config import DecoderConfig
from sokuon.native import library as native
from sokuon.native.decoder import NativeDecoder
from sokuon.storage.tensors import TensorFileWriter

sys.path.append(str(ROOT / "tests" / "native"))
import reference

F32 = npt.NDArray[np.float32]

STANDARD = DecoderConfig(
    latent_channels=192,
    speaker_channels=512,
    initial_channels=512,
    upsample_rates=(8, 8, 2, 2, 2),
    upsample_kernels=(16, 16, 8, 2, 2),
    resblock=1,
    resblock_kernels=(3, 7, 11),
    resblock_dilations=((1, 3, 5),) * 3,
    sample_rate=44_100,
)


def main() -> None:
    options = parse()
    if options.peak_seconds:
        print(peak_growth_mb(options.peak_seconds))
        return
    tensors = reference.random_tensors(STANDARD)
    decoder = NativeDecoder(STANDARD, tensors, options.storage)
    print(machine(decoder))
    result: dict[str, Any] = {"isa": native.available()[1]}
    result["times"] = compare(decoder, tensors, options)
    result["parts"] = profile(decoder, options.repeats)
    if options.exact:
        result["snr_db"] = exactness(decoder, tensors)
    if options.memory:
        result["memory_mb"] = {seconds: peak_in_process(seconds) for seconds in (10, 600)}
        print(f"\npeak memory above the loaded decoder, 10 s and 600 s of z: {result['memory_mb']} MB")
    print(json.dumps(result))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seconds", type=float, nargs="+", default=[1.7, 5.0, 30.0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--storage", choices=("fp32", "q16"), default="fp32", help="of the native weights")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--peak-seconds", type=float, help=argparse.SUPPRESS)
    return parser.parse_args()


def machine(decoder: NativeDecoder) -> str:
    names = [line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")]
    return (
        f"{names[0] if names else platform.machine()}, {os.cpu_count()} CPUs; Python {platform.python_version()}, "
        f"NumPy {np.__version__}, ONNX Runtime {ort.__version__}; native {native.available()[1]}, "
        f"{decoder.weight_bytes / 1e6:.0f} MB of packed weights\n"
    )


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []


def inputs(seconds: float) -> tuple[F32, F32]:
    """z [C, F] and g [G] for about that much audio."""
    rng = np.random.default_rng(1)
    frames = round(seconds * STANDARD.sample_rate / STANDARD.hop)
    z = rng.standard_normal((STANDARD.latent_channels, frames)).astype(np.float32)
    return z, rng.standard_normal(STANDARD.speaker_channels).astype(np.float32)


def onnx_session(folder: Path, tensors: dict[str, F32], threads: int) -> ort.InferenceSession:
    if not (folder / "decoder.onnx").exists():
        with TensorFileWriter(folder / "decoder.weights") as weights:
            graph = Graph(DECODER, weights)
            graph.save(folder, [emit_decoder(graph, tensors, STANDARD)])
    return _session(str(folder / "decoder.onnx"), threads)


def _session(model: str | bytes, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def seconds_of(call: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    call()
    return clock() - start


def compare(decoder: NativeDecoder, tensors: dict[str, F32], options: argparse.Namespace) -> list[dict[str, float]]:
    """Interleaved wall-clock medians for every length and thread count."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for threads in options.threads:
            session = onnx_session(Path(folder), tensors, threads)
            for seconds in options.seconds:
                results.append(compare_one(decoder, session, seconds, threads, options.repeats))
            del session
    heads = ["threads", "audio", "ONNX Runtime", "native", "ratio", "native speed", "SNR to ONNX Runtime"]
    print(table(heads, [row_of(r) for r in results]))
    return results


def compare_one(
    decoder: NativeDecoder, session: ort.InferenceSession, seconds: float, threads: int, repeats: int
) -> dict[str, float]:
    z, g = inputs(seconds)
    rows = np.ascontiguousarray(z.T)  # [F, C]
    theirs = session.run(None, {"z": rows, "speaker": g})[0]  # warm-up
    ours = decoder.decode(z, g, threads)
    times = [
        (
            seconds_of(lambda: session.run(None, {"z": rows, "speaker": g})),
            seconds_of(lambda: decoder.decode(z, g, threads)),
        )
        for _ in range(repeats)
    ]
    return {
        "threads": threads,
        "audio_s": ours.size / STANDARD.sample_rate,
        "onnx_s": median(t[0] for t in times),
        "native_s": median(t[1] for t in times),
        "snr_db": reference.snr(ours, theirs.astype(np.float64)),
    }


def row_of(r: dict[str, float]) -> list[str]:
    return [
        f"{r['threads']}",
        f"{r['audio_s']:.1f} s",
        f"{1000 * r['onnx_s']:.0f} ms",
        f"{1000 * r['native_s']:.0f} ms",
        f"{r['onnx_s'] / r['native_s']:.2f}",
        f"{r['audio_s'] / r['native_s']:.1f}x",
        f"{r['snr_db']:.0f} dB",
    ]


def profile(decoder: NativeDecoder, repeats: int) -> list[dict[str, Any]]:
    """CPU time of each part of the native decoder on one thread, 1.7 s of audio."""
    z, g = inputs(1.7)
    runs = [decoder.profile(z, g) for _ in range(repeats)]
    flops = direct_flops(z.shape[1])
    parts = [
        {"part": name, "ms": 1000 * best, "gflops": flops[name] / best / 1e9}
        for name in runs[0]
        for best in [min(run[name] for run in runs)]
    ]
    total = sum(part["ms"] for part in parts)
    parts.append({"part": "all", "ms": total, "gflops": sum(flops.values()) / total / 1e6})
    rows = [[p["part"], f"{p['ms']:.2f} ms", f"{100 * p['ms'] / total:.1f} %", f"{p['gflops']:.0f}"] for p in parts]
    print("\n" + table(["part", "CPU time", "share", "direct-equivalent GFLOP/s"], rows))
    print(f"SGEMM of one thread: NumPy {numpy_sgemm():.0f}, ONNX Runtime {onnx_sgemm():.0f} GFLOP/s")
    return parts


def direct_flops(frames: int) -> dict[str, float]:
    """Floating-point operations of each part when every convolution is computed directly."""
    c = STANDARD
    flops = {"conv_pre": 2.0 * c.latent_channels * c.initial_channels * 7 * frames}
    length = frames
    taps = sum(k * len(d) for k, d in zip(c.resblock_kernels, c.resblock_dilations, strict=True)) * 2
    for i, (rate, kernel) in enumerate(zip(c.upsample_rates, c.upsample_kernels, strict=True)):
        length *= rate
        flops[f"ups.{i}"] = 2.0 * c.channels(i - 1) * c.channels(i) * kernel / rate * length
        flops[f"resblocks.{i}"] = 2.0 * c.channels(i) ** 2 * taps * length
    flops["conv_post"] = 2.0 * c.channels(len(c.upsample_rates) - 1) * 7 * length
    return flops


def numpy_sgemm(size: int = 1024) -> float:
    a = np.random.default_rng(0).standard_normal((size, size)).astype(np.float32)
    return 2 * size**3 / min(seconds_of(lambda: a @ a, time.thread_time) for _ in range(20)) / 1e9


def onnx_sgemm(size: int = 1024) -> float:
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    shape = [size, size]
    infos = [helper.make_tensor_value_info(name, kind, shape) for name in "abc"]
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "sgemm", infos[:2], infos[2:])
    opsets = [helper.make_opsetid("", 17)]
    session = _session(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString(), 1)
    a = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    run = lambda: session.run(None, {"a": a, "b": a})  # noqa: E731
    return 2 * size**3 / min(seconds_of(run, time.thread_time) for _ in range(20)) / 1e9


def exactness(decoder: NativeDecoder, tensors: dict[str, F32]) -> float:
    z, g = inputs(0.5)
    snr = reference.snr(decoder.decode(z, g, 1), reference.decode(STANDARD, tensors, z, g))
    print(f"\nagainst float64: {snr:.1f} dB")
    return snr


def peak_in_process(seconds: float) -> float:
    """Peak memory of a streaming decoding in a process of its own, above the loaded decoder."""
    command = [sys.executable, __file__, "--peak-seconds", str(seconds)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peak_growth_mb(seconds: float) -> float:
    decoder = NativeDecoder(STANDARD, reference.random_tensors(STANDARD))
    z, g = inputs(seconds)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of packing
    before = status_mb("VmRSS")
    for _ in decoder.stream(z, g, 2, [256] * (z.shape[1] // 256)):
        pass
    return round(status_mb("VmHWM") - before, 1)


def status_mb(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


if __name__ == "__main__":
    main()
