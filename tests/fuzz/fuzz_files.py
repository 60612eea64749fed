"""Mutated files of every format, source and converted: what comes of them is sound or a SokuonError, soon.

    python tests/fuzz/fuzz_files.py --cases 10000 --seed 1

Every case loads a voice one file of which was changed, and speaks, in a forked child with limits of time and memory,
so that a crash is seen as what it is. Case n of a seed is always the same one: a failure is repeated by `--only n`.
"""

from __future__ import annotations

import argparse
import collections
import os
import pickle
import random
import re
import resource
import select
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import sokuon
from sokuon.convert.bert import convert_bert
from sokuon.convert.graphs import write_graphs
from sokuon.convert.products import Precision
from sokuon.convert.voice import convert_voice
from sokuon.storage.tensors import TensorFile

SECONDS = 20  # of computing: a child that waits for a busy machine does not hang
PATIENCE = 300.0  # seconds in all
MEMORY = 4 << 30  # address space of a child above the parent's
RESIDENT = 1 << 30
TEXT = "あさ。"
SOURCE = (
    "voice/config.json", "voice/config.json", "voice/model.safetensors", "voice/model.safetensors", "voice/model.pth",
    "voice/style_vectors.npy", "bert/config.json", "bert/model.safetensors", "bert/pytorch_model.bin", "bert/vocab.txt",
)  # fmt: skip
CONVERTED = (
    "voice/voice.json", "voice/voice.json", "voice/encoder.weights", "voice/flow.weights", "voice/decoder.weights",
    "voice/flow.codes", "voice/decoder.codes",
    "voice/speakers.npy", "voice/style_vectors.npy", "bert/bert.json", "bert/bert.json", "bert/bert.weights",
    "bert/vocab.txt", "voice/encoder.onnx", "voice/flow.onnx", "voice/decoder.onnx", "bert/bert.onnx",
)  # fmt: skip
TOKENS = (
    b"0", b"-1", b"1", b"2", b"3", b"1000000000", b"9223372036854775807", b"18446744073709551616", b"1e999", b"1.5",
    b"NaN", b"-Infinity", b"null", b"[]", b"{}", b'""', b"true", b"1e30", b"-0", b'"x"', b"4294967296", b"65537",
    b"9" * 400, b"[" * 5000, b'"\\ud800"', b'{"a":' * 2000,
)  # fmt: skip
FLOATS = (b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\xff\xff\x7f\x7f", b"\0\0\0\0", b"\x01\0\0\0", b"\0\0\xa0\x47")
TOKEN = re.compile(rb"-?\d+(?:\.\d+)?(?:e-?\d+)?|\"[^\"]*\"|true|false")


@dataclass(frozen=True)
class Outcome:
    """How a case ended: sound, refused, wrong (another exception), crash, hang, memory, or silent (no numbers)."""

    kind: str
    detail: str = ""


class Corpus:
    """The tiny voice and BERT, as published and converted, as files to be changed."""

    def __init__(self, tiny: Path, folder: Path) -> None:
        self.folder = folder
        for name in ("voice", "bert"):
            shutil.copytree(tiny / name, folder / "source" / name)
        convert_voice(tiny / "voice", folder / "converted" / "voice")
        convert_bert(tiny / "bert", folder / "converted" / "bert", Precision.Q8)
        write_graphs(folder / "converted" / "voice")
        write_graphs(folder / "converted" / "bert")
        for name, file in (("voice", "model.pth"), ("bert", "pytorch_model.bin")):
            write_torch_file(folder / file, TensorFile(tiny / name / "model.safetensors"))

    def prepare(self, rng: random.Random, target: Path) -> tuple[str, dict[str, Any]]:
        """A folder with one changed file at `target`; which file, and the arguments of `sokuon.load`."""
        form = rng.choice(("source", "converted", "converted"))
        name = rng.choice(SOURCE if form == "source" else CONVERTED)
        part = name.partition("/")[0]
        shutil.copytree(self.folder / form / part, target / part)
        path = target / name
        if not path.exists():  # the torch forms of the weights take the place of the safetensors
            (target / part / "model.safetensors").unlink()
            shutil.copy(self.folder / path.name, path)
        path.write_bytes(mutated(rng, path.read_bytes(), path.suffix))
        folders = {p: self.folder / "converted" / p for p in ("voice", "bert")} | {part: target / part}
        backend = "onnx" if path.suffix == ".onnx" or rng.random() < 0.2 else "auto"
        return f"{form}/{name}", {**folders, "backend": backend, "threads": rng.choice((1, 2))}


def mutated(rng: random.Random, data: bytes, suffix: str) -> bytes:
    """1 to 16 changes: bits, bytes, cuts, insertions, repeats, and tokens or header fields where there are some."""
    changed = bytearray(data)
    head = header_size(data, suffix)
    kinds = ["flip", "set", "delete", "insert", "cut", "repeat"]
    kinds += ["token"] * 3 if suffix in (".json", ".txt") else ["header", "header token", "float"]
    if suffix == ".onnx" and rng.random() < 0.7:
        kinds = ["flip", "set"]  # any other length breaks the message at once
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        if changed:
            change(rng, changed, rng.choice(kinds), head)
    return bytes(changed)


def header_size(data: bytes, suffix: str) -> int:
    """Bytes at the beginning that describe the rest."""
    if suffix in (".safetensors", ".weights", ".codes"):
        return len(data[: 8 + int.from_bytes(data[:8], "little")].rstrip())
    return min(len(data), 4096 if suffix in (".bin", ".pth") else 128)


def change(rng: random.Random, data: bytearray, kind: str, head: int) -> None:
    """One change, in place."""
    at = rng.randrange(len(data))
    if kind == "flip":
        data[at] ^= 1 << rng.randrange(8)
    elif kind == "set":
        data[at] = rng.randrange(256)
    elif kind == "delete":
        del data[at : at + rng.choice((1, 2, 8, 100))]
    elif kind == "insert":
        data[at:at] = rng.randbytes(rng.choice((1, 2, 8, 100)))
    elif kind == "cut":
        del data[at:]
    elif kind == "repeat":
        data[at:at] = data[at : at + rng.choice((1, 4, 16, 200))]
    elif kind == "header":
        data[rng.randrange(min(len(data), head))] = rng.choice((0, 255, 128, rng.randrange(256)))
    elif kind == "float":
        at = at // 4 * 4
        data[at : at + 4] = rng.choice(FLOATS)
    else:
        replace_token(rng, data, len(data) if kind == "token" else head)


def replace_token(rng: random.Random, data: bytearray, end: int) -> None:
    """A number or string of the first `end` bytes by another; the length of a tensor file's header follows."""
    found = [match for match in TOKEN.finditer(bytes(data[:end])) if end == len(data) or match.start() > 8]
    if not found:
        return
    match, new = rng.choice(found), rng.choice(TOKENS)
    if end < len(data) and rng.random() < 0.5:
        new = new[: match.end() - match.start()].ljust(match.end() - match.start())
    data[match.start() : match.end()] = new
    length = int.from_bytes(data[:8], "little") + len(new) - (match.end() - match.start())
    if end < len(data) and 0 <= length < 1 << 40:
        data[:8] = length.to_bytes(8, "little")


def write_torch_file(path: Path, tensors: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """A state dict of float32 tensors as `torch.save` writes it."""

    def text(word: str) -> bytes:
        return b"X" + struct.pack("<I", len(word.encode())) + word.encode()

    def number(n: int) -> bytes:
        return b"J" + struct.pack("<i", n)

    with zipfile.ZipFile(path, "w") as archive:
        pickled = b"\x80\x02}("
        for i, (name, value) in enumerate(tensors.items()):
            array = np.ascontiguousarray(value, np.float32)
            strides = (s // 4 for s in array.strides)
            storage = (
                b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(str(i)) + text("cpu") + number(array.size)
            )
            rows = [b"(" + b"".join(map(number, row)) + b"t" for row in (array.shape, strides)]
            tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"tQ" + number(0) + b"".join(rows)
            pickled += text(name) + tensor + b"\x89}tR"
            archive.writestr(f"m/data/{i}", array.tobytes())
        archive.writestr("m/data.pkl", pickled + b"u.")


def spoken(arguments: Mapping[str, Any], cache: Path) -> Outcome:
    """What a child makes of a case."""
    os.environ["SOKUON_CACHE"] = str(cache)
    try:
        samples = sokuon.load(**arguments).speak(TEXT, seed=0).samples
    except sokuon.SokuonError as error:
        one_line = "\n" not in str(error) and len(str(error)) < 3000
        return Outcome("refused" if one_line else "wrong", str(error)[:300])
    except MemoryError:
        return Outcome("memory", traceback.format_exc()[-900:])
    except BaseException:
        return Outcome("wrong", traceback.format_exc()[-900:])
    return Outcome("sound" if np.isfinite(samples).all() else "silent")


def run(arguments: Mapping[str, Any], cache: Path) -> Outcome:
    """`spoken` in a child of its own."""
    reader, writer = os.pipe()
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        _child(arguments, cache, writer)
    os.close(writer)
    data, hung = _answer(reader, begun + PATIENCE)
    os.close(reader)
    if hung:
        os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    if hung or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
        return Outcome("hang")
    if os.WIFSIGNALED(status) or not data:
        return Outcome("crash", f"status {status}")
    outcome: Outcome = pickle.loads(data)
    return Outcome("memory", f"{usage.ru_maxrss >> 10} MB") if usage.ru_maxrss << 10 > RESIDENT else outcome


def _child(arguments: Mapping[str, Any], cache: Path, writer: int) -> None:
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 5))
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        os.write(writer, pickle.dumps(spoken(arguments, cache)))
    finally:
        os._exit(0)


def _answer(reader: int, deadline: float) -> tuple[bytes, bool]:
    data = b""
    while (left := deadline - time.monotonic()) > 0:
        if select.select([reader], [], [], left)[0]:
            block = os.read(reader, 1 << 16)
            if not block:
                return data, False
            data += block
    return data, True


def fuzz(tiny: Path, cases: range, seed: int, keep: Path | None = None) -> tuple[collections.Counter[Any], list[str]]:
    """Outcomes by file, and a line about each case that should not end as it did."""
    outcomes: collections.Counter[Any] = collections.Counter()
    bad = []
    with tempfile.TemporaryDirectory() as base:
        corpus = Corpus(tiny, Path(base) / "corpus")
        for number in cases:
            folder = Path(base) / "case"
            name, arguments = corpus.prepare(random.Random(f"{seed} {number}"), folder)
            outcome = run(arguments, Path(base) / "case" / "cache")
            outcomes[name, outcome.kind] += 1
            if outcome.kind not in ("sound", "refused"):
                bad.append(f"case {number}: {name} ({arguments['backend']}): {outcome.kind} {outcome.detail}")
                if keep is not None:
                    shutil.copytree(folder, keep / str(number), dirs_exist_ok=True)
            shutil.rmtree(folder)
    return outcomes, bad


def main() -> None:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="one case of the seed")
    parser.add_argument("--keep", type=Path, help="folder for what went wrong")
    options = parser.parse_args()
    cases = range(options.cases) if options.only is None else range(options.only, options.only + 1)
    tiny = Path(__file__).parent.parent / "data" / "tiny"
    outcomes, bad = fuzz(tiny, cases, options.seed, options.keep)
    for (name, kind), count in sorted(outcomes.items()):
        print(f"{count:6} {kind:8} {name}")
    kinds: collections.Counter[str] = collections.Counter()
    for (_, kind), count in outcomes.items():
        kinds[kind] += count
    print(*bad, f"{len(cases)} cases, seed {options.seed}: {dict(kinds)}", sep="\n")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
