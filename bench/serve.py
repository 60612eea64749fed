"""What listeners of a running server get: time to the first byte, gaps, throughput, at 1 to 16 listeners at once.

    sokuon serve & python bench/serve.py http://127.0.0.1:50021
    python bench/serve.py --own            # starts the server and a naive one, takes turns, compares
    python bench/serve.py --all [--voice VOICE --bert BERT]  # everything below for this voice, 5 minutes: goes into
                                                             # bench/results/serve.{md,json,png}

Speaks plain HTTP to /v1/audio/speech with `response_format: pcm` (24 kHz), so any server of that API can be measured;
`--voicevox STYLE` speaks /audio_query + /synthesis instead. Each listener plays in real time: sound that comes later
than it is needed is a gap, and the next sentence is asked for when the last one has been heard (closed loop). `--rate`
sends requests at random moments (Poisson arrivals) whatever becomes of them (open loop). `--files` callers do not play
but ask for the next sound when they have the last: what the server can make at most, beside `speak` alone. `--leave` of
the listeners go away after the first byte; what that frees is in the report of `--all`. `--overhead` compares a request
with the same call of the engine.

x is seconds of sound received per second while the round lasted; what listeners still play afterwards does not count.
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
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, urlsplit

TEXTS = (
    "旅の途中で不思議な街に辿り着きました。",
    "今日はいい天気ですね。午後からは少し風が強くなるそうですので、お出かけの際はお気をつけください。",
    "会議は三時からに変更になりました。資料は前日までに共有フォルダーへ入れておいてください。よろしくお願いします。",
)
KANA = "あかさたなはまやらわいきしちにひみりうくすつぬふむゆる"
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
    received_s: float = 0.0
    """Sound received within the round."""
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
            "x": round(self.received_s / self.seconds, 2),
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

    async def ask(
        self, text: str, plays: bool, leaves: bool = False, heard: Callable[[float], None] = lambda _: None
    ) -> Played:
        """Speak and listen; `plays` in real time, counting gaps; `heard` is told the seconds of each piece of sound."""
        began = time.monotonic()
        try:
            return await asyncio.wait_for(self._listen(text, began, plays, leaves, heard), 300)
        except (OSError, ValueError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
            return Played(0, time.monotonic() - began, 0, error=f"{type(error).__name__}: {error}"[:100])

    async def _listen(
        self, text: str, began: float, plays: bool, leaves: bool, heard: Callable[[float], None]
    ) -> Played:
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
            heard(seconds)
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


async def closed_loop(
    client: Client, name: str, listeners: int, seconds: float, leave: float, pid: int, plays: bool = True
) -> Round:
    """Listeners who ask for the next text when they have heard the last, or callers who have it when it has come."""
    done, end = Round(name, listeners, seconds), time.monotonic() + seconds
    dice = random.Random(listeners)

    async def listener(number: int) -> None:
        await asyncio.sleep(dice.random() * 0.5)
        turn = number
        while time.monotonic() < end:
            played = await client.ask(TEXTS[turn % len(TEXTS)], plays, dice.random() < leave, hear(done, end))
            done.requests.append(played)
            turn += 1

    await _measured(done, client, pid, [listener(n) for n in range(listeners)])
    return done


def hear(done: Round, end: float) -> Callable[[float], None]:
    """Adds sound to a round until its end."""

    def add(seconds: float) -> None:
        done.received_s += seconds if time.monotonic() < end else 0.0

    return add


async def open_loop(client: Client, name: str, rate: float, seconds: float, leave: float, pid: int) -> Round:
    """`rate` requests a second at random moments."""
    done, dice = Round(f"{name}, {rate:g}/s", 0, seconds), random.Random(7)
    end = time.monotonic() + seconds

    async def one(at: float, number: int) -> None:
        await asyncio.sleep(at)
        leaves = dice.random() < leave
        done.requests.append(await client.ask(TEXTS[number % len(TEXTS)], True, leaves, hear(done, end)))

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
    for count in options.files:
        own_name = f"{name}, {count} callers for files"
        seen.append(await closed_loop(client, own_name, count, options.seconds, 0.0, pid, plays=False))
        show(seen[-1])
    for rate in options.rate:
        seen.append(await open_loop(client, name, rate, options.seconds, options.leave, pid))
        show(seen[-1])
    return seen


def show(done: Round) -> None:
    """Print one row."""
    print(row(done.figures()), flush=True)


def row(f: dict) -> str:
    """Of the table, by a round's figures."""
    return (
        f"| {f['server']} | {f['listeners']} | {f['requests']} | {f['errors']} | {f['first_p50']} | {f['first_p95']} "
        f"| {f['first_p99']} | {f['gaps']} | {f['gap_s']} | {f['x']} | {f['health_p95_ms']} | {f['memory_mb']} |"
    )


