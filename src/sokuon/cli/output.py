"""Where the sound goes: a file, standard output, a device, a loudspeaker; and what is written beside it."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import IO, TYPE_CHECKING

from sokuon.errors import AudioError, OptionError, unspeakable

if TYPE_CHECKING:
    from sokuon.audio.sound import Audio
    from sokuon.audio.writer import Timeline

_DEFAULT_STEM = "speech"
# program → its arguments, and what it is fed; sounds of unknown length, from standard input
_PLAYERS = {
    "aplay": (("-q", "-"), "wav"),
    "pacat": (("--raw", "--format=s16le", "--channels=1", "--rate={rate}"), "pcm"),
    "play": (("-q", "-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "-r", "{rate}", "-"), "pcm"),
    "ffplay": (("-nodisp", "-autoexit", "-loglevel", "quiet", "-"), "wav"),
}


@dataclass(frozen=True)
class Destination:
    """Where the sound goes in which format: `output` None for the loudspeaker alone, - for standard output."""

    output: Path | None
    format: str
    play: bool = False
    subtitles: Path | None = None
    timings: Path | None = None

    @classmethod
    def of(
        cls, output: Path | None, format: str | None, play: bool, subtitles: Path | None, timings: Path | None
    ) -> Destination:
        """From the options. Says before the work what could only fail after it: AudioError, OptionError."""
        if output is None and not play:
            output = _free_name(format or "wav")
        chosen = cls(output, _format(output, format), play, subtitles, timings)
        chosen._check()
        return chosen

    @property
    def to_stream(self) -> bool:
        """Whether the sound goes somewhere that cannot be replaced as a whole."""
        return self.output is not None and (str(self.output) == "-" or _is_device(self.output))

    def _check(self) -> None:
        from sokuon.storage.files import check_place

        if str(self.output) == "-" and sys.__stdout__ is None:
            raise AudioError("standard output is closed; give --output FILE.")
        if self.output is not None and not self.to_stream:
            check_place(self.output)
        if self.subtitles is not None:
            from sokuon.audio.subtitles import check_subtitles

            check_subtitles(_kind(self.subtitles))
        for beside in (self.subtitles, self.timings):
            if beside is None:
                continue
            if self.to_stream:
                raise OptionError("subtitles and timings need a sound file; a pipe or device has none.")
            check_place(beside)
        if self.play:
            _player()


def write(pieces: Iterable[Audio], timeline: Timeline, destination: Destination) -> None:
    """Send pieces where they belong, then write what lies beside the sound."""
    from sokuon.audio import writer

    pieces = timeline.watch(pieces)
    with _heard(pieces, timeline.sample_rate, destination.play) as pieces:
        if destination.output is None:
            for _ in pieces:
                pass
        elif str(destination.output) == "-":
            writer.write_pipe(pieces, timeline.sample_rate, sys.stdout.buffer, destination.format)
        elif destination.to_stream:
            with destination.output.open("wb", buffering=0) as device:
                writer.write_pipe(pieces, timeline.sample_rate, device, destination.format)
        else:
            writer.write_file(pieces, timeline.sample_rate, destination.output, destination.format)
    _write_beside(timeline, destination)


def audible(pieces: Iterable[Audio], text: str) -> Iterator[Audio]:
    """The same pieces, held back until one speaks. Raises TextError if none does: nothing is written then."""
    from sokuon.audio.sound import has_speech

    pieces, held = iter(pieces), []
    for piece in pieces:
        held.append(piece)
        if has_speech(piece):
            break
    else:
        raise unspeakable(text)
    yield from held
    yield from pieces


def _write_beside(timeline: Timeline, destination: Destination) -> None:
    from sokuon.storage.files import write_atomically

    if destination.subtitles is not None:
        from sokuon.audio.subtitles import subtitles
        from sokuon.text.markup import without_markup

        shown = [replace(sentence, text=without_markup(sentence.text)) for sentence in timeline.sentences]
        text = subtitles(shown, _kind(destination.subtitles), timeline.phonemes)
        write_atomically(destination.subtitles, text.encode())
    if destination.timings is not None:
        data = {
            "sample_rate": timeline.sample_rate,
            "duration": timeline.seconds,
            "sentences": [asdict(sentence) for sentence in timeline.sentences],
            "phonemes": [asdict(phoneme) for phoneme in timeline.phonemes],
        }
        write_atomically(destination.timings, (json.dumps(data, ensure_ascii=False, indent=1) + "\n").encode())


@contextmanager
def _heard(pieces: Iterable[Audio], rate: int, play: bool) -> Iterator[Iterable[Audio]]:
    """The same pieces, played as they pass; the block ends when all has been heard."""
    if not play:
        yield pieces
        return
    program, arguments, kind = _player()
    command = [program, *(argument.format(rate=rate) for argument in arguments)]
    player = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert player.stdin is not None  # asked for above
    try:
        yield _fed(pieces, rate, kind, player.stdin)
        player.stdin.close()
    except BrokenPipeError:
        with contextlib.suppress(BrokenPipeError):
            player.stdin.close()  # it would try once more at its end
    except BaseException:
        player.kill()
        raise
    finally:
        status = player.wait()
    if status:
        raise AudioError(f"{Path(program).name} could not play (status {status}); is there a sound device?")


def _fed(pieces: Iterable[Audio], rate: int, kind: str, pipe: IO[bytes]) -> Iterator[Audio]:
    from sokuon.audio.encoding import StreamEncoder

    encoder = StreamEncoder(rate, kind)
    for piece in pieces:
        pipe.write(encoder.push(piece.samples))
        pipe.flush()
        yield piece


def _player() -> tuple[str, tuple[str, ...], str]:
    """Program, arguments, format of the first player there is. Raises AudioError where there is none."""
    for name, (arguments, kind) in _PLAYERS.items():
        if program := shutil.which(name):
            return program, arguments, kind
    raise AudioError(f"no player found to --play with; install one of {', '.join(_PLAYERS)}, or write a file.")


def _free_name(format: str) -> Path:
    """speech.wav, or the first speech-2.wav … that is not there: nobody asked to replace anything."""
    names = (Path(f"{_DEFAULT_STEM}{f'-{number}' if number > 1 else ''}.{format.lower()}") for number in count(1))
    return next(name for name in names if not name.exists())


def _format(output: Path | None, format: str | None) -> str:
    from sokuon.audio.formats import check_format

    suffix = "" if output is None or str(output) == "-" else _kind(output)
    return check_format(format or suffix or "wav")


def _kind(path: Path) -> str:
    return path.suffix.lstrip(".").lower()


def _is_device(path: Path) -> bool:
    """True for what is written to as it is, not replaced: /dev/null, a named pipe."""
    return path.exists() and not path.is_file() and not path.is_dir()
