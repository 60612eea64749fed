"""A job of lines on 1 to 1,000 nodes, simulated: what share of the machines speaks, and what stops the rest.

    python bench/scale.py [--measure]

The simulated job has a driver that hands out bundles one after the other, nodes of workers that each have one bundle to
speak and one waiting, and a place where sounds go: the driver's own disk (`sokuon batch --ray`) or a bucket that all
nodes write to (`synthesize(...).write_parquet`). Nodes die at random; what they had is spoken again. The
constants below are measured where it says so, else assumed. With --measure Ray is asked what a bundle costs its driver.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from shared import ROOT, table

SPEED = 7.3  # seconds of sound a core makes in a second, full-size voice: bench/results/batch.md
PHONES_PER_SOUND_S = 12.5  # the lines of bench/batch.py: 13.0
HAND_OUT_S = 0.0064  # of the driver for a bundle: --measure, on 2 cores of an EPYC (Zen 3) that the actors shared
BUNDLE_PHONES = 600.0  # sokuon.cluster.data
COARSE_PHONES = 20_000.0  # of a job for a thousand nodes: synthesize(..., bundle_phones=20_000)
BYTES_PER_SOUND_S = {"wav": 88_200.0, "flac": 40_000.0, "opus": 6_000.0}  # 44.1 kHz
DRIVER_BYTES_S = 1e9  # a driver's network (10 Gbit/s) or disk, whichever is less: assumed
BUCKET_BYTES_S = 50e9  # of a whole cluster into an object store: assumed
NODE_HOURS_TO_DEATH = 720.0  # on demand; 20 for machines that can be taken away: assumed
RESTART_S = 60.0  # until a lost node's place is taken: assumed
START_S = 20.0  # until a worker speaks: 2 s where files are at hand (measured), more over a network: assumed
MEAN_LINE, LONGEST_LINE, LONG_LINES = 55.0, 2000.0, 0.02  # phones of a line; share of bundles that are one long line


@dataclass(frozen=True)
class Machine:
    """A common machine type: `cores` physical ones, or what its threads are worth; USD an hour, on demand, assumed."""

    name: str
    cores: float
    dollars: float


MACHINES = (  # list prices of 2025 in a US region, rounded, to be replaced by one's own
    Machine("64 vCPU AMD, a core each (c7a.16xlarge)", 64, 3.28),
    Machine("64 vCPU Intel, two a core (c7i.16xlarge)", 64 * 0.6, 2.86),
    Machine("the same, spot at a third", 64 * 0.6, 0.95),
    Machine("48 vCPU AMD, two a core, of a discounter", 48 * 0.6, 0.60),
)


@dataclass(frozen=True)
class Job:
    """What is simulated: work for each worker, in bundles of so many phones."""

    nodes: int
    workers: int = 64
    work_s: float = 1800.0
    phones: float = BUNDLE_PHONES
    kind: str = "flac"
    bucket: bool = False
    hours_to_death: float = NODE_HOURS_TO_DEATH


@dataclass(frozen=True)
class Outcome:
    """Seconds it takes, share of the workers' time that speaks what is kept, shares in which driver and sink work."""

    seconds: float
    speaking: float
    driver: float
    sink: float


def simulate(job: Job, seed: int = 1) -> Outcome:
    """One run, bundle by bundle, in the order of events."""
    chance = random.Random(seed)
    count = job.nodes * job.workers
    bundles = max(2, round(job.work_s / (job.phones / PHONES_PER_SOUND_S / SPEED)))
    sizes = sorted(_sizes(chance, job, count * bundles), reverse=True)  # the longest lines first
    free = [(START_S, worker) for worker in range(count)]
    deaths = _deaths(chance, job)
    next_death, dead_node = next(deaths)
    driver = sink = driver_busy = sink_busy = spoken = end = 0.0
    sink_rate = BUCKET_BYTES_S if job.bucket else DRIVER_BYTES_S
    again: list[float] = []
    position = 0
    while position < len(sizes) or again:
        at, worker = heapq.heappop(free)
        phones = again.pop() if again else sizes[position]
        position += not again and position < len(sizes)
        driver = max(driver, at - phones / PHONES_PER_SOUND_S / SPEED) + HAND_OUT_S  # while the one before was spoken
        driver_busy += HAND_OUT_S
        begin = max(at, driver)
        work = phones / PHONES_PER_SOUND_S / SPEED
        done = begin + work
        while next_death < begin:
            next_death, dead_node = next(deaths)
        if dead_node == worker // job.workers and begin <= next_death < done:
            again.append(phones)
            heapq.heappush(free, (next_death + RESTART_S, worker))
            continue
        spoken += work
        sent = phones / PHONES_PER_SOUND_S * BYTES_PER_SOUND_S[job.kind] / sink_rate
        sink = max(sink, done) + sent
        sink_busy += sent
        wait = max(0.0, sink - done - 30.0)  # back-pressure: a worker may be half a minute ahead of the sink
        end = max(end, done, sink)
        heapq.heappush(free, (done + wait, worker))
    return Outcome(end, spoken / (count * end), driver_busy / end, sink_busy / end)


