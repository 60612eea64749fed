"""`sokuon say`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sokuon.cli.terminal import (
    BertOption,
    ModelOption,
    ThreadsOption,
    VoiceOption,
    YesOption,
    may_fetch,
    progress_bar,
    watching,
)
from sokuon.errors import AudioError, OptionError, TextError

if TYPE_CHECKING:
    from sokuon.audio.sound import Audio

_LONG_CHARACTERS = 200  # above this a progress bar is shown


def say(
    text: Annotated[str | None, typer.Argument(help="What to say; standard input if neither text nor --file.")] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Text file (UTF-8) to read aloud.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Sound file, or - for standard output.")] = Path(
        "speech.wav"
    ),
    format: Annotated[str | None, typer.Option(help="wav, flac, ogg, opus, mp3 or pcm; else by suffix.")] = None,
    subtitles: Annotated[Path | None, typer.Option(help="Also write .srt or .vtt subtitles here.")] = None,
    voice: VoiceOption = None,
    model: ModelOption = None,
    bert: BertOption = None,
    yes: YesOption = False,
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
    weights: Annotated[str, typer.Option(help="Flow and decoder in memory: q16 or fp32.")] = "q16",
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
    folder, bert_folder = _found(voice, model, bert, yes, quiet)
    engine = sokuon.load(folder, bert=bert_folder, threads=threads, dictionary=_words(dictionary), **how)
    rate = next(iter(engine.voices.values())).sample_rate
    pieces: Iterable[Audio] = (
        [engine.speak(words, options, normalize=True)] if normalize else engine.stream(words, options)
    )
    _write(_watched(pieces, len(words), quiet), rate, output, kind, subtitles, quiet)


def _found(
    voice: str | None, model: str | None, bert: str | None, yes: bool, quiet: bool
) -> tuple[Path | None, Path | None]:
    """Voice and BERT as files of this machine, fetched where they must be; None for what is built in."""
    from sokuon.voices.berts import QUESTION, find_bert
    from sokuon.voices.sources import resolve

    if voice is None and bert is None:
        return None, None
    with watching(quiet) as watch:
        if voice is None:
            return None, resolve(str(bert), kind="bert", watch=watch)
        folder = resolve(voice, model, watch=watch)
        return folder, find_bert(folder, bert, lambda: may_fetch(yes, QUESTION), watch)


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
    from sokuon.audio.formats import FORMATS

    kind = (format or output.suffix.lstrip(".") or "wav").lower() if str(output) != "-" else (format or "wav").lower()
    if kind not in FORMATS:
        raise AudioError(f"{kind!r} is not a sound format; use one of {', '.join(FORMATS)}.")
    return kind


def _check_places(output: Path, subtitles: Path | None) -> None:
    """Say before the work what could only fail after it."""
    from sokuon.audio.subtitles import check_subtitles
    from sokuon.storage.files import check_place

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
    from sokuon.cli.words import open_dictionary

    return open_dictionary(path)


def _write(
    pieces: Iterable[Audio], rate: int, output: Path, kind: str, subtitles: Path | None, quiet: bool
) -> None:  # the options of one command: no value object would make them fewer
    from sokuon.audio import writer
    from sokuon.audio.subtitles import subtitles as cues
    from sokuon.storage.files import write_atomically

    if str(output) == "-":
        writer.write_pipe(pieces, rate, sys.stdout.buffer, kind)
        return
    if _is_device(output):
        with output.open("wb", buffering=0) as pipe:
            writer.write_pipe(pieces, rate, pipe, kind)
        return
    seconds, sentences = writer.write_file(pieces, rate, output, kind)
    if subtitles is not None:
        write_atomically(subtitles, cues(sentences, subtitles.suffix.lstrip(".")).encode())
    if not quiet:
        typer.echo(f"{output}: {seconds:.1f} s", err=True)


def _watched(pieces: Iterable[Audio], characters: int, quiet: bool) -> Iterator[Audio]:
    """Pass pieces on, with a progress bar on standard error for long texts."""
    if quiet or characters < _LONG_CHARACTERS or not sys.stderr.isatty():
        yield from pieces
        return
    with progress_bar() as bar:
        task = bar.add_task("speaking", total=characters)
        for piece in pieces:
            bar.advance(task, sum(len(sentence.text) for sentence in piece.sentences))
            yield piece
