"""One file with chapters: what players find in it."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from books import png
from test_making import Silent, order

import sokuon
from sokuon.book.m4b import make_m4b
from sokuon.book.making import Order

av = pytest.importorskip("av")


def with_cover(what: Order) -> Order:
    return replace(what, book=replace(what.book, author="山田花子", cover=png()))


def test_it_opens_with_chapters_tags_and_cover(engine: sokuon.Engine, tmp_path: Path) -> None:
    file = tmp_path / "本.m4b"
    made = make_m4b(with_cover(order(engine, subtitles="srt")), file, Silent())
    assert made is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["本.m4b", "本.srt"]
    assert file.read_bytes()[4:12] == b"ftypM4B "
    with av.open(str(file)) as book:
        marks = book.chapters()
        assert [mark["metadata"]["title"] for mark in marks] == ["第1話　朝", "第2話　夜", "第3話　夢"]
        assert (book.metadata["title"], book.metadata["artist"]) == ("本", "山田花子")
        picture = next(packet for packet in book.demux(video=0) if packet.size)
        assert bytes(picture) == png()
    with av.open(str(file)) as book:
        samples = sum(frame.samples for frame in book.decode(audio=0))
        rate = book.streams.audio[0].rate
    seconds = [chapter.finished.seconds for chapter in made]
    filling = 2 * 1024 / rate  # what an encoder adds before the sound and after it
    assert sum(seconds) <= samples / rate <= sum(seconds) + filling * len(seconds)
    starts = [float(mark["start"] * mark["time_base"]) for mark in marks]
    assert starts == pytest.approx([0.0, seconds[0], sum(seconds[:2])], abs=2 * filling)
    last = made[2].finished.sentences[0]
    clock = f"00:00:{starts[2] + last.start:06.3f}".replace(".", ",")[:10]
    assert f"\n{clock}" in (tmp_path / "本.srt").read_text()


def test_ffprobe_agrees(engine: sokuon.Engine, tmp_path: Path) -> None:
    ffprobe = shutil.which("ffprobe")
    if ffprobe is None:
        pytest.skip("ffprobe is not installed")
    make_m4b(with_cover(order(engine)), tmp_path / "a.m4b", Silent())
    command = [ffprobe, "-v", "error", "-of", "json", "-show_chapters", "-show_streams", str(tmp_path / "a.m4b")]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert [chapter["tags"]["title"] for chapter in told["chapters"]] == ["第1話　朝", "第2話　夜", "第3話　夢"]
    assert [s["codec_name"] for s in told["streams"] if s["disposition"]["attached_pic"]] == ["png"]


def test_the_same_bytes_and_nothing_to_do_twice(engine: sokuon.Engine, tmp_path: Path) -> None:
    for name in ("a.m4b", "b.m4b"):
        assert make_m4b(order(engine), tmp_path / name, Silent()) is not None
    assert (tmp_path / "a.m4b").read_bytes() == (tmp_path / "b.m4b").read_bytes()
    assert make_m4b(order(engine), tmp_path / "a.m4b", Silent()) is None
    assert make_m4b(order(engine, speed=2.0), tmp_path / "a.m4b", Silent()) is not None


class StoppedError(Exception):
    """What ends a run here."""


class Stopping(Silent):
    """Ends the run in the third chapter."""

    def begin(self, number: int, chapter: object, kept: bool) -> None:
        super().begin(number, chapter, kept)  # type: ignore[arg-type]
        if number == 3 and not kept:
            raise StoppedError


def test_it_goes_on_where_it_stopped(engine: sokuon.Engine, tmp_path: Path) -> None:
    make_m4b(order(engine), tmp_path / "whole.m4b", Silent())
    with pytest.raises(StoppedError):
        make_m4b(order(engine), tmp_path / "a.m4b", Stopping())
    assert not (tmp_path / "a.m4b").exists()
    again = Silent()
    make_m4b(order(engine), tmp_path / "a.m4b", again)
    assert again.kept == [True, True, False]
    assert (tmp_path / "a.m4b").read_bytes() == (tmp_path / "whole.m4b").read_bytes()
    assert not (tmp_path / "a.m4b.chapters").exists()


def test_a_cover_that_is_none(engine: sokuon.Engine, tmp_path: Path) -> None:
    what = order(engine)
    broken = replace(what, book=replace(what.book, cover=png()[:20]))
    make_m4b(broken, tmp_path / "a.m4b", Silent())
    with av.open(str(tmp_path / "a.m4b")) as book:
        assert not book.streams.video
        assert len(book.chapters()) == 3