def _sizes(chance: random.Random, job: Job, count: int) -> Iterator[float]:
    """Phones of bundles: filled but for less than a line; a few are one long line."""
    for _ in range(count):
        long = chance.random() < LONG_LINES * job.phones / BUNDLE_PHONES
        yield max(job.phones, chance.uniform(0, LONGEST_LINE) if long else 0) - chance.uniform(0, MEAN_LINE)


def _deaths(chance: random.Random, job: Job) -> Iterator[tuple[float, int]]:
    at = 0.0
    while True:
        at += chance.expovariate(job.nodes / (job.hours_to_death * 3600))
        yield at, chance.randrange(job.nodes)


def saturation(phones: float, kind: str, bucket: bool) -> tuple[float, float]:
    """Cores at which the driver, and the place where sounds go, have no time left."""
    seconds = phones / PHONES_PER_SOUND_S / SPEED
    rate = BUCKET_BYTES_S if bucket else DRIVER_BYTES_S
    return seconds / HAND_OUT_S, rate / (BYTES_PER_SOUND_S[kind] * SPEED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="ask Ray what a bundle costs its driver")
    if parser.parse_args().measure:
        print(json.dumps({"hand_out_s": measured_hand_out()}))
        return
    print(_dollars(), "\n")
    print(_nodes())


def _dollars() -> str:
    rows = []
    for one in MACHINES:
        hours = one.cores * SPEED
        rows.append([one.name, f"{one.cores:.0f}", f"{hours:.0f}", f"{one.dollars:.2f}", f"{hours / one.dollars:.0f}"])
    return table(["machine", "cores' worth", "hours of sound an hour", "USD an hour", "hours of sound a USD"], rows)


def _nodes() -> str:
    rows = []
    for nodes in (1, 10, 100, 1000):
        fine, coarse = Job(nodes), Job(nodes, bucket=True, phones=COARSE_PHONES)
        cases = {
            "driver's disk, WAV": replace(fine, kind="wav"),
            "driver's disk, Opus": replace(fine, kind="opus"),
            "bucket, FLAC": replace(fine, bucket=True),
            "bucket, FLAC, coarse": coarse,
            "bucket, FLAC, coarse, nodes live 20 h": replace(coarse, hours_to_death=20.0),
        }
        for name, job in cases.items():
            if nodes == 1000 and job.phones == BUNDLE_PHONES:
                job = replace(job, work_s=150.0)  # the driver is the limit by far, and this is its rate
            out = simulate(job)
            sound = out.speaking * job.nodes * job.workers * SPEED
            shares = (f"{share:.1%}" for share in (out.speaking, out.driver, out.sink))
            rows.append([f"{nodes:,}", name, *shares, f"{sound:,.0f}"])
    heads = ["nodes of 64 cores", "sounds go to", "speaking", "driver busy", "sink busy", "hours of sound an hour"]
    return table(heads, rows)


def measured_hand_out(bundles: int = 4000) -> float:
    """Seconds of Ray's driver for a bundle that costs nothing to speak: the time between two, many actors or not."""
    sys.path.insert(0, str(ROOT / "src"))
    import ray

    class Nothing:
        def __call__(self, batch: Any) -> Any:
            return batch

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    ray.data.DataContext.get_current().enable_progress_bars = False
    data = ray.data.from_items([{"bundle": b"x" * 2000} for _ in range(bundles)], override_num_blocks=bundles)
    pool = ray.data.ActorPoolStrategy(size=1, max_tasks_in_flight_per_actor=2)
    rows = iter(data.map_batches(Nothing, batch_size=1, compute=pool).iter_rows())
    next(rows)
    begin, count = time.perf_counter(), sum(1 for _ in rows)
    spent = time.perf_counter() - begin
    ray.shutdown()
    return spent / count


if __name__ == "__main__":
    main()
