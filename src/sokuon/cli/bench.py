"""`sokuon bench`: its options. Apart from the measuring, because every run of the command line reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sokuon.cli.places import ModelOption, VoiceOption, watching
from sokuon.storage.files import check_place


def bench(
    voice: VoiceOption = None,
    model: ModelOption = None,
    bert: Annotated[list[str] | None, typer.Option(help="BERT folder or address; several are compared.")] = None,
    precision: Annotated[
        list[str] | None, typer.Option(help="For a BERT to be converted: fp32, q8 or q4; several are compared.")
    ] = None,
    threads: Annotated[list[int] | None, typer.Option(help="Thread counts; else 1 and all there are.")] = None,
    backend: Annotated[str, typer.Option(help="auto, native or onnx.")] = "auto",
    weights: Annotated[str, typer.Option(help="Flow and decoder in memory: q16 or fp32.")] = "q16",
    repeats: Annotated[int, typer.Option(min=1, help="How often each text is spoken; the median counts.")] = 3,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here, too.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with plots, spectrograms and players here.")] = None,
) -> None:
    """Measure speed, stages, loading and memory on this machine."""
    for place in (json_file, html):
        if place is not None:
            check_place(place)
    from sokuon.measure.figures import Setup
    from sokuon.measure.measure import plan, run
    from sokuon.voices.sources import resolve

    with watching() as watch:
        folder = None if voice is None else resolve(voice, model, watch=watch)
        berts = [resolve(place, kind="bert", watch=watch) for place in bert or ()]
    setups = plan(Setup("", folder, None, "q8", backend, weights, 1), berts, precision or ["q8"], threads or [])
    run(setups, repeats, json_file, html)