SERVE = [sys.executable, "-m", "sokuon", "serve", "--log-level", "error"]
NAIVE = [sys.executable, str(Path(__file__).parent / "clients" / "naive_server.py")]


def own(options: argparse.Namespace) -> list[Round]:
    """Our server and the naive one in turns."""
    seen = []
    for _ in range(options.rounds):
        for name, command in (("sokuon serve", SERVE), ("naive", NAIVE)):
            port = free_port()
            with started([*command, *voice_arguments(options), "--port", str(port)], port) as pid:
                seen += asyncio.run(rounds(options, name, f"http://127.0.0.1:{port}", pid))
    return seen


def voice_arguments(options: argparse.Namespace) -> list[str]:
    """Of either server."""
    return [str(v) for v in options.voice] + (["--bert", str(options.bert)] if options.bert else [])


def alone(options: argparse.Namespace, seconds: float) -> tuple[float, float]:
    """What the engine gives without a server: `speak` on all threads, and two callers with a thread each: x of both."""
    import sokuon

    def speed(threads: int | None, callers: int) -> float:
        engine = sokuon.load(*options.voice[:1], bert=options.bert, threads=threads)
        sound = [0.0] * callers

        def call(number: int) -> None:
            turn, end = number, time.monotonic() + seconds
            while time.monotonic() < end:
                sound[number] += engine.speak(TEXTS[turn % len(TEXTS)]).duration
                turn += 1

        engine.speak(TEXTS[0])
        began = time.monotonic()
        callings = [threading.Thread(target=call, args=(n,)) for n in range(callers)]
        for calling in callings:
            calling.start()
        for calling in callings:
            calling.join()
        return sum(sound) / (time.monotonic() - began)

    return round(speed(None, 1), 2), round(speed(1, os.cpu_count() or 1), 2)


