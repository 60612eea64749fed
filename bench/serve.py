"""What listeners of a running server get: time to the first byte, gaps, throughput, at 1 to 16 listeners at once.

    sokuon serve & python bench/serve.py http://127.0.0.1:50021
    python bench/serve.py --own            # starts the server and a naive one, takes turns, compares

Speaks plain HTTP to /v1/audio/speech with `response_format: pcm` (24 kHz), so any server of that API can be measured;
`--voicevox STYLE` speaks /audio_query + /synthesis instead. Each listener plays in real time: sound that comes later
than it is needed is a gap, and the next sentence is asked for when the last one has been heard (closed loop). `--rate`
sends requests at random moments whatever becomes of them (open loop). `--leave` of them go away after the first byte.

The last line is JSON. Needs nothing but Python; `--plot` needs matplotlib.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

TEXTS = (
    "旅の途中で不思議な街に辿り着きました。",
    "今日はいい天気ですね。午後からは少し風が強くなるそうですので、お出かけの際はお気をつけください。",
    "会議は三時からに変更になりました。資料は前日までに共有フォルダーへ入れておいてください。よろしくお願いします。",
)
HZ, BYTES_PER_SAMPLE = 24000, 2


@dataclass
class Played:
    """One request: seconds."""

    first_s: float
    total_s: float
    sound_s: float
    gaps: int = 0
    gap_s: float = 0.0
    error: str = ""


@dataclass
class Round:
    """One number of listeners."""

    name: str
    listeners: int
    seconds: float
    requests: list[Played] = field(default_factory=list)
    health_ms: list[float] = field(default_factory=list)
    memory_mb: float = 0.0
    kept: list[tuple[float, float, int, int]] = field(default_factory=list)
    """Every second: seconds, MB, threads, open files of the server."""

    def figures(self) -> dict[str, float | int | str]:
        """What the table shows."""
        good = [r for r in self.requests if not r.error]
        first = sorted(r.first_s for r in good) or [float("nan")]
        return {
            "server": self.name, "listeners": self.listeners, "requests": len(good),
            "errors": len(self.requests) - len(good), "first_p50": quantile(first, 0.5),
            "first_p95": quantile(first, 0.95), "first_p99": quantile(first, 0.99),
            "gaps": sum(r.gaps for r in good), "gap_s": round(sum(r.gap_s for r in good), 2),
            "x": round(sum(r.sound_s for r in good) / self.seconds, 2),
            "health_p95_ms": round(quantile(sorted(self.health_ms) or [float("nan")], 0.95), 1),
            "memory_mb": round(self.memory_mb),
        }  # fmt: skip


def quantile(values: list[float], share: float) -> float:
    """Of sorted values."""
    return round(values[min(len(values) - 1, int(share * len(values)))], 3)


class Client:
    """One request after the other to a server, each on a connection of its own."""

    def __init__(self, url: str, voice: str, style: int | None, key: str | None) -> None:
        place = urlsplit(url)
        self.host, self.port = place.hostname or "127.0.0.1", place.port or 80
        self._voice, self._style, self._key = voice, style, key

    async def ask(self, text: str, plays: bool, leaves: bool = False) -> Played:
        """Speak and listen; `plays` in real time, counting gaps."""
        began = time.monotonic()
        try:
            return await asyncio.wait_for(self._listen(text, began, plays, leaves), 300)
        except (OSError, ValueError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
            return Played(0, time.monotonic() - began, 0, error=f"{type(error).__name__}: {error}"[:100])

    async def _listen(self, text: str, began: float, plays: bool, leaves: bool) -> Played:
        if self._style is not None:
            query = b"".join(
                [d async for d in self.post(f"/audio_query?speaker={self._style}&text={quote(text)}", b"")]
            )
            pieces = self.post(f"/synthesis?speaker={self._style}", query)
        else:
            body = {"model": "tts-1", "input": text, "voice": self._voice, "response_format": "pcm"}
            pieces = self.post("/v1/audio/speech", json.dumps(body).encode())
        first, sound, gaps, gap_s, runs_dry = 0.0, 0.0, 0, 0.0, 0.0
        async for data in pieces:
            now = time.monotonic()
            if not first:
                first = runs_dry = now
                if leaves:
                    break
            elif now > runs_dry + 0.01:
                gaps, gap_s, runs_dry = gaps + 1, gap_s + now - runs_dry, now
            seconds = len(data) / HZ / BYTES_PER_SAMPLE
            sound, runs_dry = sound + seconds, runs_dry + seconds
        ended = time.monotonic()
        if plays and runs_dry > ended:
            await asyncio.sleep(runs_dry - ended)
        return Played(first - began, ended - began, sound, gaps, gap_s)

    async def post(self, path: str, body: bytes, method: str = "POST"):
        """The body of an answer, piece by piece. Raises ValueError for any status but 200."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        key = f"Authorization: Bearer {self._key}\r\n" if self._key else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nContent-Type: application/json\r\n{key}"
        writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        try:
            headers = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            if " 200 " not in headers.splitlines()[0]:
                raise ValueError(headers.splitlines()[0])
            if "transfer-encoding: chunked" in headers:
                while size := int((await reader.readline()).strip() or b"0", 16):
                    yield await reader.readexactly(size)
                    await reader.readline()
            else:
                while data := await reader.read(65536):
                    yield data
        finally:
            writer.close()

    async def health_ms(self, path: str) -> float:
        """How long a list or a sign of life takes meanwhile."""
        began = time.monotonic()
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n\r\n".encode())
        await reader.read(1)
        writer.close()
        return (time.monotonic() - began) * 1000


