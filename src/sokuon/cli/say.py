"""`sokuon say`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sokuon.cli.japanese import told
from sokuon.cli.places import BertOption, ModelOption, VoiceOption, YesOption, find_both
from sokuon.cli.reading import EncodingOption, FileOption, read_text
from sokuon.cli.terminal import (
    BackendOption,
    PrecisionOption,
    ThreadsOption,
    WeightsOption,
    library_notes,
    note,
    progress_bar,
    whole_number,
)
from sokuon.options import SynthesisOptions, written_phonemes, written_tones

if TYPE_CHECKING:
    from sokuon.audio.sound import Audio
    from sokuon.engine import Engine

_LONG_CHARACTERS = 200  # above this a progress bar is shown
_DEFAULT = SynthesisOptions()
_HOW, _WHAT = "How it sounds", "Instead of the text's own reading"


def say(
    text: Annotated[str | None, typer.Argument(help="What to say; - or nothing is standard input.")] = None,
    file: FileOption = None,
    encoding: EncodingOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Sound file, or - for standard output; else speech.wav.")
    ] = None,
    format: Annotated[str | None, typer.Option(help="wav, flac, ogg, opus, mp3 or pcm; else by suffix.")] = None,
    play: Annotated[bool, typer.Option("--play", help="Play it, by aplay, pacat, play or ffplay.")] = False,
    subtitles: Annotated[Path | None, typer.Option(help="Also write .srt or .vtt subtitles here.")] = None,
    timings: Annotated[
        Path | None, typer.Option("--json", help="Also write where sentences and phonemes lie, as JSON.")
    ] = None,
    voice: VoiceOption = None,
    model: ModelOption = None,
    bert: BertOption = None,
    yes: YesOption = False,
    speaker: Annotated[str | None, typer.Option(help="Speaker, by name or number.")] = None,
    style: Annotated[str | None, typer.Option(help="Style, by name (see `sokuon voices`).")] = None,
    style_weight: Annotated[
        float, typer.Option(help="0 neutral, 1 the style, more exaggerates.", rich_help_panel=_HOW)
    ] = _DEFAULT.style_weight,
    speed: Annotated[float, typer.Option(help="2 is twice as fast.", rich_help_panel=_HOW)] = _DEFAULT.speed,
    sdp_ratio: Annotated[
        float, typer.Option(help="Liveliness of the rhythm, 0 to 1.", rich_help_panel=_HOW)
    ] = _DEFAULT.sdp_ratio,
    noise: Annotated[float, typer.Option(help="Temperature of the sound.", rich_help_panel=_HOW)] = _DEFAULT.noise,
    noise_w: Annotated[float, typer.Option(help="Temperature of the rhythm.", rich_help_panel=_HOW)] = _DEFAULT.noise_w,
    pitch: Annotated[
        float, typer.Option(help="Factor on the pitch (needs sokuon\\[pitch]).", rich_help_panel=_HOW)
    ] = _DEFAULT.pitch,
    intonation: Annotated[
        float, typer.Option(help="Factor on its movement (needs sokuon\\[pitch]).", rich_help_panel=_HOW)
    ] = _DEFAULT.intonation,
    pause: Annotated[
        float | None,
        typer.Option(help="Seconds between sentences; predicted if left out.", rich_help_panel=_HOW),
    ] = _DEFAULT.pause,
    seed: Annotated[
        str, typer.Option(help="The same seed gives the same sound; or random.", rich_help_panel=_HOW)
    ] = str(_DEFAULT.seed),
    normalize: Annotated[
        bool, typer.Option("--normalize", help="Scale the loudest sample to full scale.", rich_help_panel=_HOW)
    ] = _DEFAULT.normalize,
    phonemes: Annotated[
        str | None, typer.Option(help="Phonemes as of `sokuon phonemes --json`, with spaces.", rich_help_panel=_WHAT)
    ] = None,
    tones: Annotated[
        str | None, typer.Option(help="A tone, 0 or 1, for each phoneme, with spaces.", rich_help_panel=_WHAT)
    ] = None,
    dictionary: Annotated[
        Path | None, typer.Option(help="User dictionary (JSON) instead of the usual one.", rich_help_panel=_WHAT)
    ] = None,
    threads: ThreadsOption = None,
    precision: PrecisionOption = "q8",
    backend: BackendOption = "auto",
    weights: WeightsOption = "q16",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Speak a text into a sound file."""
    from sokuon.cli.output import Destination

    options = SynthesisOptions(
        style=style, style_weight=style_weight, speed=speed, sdp_ratio=sdp_ratio, noise=noise, noise_w=noise_w,
        pitch=pitch, intonation=intonation, pause=pause, seed=_seed(seed), normalize=normalize,
        phonemes=None if phonemes is None else written_phonemes(phonemes),
        tones=None if tones is None else written_tones(tones),
    )  # fmt: skip
    destination = Destination.of(output, format, play, subtitles, timings)
    how: dict[str, Any] = {"threads": threads, "precision": precision, "backend": backend, "weights": weights}
    words = read_text(text, file, encoding)
    with library_notes(quiet):
        import sokuon
        from sokuon.cli.words import open_dictionary

        folder, bert_folder = find_both(voice, model, bert, yes, quiet)
        engine = sokuon.load(folder, bert=bert_folder, dictionary=open_dictionary(dictionary), **how)
        _speak(engine, words, options.changed(speaker=speaker_named(engine, speaker)), destination, quiet)


def _speak(engine: Engine, words: str, options: SynthesisOptions, destination: Any, quiet: bool) -> None:
    from sokuon.audio.writer import Timeline
    from sokuon.cli.output import audible, write

    pieces: Iterable[Audio] = [engine.speak(words, options)] if options.normalize else engine.stream(words, options)
    timeline = Timeline(next(iter(engine.voices.values())).sample_rate)
    write(_watched(audible(pieces, words), len(words), quiet), timeline, destination)
    if not quiet and destination.output is not None and not destination.to_stream:
        note(f"{destination.output}: {timeline.seconds:.1f} s")


def speaker_named(engine: Engine, name: str | None) -> str | int | None:
    """A speaker of that name, else of that number."""
    from sokuon.voices.voice import speaker_of

    return speaker_of(name, next(iter(engine.voices.values())).speakers)


def _seed(seed: str) -> int | None:
    return None if seed.lower() == "random" else whole_number("seed", seed)


def _watched(pieces: Iterable[Audio], characters: int, quiet: bool) -> Iterator[Audio]:
    """Pass pieces on, with a progress bar on standard error for long texts."""
    if quiet or characters < _LONG_CHARACTERS or not sys.stderr.isatty():
        yield from pieces
        return
    with progress_bar() as bar:
        task = bar.add_task(told("speaking"), total=characters)
        for piece in pieces:
            bar.advance(task, sum(len(sentence.text) for sentence in piece.sentences))
            yield piece