def overhead(options: argparse.Namespace, times: int = 60) -> dict[str, float]:
    """ms of a request for a whole short WAV, of the same call of the engine, in turns, and what the server adds.

    Medians. The texts differ, or the server would have their BERT rows already; two morae are less than a second, which
    either decodes in one part, and both use all threads.
    """
    import sokuon

    engine = sokuon.load(*options.voice[:1], bert=options.bert)
    port, direct, http, added = free_port(), [], [], []
    with started([*SERVE, *voice_arguments(options), "--port", str(port)], port):
        connection = HTTPConnection("127.0.0.1", port)
        for number in range(times + 5):
            text = KANA[number // 10] + KANA[number % 10 + 10]
            began = time.perf_counter()
            engine.speak(text)
            spoken = time.perf_counter()
            body = {"input": text, "response_format": "wav", "stream": False, "seed": 0}
            connection.request("POST", "/v1/audio/speech", json.dumps(body), {"Content-Type": "application/json"})
            reply = connection.getresponse()
            reply.read()
            ended = time.perf_counter()
            if reply.status != 200:
                raise SystemExit(f"the server answered {reply.status}")
            if number >= 5:
                direct.append(spoken - began)
                http.append(ended - spoken)
                added.append(http[-1] - direct[-1])
    found = {"engine_ms": direct, "request_ms": http, "added_ms": added}
    return {name: round(1000 * statistics.median(values), 2) for name, values in found.items()}


HEAD = (
    "| server | listeners | requests | errors | first p50 s | p95 | p99 | gaps | gap s | x | health p95 ms | MB |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def leaving(options: argparse.Namespace, times: int = 12) -> dict[str, float]:
    """Medians of what a listener costs who hears the longest text whole, or leaves after the first bytes: processor
    seconds of the server, and seconds from the leaving until no request is under way."""
    port = free_port()
    with started([*SERVE, *voice_arguments(options), "--port", str(port)], port) as pid:
        client = Client(f"http://127.0.0.1:{port}", options.speaker, None, None)
        found: dict[str, list[float]] = {"whole_cpu_s": [], "left_cpu_s": [], "free_after_s": []}

        async def one(number: int, leaves: bool) -> None:
            text = f"{number}番。{TEXTS[-1]}{TEXTS[1]}"  # never the same: the server keeps BERT rows
            before = processor_seconds(pid)
            await client.ask(text, False, leaves)
            left = time.monotonic()
            while await busy(client):
                await asyncio.sleep(0.002)
            if leaves:
                found["free_after_s"].append(time.monotonic() - left)
            found["left_cpu_s" if leaves else "whole_cpu_s"].append(processor_seconds(pid) - before)

        async def turns() -> None:
            for number in range(2 * times + 2):
                await one(number, bool(number % 2))

        asyncio.run(turns())
    return {name: round(statistics.median(values[1:]), 3) for name, values in found.items()}


async def busy(client: Client) -> bool:
    """Whether the server has a request under way, by its own word."""
    page = b"".join([data async for data in client.post("/metrics", b"", "GET")])
    return b"sokuon_requests_under_way 0.0" not in page


def processor_seconds(pid: int) -> float:
    """What a process has used of the processors, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


RESULTS = Path(__file__).parent / "results"


def everything(options: argparse.Namespace) -> None:
    """One voice, every load: its figures go beside those of the other, then the report and its plot are made again."""
    name = "full-size voice" if options.voice else "built-in voice"
    engine, added, left = alone(options, 6), overhead(options), leaving(options)
    options.listeners = [1, 2, 4, 8, max(9, int(engine[0]) - 1), 16] if options.voice else [1, 4, 16, 32]
    options.rate, options.files = [1.0 if options.voice else 2.0], [16]
    print(f"\n{name}\n{HEAD}", flush=True)
    rows = [done.figures() for done in own(options)]
    file = RESULTS / "serve.json"
    data = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    data[name] = {"machine": machine_line(), "alone": engine, "overhead": added, "leaving": left, "rounds": rows}
    file.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    report(data)


def report(data: dict[str, dict]) -> None:
    """bench/results/serve.md and its plot."""
    head = (
        "# Listeners of a server\n\n"
        "`python bench/serve.py --all [--voice VOICE --bert BERT]`, once for each voice.\n"
        "The naive server is FastAPI, one lock and `speak` (`bench/clients/naive_server.py`); the two take turns;\n"
        "listeners and servers share the processors. Listeners hear one text after the other in real time; callers\n"
        "for files do not play; `2/s` are requests at random moments. x is seconds of sound received per second.\n\n"
        "![First byte and gaps over the number of listeners](serve.png)\n\n"
    )
    (RESULTS / "serve.md").write_text(head + "\n".join(map(section, data, data.values())), encoding="utf-8")
    plot([(f"{r['server']}, {name}", r) for name in data for r in data[name]["rounds"]], RESULTS / "serve.png")


def section(name: str, data: dict) -> str:
    """Of the report: one voice."""
    (speak, callers), added, left = data["alone"], data["overhead"], data["leaving"]
    most = max(r["x"] for r in data["rounds"] if r["server"].startswith("sokuon serve,") and "files" in r["server"])
    rows = "\n".join(map(row, data["rounds"]))
    return (
        f"## {name[0].upper()}{name[1:]}\n\n{data['machine']}\n\n{HEAD}\n{rows}\n\n"
        f"The engine alone: `speak` {speak}x, as many callers as processors with a thread each {callers}x. "
        f"The server at most: {most}x, {100 * most / speak:.0f} % of `speak`.\nA request for a short WAV takes "
        f"{added['request_ms']} ms, the same call of the engine {added['engine_ms']} ms: the server adds "
        f"{added['added_ms']} ms (medians of 60, in turns).\nA listener who leaves after the first bytes costs "
        f"{left['left_cpu_s']} s of the processors, one who hears all {left['whole_cpu_s']} s; "
        f"{left['free_after_s']} s after the leaving no request is under way (medians of 12, in turns).\n"
    )


def machine_line() -> str:
    """The processor and what runs on it."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
    from sokuon.measure.machine import describe_machine

    return ", ".join(str(value) for value in describe_machine().values())


def plot(rows: list[tuple[str, dict]], path: Path) -> None:
    """First byte and gaps over the number of listeners who play; rows with their names."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    playing = [(name, f) for name, f in rows if f["listeners"] and "files" not in f["server"]]
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.5))
    for name in dict.fromkeys(name for name, _ in playing):
        own_rows = [f for label, f in playing if label == name]
        counts = sorted({int(f["listeners"]) for f in own_rows})
        for axis, key in zip(axes, ("first_p95", "gap_s"), strict=True):
            values = [statistics.median(float(f[key]) for f in own_rows if f["listeners"] == n) for n in counts]
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
    parser.add_argument("--files", type=int, nargs="*", default=[], help="callers who do not play")
    parser.add_argument("--overhead", action="store_true", help="only what a request adds to a call of the engine")
    parser.add_argument("--all", action="store_true", help="all loads for the built-in voice or --voice: the report")
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--leave", type=float, default=0.0, help="share of listeners who leave after the first byte")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    if options.overhead or options.all:
        sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
        print(json.dumps(overhead(options))) if options.overhead else everything(options)
        return
    print(HEAD)
    if options.own:
        seen = own(options)
    elif options.url:
        seen = asyncio.run(rounds(options, urlsplit(options.url).netloc, options.url, options.pid))
    else:
        parser.error("give a URL, or --own")
    if options.plot:
        plot([(r.name, r.figures()) for r in seen], options.plot)
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