async def closed_loop(client: Client, name: str, listeners: int, seconds: float, leave: float, pid: int) -> Round:
    """Listeners who ask for the next text when they have heard the last."""
    done, end = Round(name, listeners, seconds), time.monotonic() + seconds
    dice = random.Random(listeners)

    async def listener(number: int) -> None:
        await asyncio.sleep(dice.random() * 0.5)
        turn = number
        while time.monotonic() < end:
            played = await client.ask(TEXTS[turn % len(TEXTS)], True, dice.random() < leave)
            done.requests.append(played)
            turn += 1

    await _measured(done, client, pid, [listener(n) for n in range(listeners)])
    return done


async def open_loop(client: Client, name: str, rate: float, seconds: float, leave: float, pid: int) -> Round:
    """`rate` requests a second at random moments."""
    done, dice = Round(f"{name}, {rate:g}/s", 0, seconds), random.Random(7)

    async def one(at: float, number: int) -> None:
        await asyncio.sleep(at)
        done.requests.append(await client.ask(TEXTS[number % len(TEXTS)], True, dice.random() < leave))

    moments, at = [], 0.0
    while (at := at + dice.expovariate(rate)) < seconds:
        moments.append(at)
    await _measured(done, client, pid, [one(at, n) for n, at in enumerate(moments)])
    return done


async def _measured(done: Round, client: Client, pid: int, work: list) -> None:
    async def watch() -> None:
        while True:
            with contextlib.suppress(OSError):
                done.health_ms.append(await client.health_ms("/health"))
            done.kept.append((round(time.monotonic() - began, 1), *resources(pid)))
            done.memory_mb = max(done.memory_mb, done.kept[-1][1])
            await asyncio.sleep(0.25)

    began = time.monotonic()
    watching = asyncio.create_task(watch())
    await asyncio.gather(*work)
    done.seconds = time.monotonic() - began
    watching.cancel()


def resources(pid: int) -> tuple[float, int, int]:
    """MB in memory, threads and open files of another process; 0 where it cannot be seen."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return int(fields["VmRSS"].split()[0]) / 1000, int(fields["Threads"]), files
    except (OSError, KeyError):
        return 0.0, 0, 0


def growth(done: Round) -> str:
    """How much memory grew after the first quarter: from its median in the second quarter to that in the last."""
    quarter = len(done.kept) // 4
    if quarter < 10:
        return ""
    early, late = done.kept[quarter : 2 * quarter], done.kept[-quarter:]
    before, after = (statistics.median(mb for _, mb, _, _ in part) for part in (early, late))
    threads, files = ({value[i] for value in done.kept[quarter:]} for i in (2, 3))
    return (
        f"memory {before:.0f} -> {after:.0f} MB ({100 * (after / before - 1):+.1f} %), threads {min(threads)} to "
        f"{max(threads)}, open files {min(files)} to {max(files)}"
    )


@contextlib.contextmanager
def started(command: list[str], port: int) -> Iterator[int]:
    """A server process that listens on `port`; its id."""
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 300
    while True:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{command} does not listen.")
        time.sleep(0.1)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


def free_port() -> int:
    """A port nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def rounds(options: argparse.Namespace, name: str, url: str, pid: int) -> list[Round]:
    """All loads on one server."""
    client = Client(url, options.speaker, options.voicevox, options.key)
    for text in TEXTS:
        if (warm := await client.ask(text, False)).error:
            raise SystemExit(f"{url}: {warm.error}")
    seen = []
    for count in options.listeners:
        seen.append(await closed_loop(client, name, count, options.seconds, options.leave, pid))
        show(seen[-1])
        if options.leave and pid:
            print(growth(seen[-1]))
    for rate in options.rate:
        seen.append(await open_loop(client, name, rate, options.seconds, options.leave, pid))
        show(seen[-1])
    return seen


