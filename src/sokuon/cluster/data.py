"""Ray Data: a stage that speaks, over any Dataset, and the same stage as what `sokuon batch --ray` speaks with.

    rows ──bundles──> one row for some hundred phones of text ──pool of actors──> rows with sound, one by one

A row can be a word or a page, so work is cut by phones, not by rows. Each actor is a process with one thread; what it
maps (the BERT's weights, the embeddings) a node holds once for all of them. Ray starts actors and nodes that die again
and repeats what was lost; a line's sound depends on the line alone, so the repetition gives the same bytes.
"""

from __future__ import annotations

import json
import pickle
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sokuon.batch.lines import Defaults, Line, line_of, phones_of
from sokuon.batch.speaking import Engines, Setup, Spoken, spoken
from sokuon.errors import OptionError, SokuonError, missing_extra
from sokuon.networks.threads import available_processors
from sokuon.options import SynthesisOptions

if TYPE_CHECKING:
    from ray.data import Dataset

BUNDLE_PHONES = 600.0  # about 50 s of sound: some seconds of work, which is what a death costs
_MOST_BUNDLES = 4096  # of a table: each is a block
_LOCAL = "local"
_CONNECT_S = 10.0
T = TypeVar("T")


def synthesize(
    dataset: Dataset,
    *,
    voice: str | Path | None = None,
    bert: str | Path | None = None,
    options: SynthesisOptions | None = None,
    seed: int = 0,
    format: str = "wav",
    text: str = "text",
    id: str = "id",
    bundle_phones: float = BUNDLE_PHONES,
    actors: int | tuple[int, int | None] = (1, None),
    threads: int = 1,
) -> Dataset:
    """The rows of `dataset`, in any order, with their sounds: columns are added, none is taken away.

    Added are `audio` (bytes of an encoded file), `seconds`, `sample_rate`, `sentences` and `phonemes` (JSON lists of
    [text, start, end] in seconds), `computing_s`, and `error` (empty where there is a sound). The column `text` is what
    is spoken; columns named as options of SynthesisOptions, and `voice`, hold for their row, `options` where they say
    nothing. A row without a seed has one from its `id` and `seed`, or from its text where there is no such column.
    `voice` and `bert` are places as of `sokuon.load`, and mean the same on every node: addresses, or paths that all
    nodes have. `actors` is their number or (least, most), None for what the cluster can hold; each has `threads`.
    Raises OptionError for what no row could change.
    """
    data = _ray_data()
    setup = Setup(voice, bert, format, threads, options=options or SynthesisOptions())
    columns = _Columns(text, id, Defaults(setup.options, seed))
    bundled = dataset.map_batches(
        _bundles, batch_size=None, batch_format="pyarrow", fn_kwargs={"text": text, "phones": bundle_phones}
    )
    return _spoken_by_actors(data, bundled, _RowSpeaker, (setup, columns), actors, threads)


