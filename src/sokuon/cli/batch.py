"""`sokuon batch`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sokuon.cli.japanese import told
from sokuon.cli.places import BertOption, ModelOption, VoiceOption, YesOption, find_both, watching
from sokuon.cli.reading import EncodingOption
from sokuon.cli.terminal import (
    ENGINE_PANEL,
    BackendOption,
    PrecisionOption,
    WeightsOption,
    clock,
    library_notes,
    note,
    progress_bar,
    say_error,
    whole_number,
)
from sokuon.errors import shown
from sokuon.options import SynthesisOptions

if TYPE_CHECKING:
    from sokuon.batch.lines import Problem
    from sokuon.batch.run import Progress, Speak
    from sokuon.batch.speaking import Setup

_DEFAULT = SynthesisOptions()
_HOW = "How it sounds where a line says nothing"
_NOTE_EVERY_S = 30.0  # where there is no terminal for a bar


def batch(
    input: Annotated[Path, typer.Argument(help="Table of lines: .jsonl, .csv, .tsv, .parquet; else a text.")],
    output: Annotated[Path, typer.Argument(help="Folder for the sounds and manifest.jsonl.")],
    format: Annotated[str, typer.Option(help="wav, flac, ogg, opus, mp3 or pcm.")] = "wav",
    pack: Annotated[
        str, typer.Option(help="files: one for each line; or shards: tar (WebDataset), parquet.")
    ] = "files",
    shard_lines: Annotated[int, typer.Option(min=1, help="Rows of the table in a shard.")] = 1000,
    timings: Annotated[bool, typer.Option(help="Sentences and phonemes in the manifest.")] = True,
    encoding: EncodingOption = None,
    voice: VoiceOption = None,
    model: ModelOption = None,
    bert: BertOption = None,
    yes: YesOption = False,
    speaker: Annotated[str | None, typer.Option(help="Speaker, by name or number.", rich_help_panel=_HOW)] = None,
    style: Annotated[str | None, typer.Option(help="Style, by name.", rich_help_panel=_HOW)] = None,
    style_weight: Annotated[
        float, typer.Option(help="0 neutral, 1 the style, more exaggerates.", rich_help_panel=_HOW)
    ] = _DEFAULT.style_weight,
    speed: Annotated[float, typer.Option(help="2 is twice as fast.", rich_help_panel=_HOW)] = _DEFAULT.speed,
    sdp_ratio: Annotated[
        float, typer.Option(help="Liveliness of the rhythm, 0 to 1.", rich_help_panel=_HOW)
    ] = _DEFAULT.sdp_ratio,
    noise: Annotated[float, typer.Option(help="Temperature of the sound.", rich_help_panel=_HOW)] = _DEFAULT.noise,
    noise_w: Annotated[float, typer.Option(help="Temperature of the rhythm.", rich_help_panel=_HOW)] = _DEFAULT.noise_w,
    pause: Annotated[
        float | None, typer.Option(help="Seconds between sentences; predicted if left out.", rich_help_panel=_HOW)
    ] = _DEFAULT.pause,
    normalize: Annotated[
        bool, typer.Option("--normalize", help="Scale the loudest sample to full scale.", rich_help_panel=_HOW)
    ] = _DEFAULT.normalize,
    seed: Annotated[str, typer.Option(help="Mixed with each line's id.", rich_help_panel=_HOW)] = "0",
    dictionary: Annotated[
        Path | None, typer.Option(help="User dictionary (JSON) instead of the usual one.", rich_help_panel=_HOW)
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes; one for each processor if left out.", rich_help_panel=ENGINE_PANEL),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each process.", rich_help_panel=ENGINE_PANEL)] = 1,
    precision: PrecisionOption = "q8",
    backend: BackendOption = "auto",
    weights: WeightsOption = "q16",
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="On Ray: local starts one here, auto or an address finds one.",
            rich_help_panel=ENGINE_PANEL,
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Speak a table of lines into a folder; the same command goes on where it was stopped."""
    from sokuon.audio.formats import check_format
    from sokuon.batch.lines import Defaults
    from sokuon.batch.run import Plan, run
    from sokuon.batch.speaking import Setup
    from sokuon.batch.store import Layout
    from sokuon.batch.tables import read_table
    from sokuon.cli.words import dictionary_path, open_dictionary
    from sokuon.loading import check_precision

    options = SynthesisOptions(
        speaker=speaker, style=style, style_weight=style_weight, speed=speed, sdp_ratio=sdp_ratio, noise=noise,
        noise_w=noise_w, pause=pause, normalize=normalize,
    )  # fmt: skip
    layout = Layout(output, check_format(format), pack, shard_lines, timings)  # type: ignore[arg-type]
    check_precision(precision)
    open_dictionary(dictionary)
    plan = Plan.of(read_table(input, encoding), Defaults(options, whole_number("seed", seed) or 0))
    if plan.unused and not quiet:
        note(f"columns that are not used: {', '.join(plan.unused)[:300]}")
    with library_notes(quiet):
        folder, bert_folder = find_both(voice, model, bert, yes, quiet)
        how: dict[str, Any] = {"precision": precision, "backend": backend, "weights": weights, "threads": threads}
        words = dictionary or dictionary_path()
        setup = Setup(folder, bert_folder, layout.suffix, dictionary=words, options=options, **how)
        with watching(quiet) as watch, _progress(quiet) as progress:
            problems = run(plan, setup, layout, _speak(setup, ray, workers), progress, watch)
    _report(problems, len(plan.rows), output)


def _speak(setup: Setup, ray: str | None, workers: int | None) -> Speak:
    if ray is None:
        from sokuon.batch.run import local

        return local(setup, workers)
    from sokuon.cluster.data import on_ray

    return on_ray(setup, ray, workers)


def _report(problems: list[Problem], rows: int, output: Path) -> None:
    """Exit with 1 where a row has no sound."""
    if problems:
        first = problems[0]
        where = f"{len(problems)} of {rows} rows have no sound; {output / 'manifest.jsonl'} says why."
        say_error(f"{where} The first, row {first.number} ({shown(first.id)}): {first.message}")
        raise typer.Exit(1)


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Speed and time left: a bar in a terminal, else a line now and then; what was done, however it ended."""
    last: list[Progress] = []
    with progress_bar() as bar:
        task = bar.add_task(told("speaking"), total=None)
        said = time.monotonic()

        def tell(progress: Progress) -> None:
            nonlocal said
            last[:] = [progress]
            if quiet:
                return
            bar.update(task, completed=progress.phones, total=progress.all_phones, description=f"{_counted(progress)}")
            if bar.disable and time.monotonic() - said > _NOTE_EVERY_S:
                said = time.monotonic()
                note(f"{_counted(progress)}, {clock(progress.left_s or 0.0)} left")

        try:
            yield tell
        finally:
            bar.stop()
            for one in last if not quiet else ():
                note(f"{_counted(one)}: {clock(one.seconds)} of sound in {clock(one.elapsed_s)}")
                if one.lines < one.all_lines:
                    note("What was done is kept; the same command goes on from there.")


def _counted(progress: Progress) -> str:
    return f"{progress.lines:,} / {progress.all_lines:,} lines, x{progress.speed:.1f}"