def show(done: Round) -> None:
    """One row."""
    f = done.figures()
    print(
        f"| {f['server']} | {f['listeners']} | {f['requests']} | {f['errors']} | {f['first_p50']} | {f['first_p95']} "
        f"| {f['first_p99']} | {f['gaps']} | {f['gap_s']} | {f['x']} | {f['health_p95_ms']} | {f['memory_mb']} |",
        flush=True,
    )


def own(options: argparse.Namespace) -> list[Round]:
    """Our server and the naive one in turns."""
    here, seen = Path(__file__).parent, []
    extra = [str(v) for v in options.voice] + (["--bert", str(options.bert)] if options.bert else [])
    for _ in range(options.rounds):
        for name, command in (
            ("sokuon serve", [sys.executable, "-m", "sokuon", "serve", "--log-level", "error"]),
            ("naive", [sys.executable, str(here / "clients" / "naive_server.py")]),
        ):
            port = free_port()
            with started([*command, *extra, "--port", str(port)], port) as pid:
                seen += asyncio.run(rounds(options, name, f"http://127.0.0.1:{port}", pid))
    return seen


def plot(seen: list[Round], path: Path) -> None:
    """First byte and gaps over the number of listeners."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.5))
    for name in dict.fromkeys(r.name for r in seen if r.listeners):
        own_rounds = [r.figures() for r in seen if r.name == name]
        counts = sorted({int(f["listeners"]) for f in own_rounds})
        for axis, key in zip(axes, ("first_p95", "gap_s"), strict=True):
            values = [statistics.median(float(f[key]) for f in own_rounds if f["listeners"] == n) for n in counts]
            axis.plot(counts, values, marker="o", label=name)
    for axis, title in zip(axes, ("first byte, p95 (s)", "seconds of gaps"), strict=True):
        axis.set(xlabel="listeners", title=title)
        axis.legend()
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?", help="a running server")
    parser.add_argument("--own", action="store_true", help="start our server and a naive one instead, taking turns")
    parser.add_argument("--voice", action="append", default=[], type=Path, help="voice folder for --own")
    parser.add_argument("--bert", type=Path, help="BERT folder for --own")
    parser.add_argument("--speaker", default="alloy", help="voice name in requests")
    parser.add_argument("--voicevox", type=int, help="style id: speak the VOICEVOX API")
    parser.add_argument("--key")
    parser.add_argument("--pid", type=int, default=0, help="process of the server, for its memory")
    parser.add_argument("--listeners", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--rate", type=float, nargs="*", default=[], help="open loop: requests a second")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--leave", type=float, default=0.0, help="share of listeners who leave after the first byte")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    print(
        "| server | listeners | requests | errors | first p50 s | p95 | p99 | gaps | gap s | x | health p95 ms | MB |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    if options.own:
        seen = own(options)
    elif options.url:
        seen = asyncio.run(rounds(options, urlsplit(options.url).netloc, options.url, options.pid))
    else:
        parser.error("give a URL, or --own")
    if options.plot:
        plot(seen, options.plot)
    machine = {
        "machine": platform.processor() or platform.machine(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
    }
    print(
        json.dumps(
            machine | {"rounds": [r.figures() for r in seen], "requests": [asdict(p) for r in seen for p in r.requests]}
        )
    )


if __name__ == "__main__":
    main()
