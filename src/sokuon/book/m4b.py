"""M4B: one file of AAC with chapter marks, tags and a cover (PyAV, which is FFmpeg).

Each chapter is encoded once, into a folder beside the file; at the end they are joined without encoding again.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from sokuon.audio.sound import Audio
from sokuon.book.content import Book
from sokuon.book.making import Made, Order, Watcher, make_chapters, write_subtitles
from sokuon.book.record import Records, key_of
from sokuon.errors import MissingExtraError, missing_extra
from sokuon.storage.files import whole_file

BIT_RATE = 64_000
_BRAND = {"brand": "M4B ", "movflags": "+faststart"}
_MARK = "Sokuon book "
_MILLISECONDS = Fraction(1, 1000)


def make_m4b(order: Order, path: Path, watcher: Watcher) -> tuple[Made, ...] | None:
    """The whole book as one file; None if it is there already. Raises AudioError, MissingExtraError, OSError."""
    _av()
    folder = path.with_name(f"{path.name}.chapters")
    keys = [order.key(number, "m4b") for number in range(1, len(order.book.chapters) + 1)]
    whole = key_of(keys, order.subtitles, order.book.title, order.book.author, (order.book.cover or b"").hex())
    if _is_made(path, whole):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    records = Records(folder, folder)
    with records.held():
        paths = [folder / f"{number:04}.m4a" for number in range(1, len(keys) + 1)]

        def write(pieces: Iterable[Audio], place: Path, _: int) -> None:
            write_aac(pieces, order.narrator.sample_rate, place)

        made = tuple(make_chapters(order, records, paths, "m4b", write, watcher))
        write_subtitles(order, made, path, [float(_length(part)) for part in paths])
        join_chapters(paths, [chapter.title for chapter in made], order.book, path, _MARK + whole)
        for part in paths:
            part.unlink()
    records.remove()
    return made


def write_aac(pieces: Iterable[Audio], sample_rate: int, path: Path) -> None:
    """Pieces as AAC in a file that appears when all are there."""
    av = _av()
    with whole_file(path) as file, av.open(file.name, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=sample_rate, layout="mono")
        stream.bit_rate = BIT_RATE
        for piece in pieces:
            for begin in range(0, len(piece.samples), sample_rate):
                samples = np.clip(piece.samples[begin : begin + sample_rate], -1.0, 1.0)
                frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
                frame.sample_rate = sample_rate
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def join_chapters(paths: list[Path], titles: list[str], book: Book, path: Path, comment: str) -> None:
    """Files of `write_aac` one after the other, as they are encoded, in one file with a mark at each beginning."""
    av = _av()
    with whole_file(path) as file, av.open(file.name, "w", format="mp4", options=_BRAND) as container:
        tags = {"title": book.title, "album": book.title, "artist": book.author, "album_artist": book.author}
        container.metadata.update({name: text for name, text in tags.items() if text})
        container.metadata.update({"genre": "Audiobook", "comment": comment})
        with av.open(str(paths[0])) as first:
            stream = container.add_stream_from_template(first.streams.audio[0])
        picture = _add_picture(container, book.cover) if book.cover is not None else None
        container.set_chapters(_marks(paths, titles))
        if picture is not None:
            container.mux(picture)
        ticks = 0
        for part in paths:
            ticks = _append(part, container, stream, ticks)


def _append(part: Path, container: Any, stream: Any, ticks: int) -> int:
    """Copy the packets of a file to `ticks` of the stream's; where they end."""
    end = ticks
    with _av().open(str(part)) as source:
        for packet in source.demux(audio=0):
            if not packet.size:
                continue
            packet.pts = packet.dts = end
            packet.stream = stream
            end += packet.duration
            container.mux(packet)
    return end


def _marks(paths: list[Path], titles: list[str]) -> list[dict[str, Any]]:
    """Chapters as PyAV takes them; they begin with the packets of their files."""
    marks: list[dict[str, Any]] = []
    begin = Fraction(0)
    for path, title in zip(paths, titles, strict=True):
        end = begin + _length(path)
        times = {"start": round(begin * 1000), "end": round(end * 1000), "time_base": _MILLISECONDS}
        marks.append({"id": len(marks), **times, "metadata": {"title": title or str(len(marks) + 1)}})
        begin = end
    return marks


def _length(path: Path) -> Fraction:
    """Seconds of a file's packets: a little more than its sound, which an encoder fills up."""
    with _av().open(str(path)) as source:
        stream = source.streams.audio[0]
        ticks = sum(packet.duration for packet in source.demux(stream) if packet.size)
        return Fraction(stream.time_base) * int(ticks)


def _add_picture(container: Any, cover: bytes) -> Any:
    """The packet of a cover, in a stream of its own; None for a picture that FFmpeg does not take."""
    av = _av()
    try:
        with av.open(io.BytesIO(cover)) as source:
            if not source.streams.video[0].width:
                return None
            stream = container.add_stream_from_template(source.streams.video[0])
    except (av.FFmpegError, ValueError, IndexError):
        return None
    packet = av.Packet(cover)
    stream.disposition = av.stream.Disposition.attached_pic
    packet.stream = stream
    return packet


def _is_made(path: Path, key: str) -> bool:
    av = _av()
    with contextlib.suppress(OSError, av.FFmpegError), av.open(str(path)) as container:
        return bool(container.metadata.get("comment") == _MARK + key)
    return False


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise missing_extra("M4B needs", "PyAV", "book") from error
    if not hasattr(av.container.OutputContainer, "set_chapters"):
        raise MissingExtraError(f"M4B needs PyAV 16 or later, {av.__version__} is installed; upgrade it.")
    return av
