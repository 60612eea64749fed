"""The command line: a thin face over the engine. Heavy modules are imported by the commands that need them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sokuon.errors import AudioError, OptionError, SokuonError, TextError

if TYPE_CHECKING:
    from rich.progress import Progress

    from sokuon.audio import Audio

app = typer.Typer(help="速音: Japanese text-to-speech on ordinary CPUs.", no_args_is_help=True, add_completion=False)
_PIPE_COLUMNS = 1000  # no terminal, no reason to break lines
_LONG_CHARACTERS = 200  # above this a progress bar is shown

VoiceOption = Annotated[
    Path | None, typer.Option("--voice", "-v", help="Voice folder; the built-in voice if left out.")
]
BertOption = Annotated[Path | None, typer.Option(help="Folder of the BERT the voice was trained on.")]
ThreadsOption = Annotated[int | None, typer.Option(help="Threads; all that this process may use if left out.")]


@app.command()
def say(
    text: Annotated[str | None, typer.Argument(help="What to say; standard input if neither text nor --file.")] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Text file (UTF-8) to read aloud.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Sound file, or - for standard output.")] = Path(
        "speech.wav"
    ),
    format: Annotated[str | None, typer.Option(help="wav, flac, ogg, opus, mp3 or pcm; else by suffix.")] = None,
    subtitles: Annotated[Path | None, typer.Option(help="Also write .srt or .vtt subtitles here.")] = None,
    voice: VoiceOption = None,
    bert: BertOption = None,
    speaker: Annotated[str | None, typer.Option(help="Speaker, by name or number.")] = None,
    style: Annotated[str | None, typer.Option(help="Style, by name (see `sokuon voices`).")] = None,
    style_weight: Annotated[float, typer.Option(help="0 neutral, 1 the style, more exaggerates.")] = 1.0,
    speed: Annotated[float, typer.Option(help="2 is twice as fast.")] = 1.0,
    sdp_ratio: Annotated[float, typer.Option(help="Liveliness of the rhythm, 0 to 1.")] = 0.2,
    noise: Annotated[float, typer.Option(help="Temperature of the sound.")] = 0.6,
    noise_w: Annotated[float, typer.Option(help="Temperature of the rhythm.")] = 0.8,
    pitch: Annotated[float, typer.Option(help="Factor on the pitch (needs sokuon[pitch]).")] = 1.0,
    intonation: Annotated[float, typer.Option(help="Factor on its movement (needs sokuon[pitch]).")] = 1.0,
    pause: Annotated[float | None, typer.Option(help="Seconds between sentences; predicted if left out.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same sound.")] = 0,
    normalize: Annotated[bool, typer.Option("--normalize", help="Scale the loudest sample to full scale.")] = False,
    dictionary: Annotated[Path | None, typer.Option(help="User dictionary (JSON) instead of the usual one.")] = None,
    threads: ThreadsOption = None,
    precision: Annotated[str, typer.Option(help="BERT weights when converting: fp32, q8 or q4.")] = "q8",
    backend: Annotated[str, typer.Option(help="auto, native or onnx.")] = "auto",
    weights: Annotated[str, typer.Option(help="Flow and decoder in memory: int16 or float32.")] = "int16",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Speak a text into a sound file."""
    import sokuon

    options = sokuon.SynthesisOptions(
        speaker=_speaker(speaker), style=style, style_weight=style_weight, speed=speed, sdp_ratio=sdp_ratio,
        noise=noise, noise_w=noise_w, pitch=pitch, intonation=intonation, pause=pause, seed=seed,
    )  # fmt: skip
    kind = _format(output, format)
    _check_places(output, subtitles)
    words = _text(text, file)
    how: dict[str, Any] = {"precision": precision, "backend": backend, "weights": weights}  # `load` checks the names
    engine = sokuon.load(voice, bert=bert, threads=threads, dictionary=_words(dictionary), **how)
    rate = next(iter(engine.voices.values())).sample_rate
    pieces: Iterable[Audio] = (
        [engine.speak(words, options, normalize=True)] if normalize else engine.stream(words, options)
    )
    _write(_watched(pieces, len(words), quiet), rate, output, kind, subtitles, quiet)


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="Voice folder (safetensors) or BERT folder (Hugging Face layout).")],
    target: Annotated[Path, typer.Argument(help="Folder to write; an earlier conversion there is replaced.")],
    precision: Annotated[str, typer.Option(help="BERT weights: fp32, q8 or q4.")] = "q8",
) -> None:
    """Convert a voice or a BERT once, to a folder that loads fast."""
    from sokuon.convert.deberta import convert_bert
    from sokuon.convert.package import convert_voice
    from sokuon.convert.quantize import Precision
    from sokuon.loading import check_precision

    if (source / "style_vectors.npy").is_file():
        from rich.console import Console

        with Console(stderr=True).status("encoder") as status:
            convert_voice(source, target, lambda stage: status.update(stage))
    else:
        check_precision(precision)
        with _bar() as bar:
            task = bar.add_task("BERT", total=1.0)
            convert_bert(source, target, Precision(precision), lambda share: bar.update(task, completed=share))
    typer.echo(f"{target} is ready.", err=True)


