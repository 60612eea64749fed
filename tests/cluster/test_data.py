"""Ray Data on this machine: the stage over a dataset, `sokuon batch --ray`, and deaths of an actor and of a node."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_running import texts

ray = pytest.importorskip("ray")

import sokuon  # noqa: E402
from sokuon.audio.sound import Audio  # noqa: E402
from sokuon.batch.lines import Defaults, Line, seed_of  # noqa: E402
from sokuon.batch.run import Plan, local, run  # noqa: E402
from sokuon.batch.speaking import Setup, Spoken  # noqa: E402
from sokuon.batch.store import Layout  # noqa: E402
from sokuon.batch.tables import Row  # noqa: E402
from sokuon.cli import app as cli  # noqa: E402
from sokuon.cluster import synthesize  # noqa: E402
from sokuon.cluster.data import cut, on_ray  # noqa: E402
from sokuon.errors import OptionError  # noqa: E402
from sokuon.options import SynthesisOptions  # noqa: E402

COUNT = 60
QUIET: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": "error"}


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    rows = [Row(n, {"id": f"{n:03d}", "text": text}) for n, text in enumerate(texts(COUNT), 1)]
    return [row for row in Plan.of(rows, Defaults(SynthesisOptions())).rows if isinstance(row, Line)]


@pytest.fixture(scope="module")
def undisturbed(lines: list[Line]) -> dict[int, bytes]:
    """The sound of each line by a process of this machine."""
    return {done.line.number: done.data for done in local(Setup(), 1)(lines)}


@pytest.fixture
def one_node() -> Iterator[None]:
    ray.init(num_cpus=2, object_store_memory=100_000_000, **QUIET)
    yield
    ray.shutdown()


@pytest.mark.usefixtures("one_node")
def test_rows_get_their_sound() -> None:
    rows = [
        {"name": "a", "line": "雨が降る。", "speed": 1.0},
        {"name": "b", "line": "はい。" * 30, "speed": 2.0},
        {"name": "c", "line": "……", "speed": 1.0},
        {"name": "d", "line": "雨。", "speed": 99.0},
    ]
    options = SynthesisOptions(style="Lively")
    dataset = synthesize(ray.data.from_items(rows), text="line", id="name", options=options, actors=1)
    found = {row["name"]: row for row in dataset.take_all()}
    assert found.keys() == {"a", "b", "c", "d"}
    engine = sokuon.load(threads=1)
    for name, speed in (("a", 1.0), ("b", 2.0)):
        audio: Audio = engine.speak(found[name]["line"], options, seed=seed_of(name), speed=speed)
        assert found[name]["audio"] == audio.to_bytes()
        assert found[name]["seconds"] == pytest.approx(audio.duration, abs=1e-4)
        assert found[name]["error"] == ""
    assert "nothing in '……' can be read aloud" in found["c"]["error"]
    assert "must lie between 0.1 and 10" in found["d"]["error"]
    assert found["c"]["audio"] == b""


@pytest.mark.usefixtures("one_node")
def test_a_dataset_without_text_is_said() -> None:
    with pytest.raises(Exception, match="the dataset has no column 'text'; its columns are line"):
        synthesize(ray.data.from_items([{"line": "はい。"}])).take_all()


def test_batches_are_cut_by_phones() -> None:
    assert list(cut([5, 1, 1, 9, 2, 2], float, 6.0)) == [[5, 1], [1], [9], [2, 2]]
    assert list(cut([], float, 6.0)) == []


def test_the_command_on_ray_gives_the_same_files(
    tmp_path: Path, lines: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "t.tsv"
    table.write_text("id\ttext\n" + "".join(f"{line.id}\t{line.text}\n" for line in lines[:20]), encoding="utf-8")
    for name, more in (("local", []), ("ray", ["--ray", "local"])):
        monkeypatch.setattr("sys.argv", ["sokuon", "batch", str(table), str(tmp_path / name), "--quiet", *more])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
    ours, theirs = ({f.name: f.read_bytes() for f in (tmp_path / n).glob("*.wav")} for n in ("local", "ray"))
    assert len(ours) == 20
    assert ours == theirs
    assert not ray.is_initialized()


def test_no_ray_at_an_address() -> None:
    with pytest.raises(OptionError, match=r"no Ray answers at '127\.0\.0\.1:1'"):
        next(on_ray(Setup(), "127.0.0.1:1")([Line(1, "a", "はい。", SynthesisOptions(seed=0))]))


def _actors() -> list[int]:
    """Process numbers of the actors that speak, by the names that Ray gives its processes."""
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if b"ray::" in (name := command.read_bytes()) and b"MapWorker" in name:
                found.append(int(command.parent.name))
    return found


def _disturbed(lines: list[Line], after: int, disturb: Any, tmp_path: Path) -> dict[int, bytes]:
    """Lines spoken on the Ray that is running, by `sokuon.batch`; `disturb` is called in the middle."""
    speak = on_ray(Setup(), "auto")

    def watched(todo: Any) -> Iterator[Spoken]:
        for number, done in enumerate(speak(todo)):
            if number == after:
                disturb()
            yield done

    plan = Plan(tuple(lines), ())
    assert run(plan, Setup(), Layout(tmp_path / "out", "wav"), watched, lambda _: None) == []
    return {line.number: (tmp_path / "out" / f"{line.id}.wav").read_bytes() for line in lines}


@pytest.mark.usefixtures("one_node")
def test_an_actor_is_killed(lines: list[Line], undisturbed: dict[int, bytes], tmp_path: Path) -> None:
    killed: list[int] = []

    def kill() -> None:
        killed.extend(_actors()[:1])
        os.kill(killed[0], signal.SIGKILL)

    assert _disturbed(lines, 5, kill, tmp_path) == undisturbed
    assert killed


def test_a_node_is_killed(lines: list[Line], undisturbed: dict[int, bytes], tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "object_store_memory": 100_000_000, "include_dashboard": False},
    )
    try:
        node = cluster.add_node(num_cpus=1, object_store_memory=100_000_000)
        ray.init(address=cluster.address, **{name: QUIET[name] for name in ("log_to_driver", "logging_level")})
        remover = threading.Thread(target=cluster.remove_node, args=(node,), kwargs={"allow_graceful": False})

        assert _disturbed(lines, 5, remover.start, tmp_path) == undisturbed
        remover.join()
        # Ray believes a node dead when its health checks have failed, which may be after the last line
        deadline = time.monotonic() + 60
        while (alive := sum(found["Alive"] for found in ray.nodes())) != 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert alive == 1
    finally:
        ray.shutdown()
        cluster.shutdown()
