"""A long run: mixed requests from several threads at once on one engine.

    python bench/soak.py VOICE BERT [--requests 1000] [--workers 4] [--threads N] [--output FILE] [--load NAME=VALUE …]

Requests are drawn from a fixed set of texts, seeds and options, so that each comes again and again. Checked: no error;
the same request gives the same samples, whatever ran beside it; resident memory does not grow once every request has
been heard (GROWTH_MB allows for the allocator's own noise). Prints the findings as JSON, memory over time among them,
and one line that sums them up. Exit status 1 if any of it fails.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from shared import ROOT, read_texts

sys.path.insert(0, str(ROOT / "src"))

import sokuon
from sokuon.measure.machine import describe_machine, memory_mb

EVERYDAY = Path(__file__).with_name("everyday.tsv")
DISTINCT_REQUESTS = 60
GROWTH_MB = 20  # between the third and the last quarter; a leak of one short sentence's sound a request is 70 MB


@dataclass(frozen=True)
class Request:
    """One thing to say."""

    text: str
    seed: int
    speed: float
    sdp_ratio: float
    streamed: bool


class Soak:
    """Speaks requests and remembers what they sounded like and what memory they left."""

    def __init__(self, engine: sokuon.Engine, every: int) -> None:
        self._engine, self._every = engine, every
        self._lock = threading.Lock()
        self._begin = time.perf_counter()
        self.heard: dict[Request, str] = {}
        self.errors: list[str] = []
        self.memory = [self._memory_now(0)]
        self.audio_s = 0.0
        self.done = 0

    def say(self, request: Request) -> None:
        try:
            digest, seconds = self._speak(request)
        except Exception as error:  # whatever it is, it is the finding
            with self._lock:
                self.errors.append(f"{request}: {error!r}")
            return
        with self._lock:
            if self.heard.setdefault(request, digest) != digest:
                self.errors.append(f"{request}: other samples than before")
            self._count(seconds)

    def _speak(self, request: Request) -> tuple[str, float]:
        options: dict[str, Any] = {k: getattr(request, k) for k in ("seed", "speed", "sdp_ratio")}
        stream, speak = self._engine.stream, self._engine.speak
        pieces = stream(request.text, **options) if request.streamed else [speak(request.text, **options)]
        digest, seconds = hashlib.sha256(), 0.0
        for piece in pieces:
            digest.update(piece.samples.tobytes())
            seconds += piece.duration
        return digest.hexdigest(), seconds

    def _count(self, seconds: float) -> None:
        self.done += 1
        self.audio_s += seconds
        if self.done % self._every == 0:
            self.memory.append(self._memory_now(self.done))
            print(f"{self.done} requests, {self.memory[-1]['resident_mb']:.0f} MB", file=sys.stderr, flush=True)

    def _memory_now(self, requests: int) -> dict[str, float]:
        seconds = time.perf_counter() - self._begin
        return {"requests": requests, "seconds": round(seconds, 1), "resident_mb": round(memory_mb()[0] or 0.0, 1)}


def main() -> None:
    arguments = parse()
    engine = sokuon.load(arguments.voice, bert=arguments.bert, threads=arguments.threads, **dict(arguments.load))
    distinct = requests(DISTINCT_REQUESTS)
    order = random.Random(1)
    soak = Soak(engine, max(1, arguments.requests // 40))
    begin = time.perf_counter()
    with ThreadPoolExecutor(arguments.workers) as pool:
        list(pool.map(soak.say, [order.choice(distinct) for _ in range(arguments.requests)]))
    asked = {"workers": arguments.workers, "threads": arguments.threads, "load": dict(arguments.load)}
    found = findings(soak, time.perf_counter() - begin) | asked | {"machine": describe_machine()}
    text = json.dumps(found, indent=1, ensure_ascii=False)
    print(text)
    print(summary(found))
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")
    sys.exit(0 if found["passed"] else 1)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voice", type=Path)
    parser.add_argument("bert", type=Path)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--load", type=named, nargs="+", default=[], metavar="NAME=VALUE", help="for sokuon.load")
    parser.add_argument("--output", type=Path)
    return parser.parse_args()


def named(text: str) -> tuple[str, str]:
    """A further argument of sokuon.load, such as precision=q4 or backend=onnx."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text} is not NAME=VALUE")
    return name, value


def requests(count: int) -> list[Request]:
    """A fixed mixture: mostly everyday sentences, some long, one in sixty of half a minute."""
    everyday = [line.split("\t")[1] for line in EVERYDAY.read_text(encoding="utf-8").splitlines() if "\t" in line]
    long = read_texts()
    draw = random.Random(0)
    pool = [
        *(draw.choice(everyday) for _ in range(count - 6)),
        *[long["medium"], long["long"]] * 2,
        "。",
        long["xlong"],
    ]
    return [
        Request(
            text, draw.randrange(5), draw.choice((0.8, 1.0, 1.3)), draw.choice((0.0, 0.2, 1.0)), draw.random() < 0.3
        )
        for text in pool
    ]


def findings(soak: Soak, seconds: float) -> dict[str, Any]:
    """Figures and verdict."""
    resident = [point["resident_mb"] for point in soak.memory[1:]]  # without the engine that has not spoken yet
    quarter = max(1, len(resident) // 4)
    third, last = resident[-2 * quarter : -quarter], resident[-quarter:]
    growth = median(last) - median(third) if third else 0.0
    return {
        "passed": not soak.errors and growth <= GROWTH_MB,
        "requests": soak.done,
        "distinct": len(soak.heard),
        "errors": soak.errors[:20],
        "error_count": len(soak.errors),
        "growth_mb": round(growth, 1),
        "last_mb": round(median(last), 1) if last else None,
        "peak_mb": round(memory_mb()[1] or 0.0, 1),
        "memory": soak.memory,
        "seconds": round(seconds, 1),
        "sound_s": round(soak.audio_s, 1),
    }


def summary(found: dict[str, Any]) -> str:
    """The findings in one line."""
    return (
        f"{'passed' if found['passed'] else 'FAILED'}: {found['requests']} requests ({found['distinct']} different) "
        f"from {found['workers']} callers in {found['seconds']:.0f} s, {found['sound_s']:.0f} s of sound; "
        f"{found['error_count']} errors; resident {found['last_mb']} MB in the last quarter, "
        f"{found['growth_mb']:+.1f} MB to the one before, peak {found['peak_mb']} MB"
    )


if __name__ == "__main__":
    main()