@app.command()
def voices(
    folder: Annotated[
        Path | None, typer.Argument(help="A voice folder or a folder of voices; else the built-in one.")
    ] = None,
) -> None:
    """Show what a folder holds: speakers, styles, size, licence."""
    from rich.console import Console

    from sokuon.listing import voice_table

    Console(width=None if sys.stdout.isatty() else _PIPE_COLUMNS).print(voice_table(folder))


def main() -> None:
    """Entry point: errors meant for people are one line on standard error and exit status 1."""
    _mount()
    try:
        app(standalone_mode=True)
    except (SokuonError, OSError) as error:  # OSError: no permission, no space
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _mount() -> None:
    """Commands that live beside their subject."""
    from sokuon.cli_bench import bench
    from sokuon.text.cli import dict_app, phonemes

    app.command()(bench)
    app.command()(phonemes)
    app.add_typer(dict_app, name="dict")


def _text(text: str | None, file: Path | None) -> str:
    if text is not None and file is not None:
        raise OptionError("give the text or --file, not both.")
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise TextError(f"{file} cannot be read ({error.strerror}); check the path.") from error
        except UnicodeDecodeError as error:
            raise TextError(f"{file} is not UTF-8 text (byte {error.start}); save it as UTF-8.") from error
    if text is None:
        text = sys.stdin.buffer.read().decode("utf-8", errors="replace")
    if not text.strip():
        raise TextError("there is nothing to say; give a text, --file, or standard input.")
    return text


def _speaker(name: str | None) -> str | int | None:
    return int(name) if name is not None and name.isdecimal() else name


def _format(output: Path, format: str | None) -> str:
    from sokuon.audio import FORMATS

    kind = (format or output.suffix.lstrip(".") or "wav").lower() if str(output) != "-" else (format or "wav").lower()
    if kind not in FORMATS:
        raise AudioError(f"{kind!r} is not a sound format; use one of {', '.join(FORMATS)}.")
    return kind


def _check_places(output: Path, subtitles: Path | None) -> None:
    """Say before the work what could only fail after it."""
    from sokuon.files import check_place
    from sokuon.writer import check_subtitles

    to_file = str(output) != "-" and not _is_device(output)
    if to_file:
        check_place(output)
    if subtitles is None:
        return
    if not to_file:
        raise OptionError("subtitles need a sound file; a pipe or device has none.")
    check_subtitles(subtitles.suffix.lstrip("."))
    check_place(subtitles)


def _is_device(path: Path) -> bool:
    """True for what is written to as it is, not replaced: /dev/null, a named pipe."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _words(path: Path | None) -> Any:
    from sokuon.text.cli import open_dictionary

    return open_dictionary(path)


def _write(
    pieces: Iterable[Audio], rate: int, output: Path, kind: str, subtitles: Path | None, quiet: bool
) -> None:  # the options of one command: no value object would make them fewer
    from sokuon import writer
    from sokuon.files import write_atomically

    if str(output) == "-":
        writer.write_pipe(pieces, rate, sys.stdout.buffer, kind)
        return
    if _is_device(output):
        with output.open("wb", buffering=0) as pipe:
            writer.write_pipe(pieces, rate, pipe, kind)
        return
    seconds, sentences = writer.write_file(pieces, rate, output, kind)
    if subtitles is not None:
        write_atomically(subtitles, writer.subtitles(sentences, subtitles.suffix.lstrip(".")).encode())
    if not quiet:
        typer.echo(f"{output}: {seconds:.1f} s", err=True)


def _watched(pieces: Iterable[Audio], characters: int, quiet: bool) -> Iterator[Audio]:
    """Pass pieces on, with a progress bar on standard error for long texts."""
    if quiet or characters < _LONG_CHARACTERS or not sys.stderr.isatty():
        yield from pieces
        return
    with _bar() as bar:
        task = bar.add_task("speaking", total=characters)
        for piece in pieces:
            bar.advance(task, sum(len(sentence.text) for sentence in piece.sentences))
            yield piece


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    console = Console(stderr=True)
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal)
