"""A long run of the server: mixed requests of all its APIs, a fifth of which leave before the end.

    python bench/soak_server.py [--minutes 30] [--callers 4] [--leave 0.2] [--voice FOLDER … --bert FOLDER]
                                [--output FILE]

Starts `sokuon serve` on a free port. Each request is drawn from a fixed set and comes again and again. Checked: no
error; the same request gives the same samples to ROUNDING (a stream's chunks follow the load), whatever ran beside it;
after the first quarter memory grows by at most 1 %; with no request under way the server has as many threads and
open files after it all as before, when every caller had made each request once. Prints the findings as JSON; exit
status 1 if any of it fails.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from serve import TEXTS, Client, free_port, resources, started
from shared import ROOT

sys.path.insert(0, str(ROOT / "src"))

from sokuon.measure.machine import describe_machine

GROWTH = 0.01  # of memory after the first quarter
ROUNDING = 2  # steps of 16 bits: chunks of other sizes add floats in another order, and are resampled and rounded then
FORMATS = ("pcm", "wav", "mp3", "opus", "flac")


@dataclass(frozen=True)
class Ask:
    """One request."""

    path: str
    body: bytes = b""
    samples: bool = False
    """Whether the answer is 16-bit samples, after a header perhaps; else only JSON is compared, and to the byte."""


@dataclass
class Soak:
    """What was seen."""

    heard: dict[Ask, bytes] = field(default_factory=dict)
    done: int = 0
    left: int = 0
    errors: list[str] = field(default_factory=list)
    kept: list[tuple[float, float, int, int]] = field(default_factory=list)
    """Every few seconds: seconds, MB, threads, open files of the server."""
    idle: list[tuple[int, int]] = field(default_factory=list)
    """Threads and open files without a request: before and after."""


def asks(style: int, query: bytes) -> list[Ask]:
    """Streams in every format, events with word times, whole files of the other two APIs, queries and lists."""
    found = []
    for number, text in enumerate((*TEXTS, " ".join(TEXTS))):
        for kind in FORMATS:
            body = {"input": text, "voice": "alloy", "response_format": kind, "seed": number}
            found.append(Ask("/v1/audio/speech", json.dumps(body).encode(), kind in ("pcm", "wav")))
        body = {"input": text, "response_format": "pcm", "stream_format": "sse", "timestamps": True, "seed": number}
        found.append(Ask("/v1/audio/speech", json.dumps(body).encode()))
        found.append(Ask(f"/audio_query?speaker={style}&text={quote(text)}"))
        found.append(Ask(f"/synthesis?speaker={style}", query, samples=True))
        found.append(Ask(f"/voice?text={quote(text[:90])}"))
    return found


async def call(client: Client, soak: Soak, ask: Ask, leaves: bool) -> None:
    """One request; `leaves` after its first bytes, or before them."""
    answer = bytearray()
    try:
        pieces = client.post(ask.path, ask.body)
        if leaves:
            async with asyncio.timeout(random.random() * 0.2):
                await anext(pieces)
            await pieces.aclose()
            soak.left += 1
            return
        async for data in pieces:
            answer += data
    except TimeoutError:
        soak.left += 1
        return
    except Exception as error:  # whatever it is, it is the finding
        soak.errors.append(f"{ask.path[:40]}: {type(error).__name__}: {error}"[:200])
        return
    soak.done += 1
    problem = "" if answer else "empty"
    if ask.samples or ask.path.startswith("/audio_query"):
        problem = problem or difference(ask, soak.heard.setdefault(ask, bytes(answer)), bytes(answer))
    if problem:
        soak.errors.append(f"{ask.path[:40]} {ask.body[-90:]!r}: {problem}")


def difference(ask: Ask, first: bytes, now: bytes) -> str:
    """How an answer differs from the first to the same request; "" where it does not."""
    if len(first) != len(now):
        return f"{len(now)} bytes instead of {len(first)}"
    if not ask.samples:
        return "" if first == now else "other bytes than before"
    before, after = (np.frombuffer(data[len(data) % 2 :], "<i2").astype(int) for data in (first, now))
    most = int(np.abs(before - after).max(initial=0))
    return "" if most <= ROUNDING else f"samples {most} steps away"


async def run(options: argparse.Namespace, url: str, pid: int) -> Soak:
    """Callers side by side until the time is over."""
    client, soak = Client(url, "alloy", None, None), Soak()
    speakers = json.loads(b"".join([d async for d in client.post("/speakers", b"", "GET")]))
    style = speakers[0]["styles"][0]["id"]
    query = b"".join([d async for d in client.post(f"/audio_query?speaker={style}&text={quote(TEXTS[1])}", b"")])
    every = asks(style, query)
    for ask in every:
        await asyncio.gather(*(call(client, soak, ask, leaves=False) for _ in range(options.callers)))
    soak.idle.append(await resting(pid))
    began = time.monotonic()
    end = began + options.minutes * 60

    async def caller(dice: random.Random) -> None:
        while time.monotonic() < end:
            await call(client, soak, dice.choice(every), dice.random() < options.leave)

    async def watch() -> None:
        while True:
            soak.kept.append((round(time.monotonic() - began, 1), *resources(pid)))
            if len(soak.kept) % 12 == 0:
                print(f"{soak.done} requests, {soak.kept[-1]}", file=sys.stderr, flush=True)
            await asyncio.sleep(5)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(caller(random.Random(n)) for n in range(options.callers)))
    watching.cancel()
    soak.idle.append(await resting(pid))
    return soak


async def resting(pid: int) -> tuple[int, int]:
    """Threads and open files of a server that nobody asks for anything."""
    await asyncio.sleep(7)  # longer than it keeps a connection that was left
    return resources(pid)[1:]


def findings(soak: Soak) -> dict[str, Any]:
    """Figures and verdict."""
    quarter = len(soak.kept) // 4
    after, last = soak.kept[quarter : 2 * quarter], soak.kept[-quarter:]
    early, late = (statistics.median(mb for _, mb, _, _ in part) for part in (after, last))
    threads, files = zip(*soak.idle, strict=True)
    return {
        "passed": not soak.errors and late <= early * (1 + GROWTH) and len(set(files)) == len(set(threads)) == 1,
        "requests": soak.done,
        "left_early": soak.left,
        "distinct": len(soak.heard),
        "error_count": len(soak.errors),
        "errors": soak.errors[:20],
        "memory_mb": [round(early, 1), round(late, 1)],
        "growth_percent": round(100 * (late / early - 1), 2),
        "threads": threads,
        "open_files": files,
        "kept": soak.kept[:: max(1, len(soak.kept) // 90)],
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--callers", type=int, default=4)
    parser.add_argument("--leave", type=float, default=0.2)
    parser.add_argument("--voice", action="append", default=[], type=Path)
    parser.add_argument("--bert", type=Path)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    port = free_port()
    voices = [str(v) for v in options.voice] + (["--bert", str(options.bert)] if options.bert else [])
    command = [sys.executable, "-m", "sokuon", "serve", "--log-level", "error", "--port", str(port), *voices]
    with started(command, port) as pid:
        soak = asyncio.run(run(options, f"http://127.0.0.1:{port}", pid))
    asked = {"minutes": options.minutes, "callers": options.callers, "leave": options.leave}
    found = findings(soak) | asked | {"machine": describe_machine()}
    text = json.dumps(found, indent=1, ensure_ascii=False)
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    sys.exit(0 if found["passed"] else 1)


if __name__ == "__main__":
    main()
