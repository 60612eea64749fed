"""A long run: mixed requests from several threads at once on one engine.

    python bench/soak.py VOICE BERT [--requests 1000] [--workers 4] [--threads N] [--output FILE]

Requests are drawn from a fixed set of texts, seeds and options, so that each comes again and again. Checked: no error;
the same request gives the same samples, whatever ran beside it; resident memory does not grow once every request has
been heard (GROWTH_MB allows for the allocator's own noise). Exit status 1 if any of it fails.
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
from sokuon.machine import describe_machine, memory_mb

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
        self._heard: dict[Request, str] = {}
        self.errors: list[str] = []
        self.resident_mb: list[float] = []
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
            if self._heard.setdefault(request, digest) != digest:
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
            self.resident_mb.append(memory_mb()[0] or 0.0)
            print(f"{self.done} requests, {self.resident_mb[-1]:.0f} MB", file=sys.stderr, flush=True)


def main() -> None:
    arguments = parse()
    engine = sokuon.load(arguments.voice, bert=arguments.bert, threads=arguments.threads, backend=arguments.backend)
    distinct = requests(DISTINCT_REQUESTS)
    order = random.Random(1)
    soak = Soak(engine, max(1, arguments.requests // 40))
    begin = time.perf_counter()
    with ThreadPoolExecutor(arguments.workers) as pool:
        list(pool.map(soak.say, [order.choice(distinct) for _ in range(arguments.requests)]))
    found = findings(soak, time.perf_counter() - begin) | {"workers": arguments.workers, "machine": describe_machine()}
    text = json.dumps(found, indent=1, ensure_ascii=False)
    print(text)
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
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--output", type=Path)
    return parser.parse_args()


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
    quarter = max(1, len(soak.resident_mb) // 4)
    third, last = soak.resident_mb[-2 * quarter : -quarter], soak.resident_mb[-quarter:]
    growth = median(last) - median(third) if third else 0.0
    return {
        "passed": not soak.errors and growth <= GROWTH_MB,
        "requests": soak.done,
        "errors": soak.errors[:20],
        "growth_mb": growth,
        "resident_mb": soak.resident_mb,
        "seconds": seconds,
        "sound_s": soak.audio_s,
    }


if __name__ == "__main__":
    main()