@contextmanager
def cluster(address: str) -> Iterator[None]:
    """Ray, running: "local" starts one here that ends with the block, "auto" or an address finds one. OptionError."""
    ray = _ray()
    if ray.is_initialized():
        yield
        return
    _check_address(address)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    where = {"num_cpus": available_processors(), "include_dashboard": False} if address == _LOCAL else {}
    try:
        ray.init(address=None if address == _LOCAL else address, **where, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise OptionError(f"no Ray answers at {address!r} ({error}); start one, or use --ray local.") from error
    try:
        yield
    finally:
        ray.shutdown()


def on_ray(setup: Setup, address: str, actors: int | None = None) -> Callable[[Sequence[Line]], Iterator[Spoken]]:
    """What `sokuon.batch.run` speaks with, as `local` there: sounds come to this process, which writes."""
    data = _ray_data()

    def speak(lines: Sequence[Line]) -> Iterator[Spoken]:
        with cluster(address):
            data.DataContext.get_current().enable_progress_bars = False
            phones = max(BUNDLE_PHONES, sum(line.phones for line in lines) / _MOST_BUNDLES)
            bundles = [{"bundle": pickle.dumps(bundle)} for bundle in cut(lines, lambda line: line.phones, phones)]
            dataset = data.from_items(bundles, override_num_blocks=len(bundles))
            pool = (1, None) if actors is None else actors
            done: set[int] = set()
            for row in _spoken_by_actors(data, dataset, _LineSpeaker, (setup,), pool, setup.threads).iter_rows():
                one: Spoken = pickle.loads(row["spoken"])
                if one.line.number not in done:
                    done.add(one.line.number)
                    yield one

    return speak


def cut(items: Iterable[T], phones_of_one: Callable[[T], float], most: float) -> Iterator[list[T]]:
    """Items in their order, in bundles of at most so many phones, or of one item."""
    bundle: list[T] = []
    phones = 0.0
    for item in items:
        own = phones_of_one(item)
        if bundle and phones + own > most:
            yield bundle
            bundle, phones = [], 0.0
        bundle.append(item)
        phones += own
    if bundle:
        yield bundle


class _Columns:
    """How a row of a dataset becomes a line."""

    def __init__(self, text: str, id: str, defaults: Defaults) -> None:
        self._text, self._id, self._defaults = text, id, defaults

    def line(self, row: Mapping[str, object]) -> Line:
        """Raises TextError, OptionError."""
        id = str(row.get(self._id) or row.get(self._text))
        return line_of(0, id, {**row, "text": row.get(self._text)}, self._defaults)


class _RowSpeaker:
    """An actor: bundles of rows → rows with sound."""

    def __init__(self, setup: Setup, columns: _Columns) -> None:
        self._setup, self._columns = setup, columns
        self._engines = Engines(setup)
        self._engines.warm_up()

    def __call__(self, batch: Mapping[str, Any]) -> Iterator[dict[str, list[Any]]]:
        for bundle in batch["bundle"]:
            for row in pickle.loads(bundle):
                yield {name: [value] for name, value in {**row, **self._spoken(row)}.items()}

    def _spoken(self, row: Mapping[str, object]) -> dict[str, object]:
        try:
            line = self._columns.line(row)
        except SokuonError as error:
            return _columns_of(Spoken(Line(0, "", "", self._setup.options), error=str(error)))
        return _columns_of(spoken(self._engines, line, self._setup.format))


class _LineSpeaker:
    """An actor: bundles of lines → what is known of each when it is done."""

    def __init__(self, setup: Setup) -> None:
        self._format = setup.format
        self._engines = Engines(setup)
        self._engines.warm_up()

    def __call__(self, batch: Mapping[str, Any]) -> Iterator[dict[str, list[bytes]]]:
        for bundle in batch["bundle"]:
            for line in pickle.loads(bundle):
                yield {"spoken": [pickle.dumps(spoken(self._engines, line, self._format))]}


def _columns_of(done: Spoken) -> dict[str, object]:
    """One type for each column, whatever became of the row."""
    return {
        "audio": done.data,
        "seconds": float(done.about.get("seconds", 0.0)),
        "sample_rate": int(done.about.get("sample_rate", 0)),
        "sentences": json.dumps(done.about.get("sentences", []), ensure_ascii=False),
        "phonemes": json.dumps(done.about.get("phonemes", []), ensure_ascii=False),
        "computing_s": done.computing_s,
        "error": done.error or "",
    }


def _bundles(table: Any, text: str, phones: float) -> dict[str, list[bytes]]:
    """A block's rows, as few together as give enough work."""
    rows = table.to_pylist()
    if rows and text not in rows[0]:
        raise OptionError(f"the dataset has no column {text!r}; its columns are {', '.join(rows[0])}.")
    return {"bundle": [pickle.dumps(bundle) for bundle in cut(rows, lambda row: phones_of(str(row[text])), phones)]}


def _spoken_by_actors(
    data: Any,
    bundles: Any,
    actor: type,
    arguments: tuple[object, ...],
    actors: int | tuple[int, int | None],
    threads: int,
) -> Any:
    """One bundle at a time for each actor, one waiting; sounds leave it as they are made: little is in memory."""
    least, most = (actors, actors) if isinstance(actors, int) else actors
    pool = data.ActorPoolStrategy(min_size=least, max_size=most, max_tasks_in_flight_per_actor=2)
    return bundles.map_batches(actor, batch_size=1, compute=pool, fn_constructor_args=arguments, num_cpus=threads)


def _check_address(address: str) -> None:
    """Raise OptionError where nothing listens; Ray itself would try for minutes and then end the process."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return  # local, auto
    try:
        socket.create_connection((host, int(port)), _CONNECT_S).close()
    except OSError as error:
        raise OptionError(f"no Ray answers at {address!r} ({error}); start one, or use --ray local.") from error


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise missing_extra("a cluster needs", "Ray", "ray") from error
    return ray


def _ray_data() -> Any:
    _ray()
    import ray.data

    return ray.data
