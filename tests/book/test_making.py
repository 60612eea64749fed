"""Books → sound files: what is written, kept, and never half there."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile
from books import AOZORA, epub, png

import sokuon
from sokuon.book.cast import Cast, Manner
from sokuon.book.content import Book, Chapter
from sokuon.book.making import Made, Order, make_files
from sokuon.book.narrator import Narrator, Part, digest_of_files
from sokuon.book.plain import read_plain
from sokuon.errors import AudioError, OptionError
from sokuon.options import SynthesisOptions

TEXT = "第1話　朝\n　おはよう。いい、天気だ。\n\n　はい。\n第2話　夜\n　おやすみ。\n第3話　夢\n　ねむい。\n"


class Silent:
    """A watcher that counts what was spoken."""

    def __init__(self) -> None:
        self.characters = 0
        self.kept: list[bool] = []

    def begin(self, number: int, chapter: Chapter, kept: bool) -> None:  # noqa: ARG002
        """See making.Watcher."""
        self.kept.append(kept)

    def spoken(self, characters: int) -> None:
        """See making.Watcher."""
        self.characters += characters

    def end(self, number: int, chapter: Chapter, seconds: float) -> None:
        """See making.Watcher."""


def order(engine: sokuon.Engine, text: str = TEXT, subtitles: str | None = None, **changes: float) -> Order:
    narrator = Narrator(engine, {Manner(): Part(SynthesisOptions(**changes), "")})  # type: ignore[arg-type]
    return Order(read_plain(text, "本"), Cast(), narrator, subtitles)


def make(folder: Path, what: Order, format: str = "wav") -> tuple[tuple[Made, ...], Silent]:
    watcher = Silent()
    return make_files(what, folder, format, watcher), watcher


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_file_a_chapter_with_subtitles(engine: sokuon.Engine, tmp_path: Path) -> None:
    made, watcher = make(tmp_path / "a", order(engine, subtitles="srt"))
    names = ["01 第1話　朝", "02 第2話　夜", "03 第3話　夢"]
    assert sorted(files(tmp_path / "a")) == sorted(f"{name}.{kind}" for name in names for kind in ("srt", "wav"))
    sound = soundfile.info(tmp_path / "a" / "01 第1話　朝.wav")
    assert sound.duration == pytest.approx(made[0].finished.seconds)
    first = (tmp_path / "a" / "01 第1話　朝.srt").read_text()
    assert "おはよう。" in first
    assert "[pause" not in first
    assert watcher.characters > sum(len(block.text) for block in order(engine).book.chapters[0].blocks)


def test_pauses_of_headings_breaks_and_ends(engine: sokuon.Engine, tmp_path: Path) -> None:
    made, _ = make(tmp_path / "a", order(engine))
    title, first, second, third = made[0].finished.sentences
    assert title.text == "第1話　朝"
    assert 0.5 < first.start - title.end < 1.1  # the sentence may end with silence of its own
    assert second.start - first.end < 1.0
    assert 1.0 < third.start - second.end < 1.6
    assert 1.0 < made[0].finished.seconds - third.end < 1.6


@pytest.mark.parametrize("format", ["mp3", "opus", "ogg", "flac", "wav"])
def test_the_same_bytes_and_tags(engine: sokuon.Engine, tmp_path: Path, format: str) -> None:
    for name in ("a", "b"):
        make(tmp_path / name, order(engine), format)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    if format != "wav":
        with soundfile.SoundFile(tmp_path / "a" / f"02 第2話　夜.{format}") as sound:
            assert (sound.title, sound.album, sound.tracknumber) == ("第2話　夜", "本", "2")


def test_what_is_finished_is_kept(engine: sokuon.Engine, tmp_path: Path) -> None:
    make(tmp_path, order(engine))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.wav")}
    _, again = make(tmp_path, order(engine, subtitles="vtt"))
    assert again.kept == [True, True, True]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.wav")} == before
    assert (tmp_path / "03 第3話　夢.vtt").read_text().startswith("WEBVTT")
    _, changed = make(tmp_path, order(engine, TEXT.replace("おやすみ", "さようなら")))
    assert changed.kept == [True, False, True]
    _, faster = make(tmp_path, order(engine, speed=1.5))
    assert faster.kept == [False, False, False]


@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "record"])
def test_a_damaged_chapter_is_made_again(engine: sokuon.Engine, tmp_path: Path, damage: str) -> None:
    make(tmp_path, order(engine))
    whole, file = files(tmp_path), tmp_path / "02 第2話　夜.wav"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    if damage == "cut":
        file.write_bytes(data[:-9])
    elif damage == "changed":
        file.write_bytes(data)
    elif damage == "gone":
        file.unlink()
    else:
        record = tmp_path / ".sokuon-book" / "0002.json"
        record.write_text(record.read_text().replace('"size"', '"sise"'))
        file.unlink()
    _, again = make(tmp_path, order(engine))
    assert again.kept == [True, False, True]
    assert files(tmp_path) == whole


def test_foreign_files_are_not_replaced(engine: sokuon.Engine, tmp_path: Path) -> None:
    (tmp_path / "02 第2話　夜.wav").write_bytes(b"mine")
    with pytest.raises(AudioError, match="not of this book"):
        make(tmp_path, order(engine))
    assert files(tmp_path) == {"02 第2話　夜.wav": b"mine"}


def test_names_that_no_file_can_have(engine: sokuon.Engine, tmp_path: Path) -> None:
    blocks = read_plain("あ。", "").chapters[0].blocks
    titles = ['../../a/b\\c:*?"<>|\n\0', "長" * 300, "con.", ""]
    book = Book("", "", tuple(Chapter(title, blocks) for title in titles))
    what = order(engine)
    make(tmp_path / "a", Order(book, Cast(), what.narrator))
    names = sorted(files(tmp_path / "a"))
    assert [name[:2] for name in names] == ["01", "02", "03", "04"]
    assert not any(set(name) & set('/\\:*?"<>|\n\0') for name in names)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_cast(engine: sokuon.Engine, tmp_path: Path) -> None:
    slow, fast = Manner(changes=(("speed", 0.5),)), Manner(changes=(("speed", 3.0),))
    cast = Cast(dialogue=slow, names={"花子": fast})
    narrator = Narrator(engine, {m: Part(m.options(SynthesisOptions(), None), "") for m in cast.manners})
    text = "　「おはよう」と言った。\n　花子「おはよう」\n　おはよう\n"
    made = make_files(Order(read_plain(text, "本"), cast, narrator), tmp_path, "wav", Silent())
    spoken = {s.text: s.duration for s in made[0].finished.sentences}
    assert list(spoken) == ["「おはよう」", "と言った。", "おはよう"]  # 花子's has the same text as the first
    first, _, other, plain = made[0].finished.sentences
    assert first.duration > 1.6 * plain.duration > 3 * other.duration


def test_a_voice_of_another_rate_and_an_unknown_style(engine: sokuon.Engine) -> None:
    with pytest.raises(OptionError, match="style"):
        Narrator(engine, {Manner(): Part(SynthesisOptions(style="Nobody"), "")})


def test_digests_tell_files_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "w").write_bytes(b"x" * 300_000)
    assert digest_of_files(tmp_path / "a") == digest_of_files(tmp_path / "b")
    (tmp_path / "b" / "w").write_bytes(b"x" * 300_001)
    assert digest_of_files(tmp_path / "a") != digest_of_files(tmp_path / "b")
    assert len(digest_of_files(tmp_path / "b" / "w")) == 64


def start(*arguments: str | Path) -> subprocess.Popen[bytes]:
    """`sokuon book` with the built-in voice, interruptible as in a terminal."""
    return subprocess.Popen(
        [sys.executable, "-m", "sokuon", "book", *map(str, arguments), "--threads", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    done = start(*arguments)
    out, errors = done.communicate(timeout=300)
    return subprocess.CompletedProcess([], done.returncode, out.decode(), errors.decode())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a book, `a.txt`, and the files of an undisturbed run, in `whole`."""
    folder = tmp_path_factory.mktemp("whole")
    text = "".join(f"第{n}話\n　これは{n}番目の話です。" + "もう少し続きます。" * 5 + "\n" for n in range(1, 5))
    (folder / "a.txt").write_text(text)
    assert run(folder / "a.txt", "-o", folder / "whole").returncode == 0
    return folder


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_killed_in_the_middle_it_goes_on(whole: Path, tmp_path: Path, number: signal.Signals) -> None:
    folder, text = tmp_path / "b", whole / "a.txt"
    process, undisturbed = start(text, "-o", folder), files(whole / "whole")
    deadline = time.monotonic() + 120
    while not (list(folder.glob("02 *.mp3")) and list(folder.glob(".sokuon-*.tmp"))):  # it writes the third
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert b"Traceback" not in errors
    there = files(folder)
    assert {name for name in there if name.endswith(".mp3")} < set(undisturbed)
    assert all(undisturbed[name] == data for name, data in there.items() if name.endswith(".mp3"))
    assert number == signal.SIGKILL or not list(folder.glob(".sokuon-*.tmp"))
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.mp3")}
    again = run(text, "-o", folder)
    assert again.returncode == 0
    assert "kept" in again.stderr
    assert files(folder) == undisturbed
    assert all((folder / name).stat().st_mtime_ns == time_ns for name, time_ns in before.items())


def test_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "neko.txt").write_bytes(AOZORA.encode("cp932"))
    done = run(tmp_path / "neko.txt", "-o", tmp_path / "a", "--format", "flac", "--author", "漱石")
    assert (done.returncode, done.stdout) == (0, "")
    first, second, last = done.stderr.splitlines()
    assert re.fullmatch(r"1/2 一: \d+\.\d s, \d+\.\d s left", first)
    assert re.fullmatch(r"2/2 二: \d+\.\d s", second)
    assert "2 chapters" in last
    assert sorted(files(tmp_path / "a")) == ["01 一.flac", "02 二.flac"]
    with soundfile.SoundFile(tmp_path / "a" / "01 一.flac") as sound:
        assert sound.artist == "漱石"
    listed = run(tmp_path / "neko.txt", "--chapters")
    assert listed.stdout.splitlines()[0] == "吾輩は猫である, 夏目漱石"
    assert len(listed.stdout.splitlines()) == 3


def test_an_epub_brings_its_cover(tmp_path: Path) -> None:
    pytest.importorskip("lxml")
    done = run(epub(tmp_path / "a.epub"), "-o", tmp_path / "a", "-q")
    assert (done.returncode, done.stderr) == (0, "")
    assert files(tmp_path / "a")["cover.png"] == png()


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (["a.txt"], 2, "--output"),
        (["b.txt", "-o", "b"], 1, "not a file"),
        (["a.txt", "-o", "a.txt"], 1, "is a file"),
        (["a.txt", "-o", "no/a.m4b"], 1, "not a folder"),
        (["a.txt", "-o", "b", "--format", "exe"], 2, "exe"),
        (["a.txt", "-o", "b", "--subtitles", "txt"], 1, "srt"),
        (["a.txt", "-o", "b", "--voice", "nowhere"], 1, "nowhere"),
        (["a.txt", "-o", "b", "--style", "Nobody"], 2, "Nobody"),
        (["a.txt", "-o", "b", "--cover", "a.txt"], 2, "JPEG"),
        (["a.txt", "-o", "b", "--cast", "none.toml"], 2, "none.toml"),
        (["a.txt", "-o", "b", "--cast", "cast.toml"], 2, "spead"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path: Path, arguments: list[str], status: int, word: str) -> None:
    (tmp_path / "a.txt").write_text("おはよう。")
    (tmp_path / "cast.toml").write_text("[dialogue]\nspead = 2\n")
    command = [sys.executable, "-m", "sokuon", "book", *arguments]
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, timeout=120)
    errors = done.stderr.decode()
    assert done.returncode == status, errors
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert word in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "cast.toml"]


def test_two_at_once(engine: sokuon.Engine, tmp_path: Path) -> None:
    from sokuon.book.record import Records

    with Records(tmp_path / ".sokuon-book", tmp_path).held(), pytest.raises(AudioError, match="another process"):
        make(tmp_path, order(engine))


def test_records_are_what_they_say(engine: sokuon.Engine, tmp_path: Path) -> None:
    make(tmp_path, order(engine))
    record = json.loads((tmp_path / ".sokuon-book" / "0001.json").read_text())
    assert record["size"] == (tmp_path / record["file"]).stat().st_size


def test_nothing_of_it_is_loaded_for_a_sentence() -> None:
    code = (
        "import sys, sokuon; sokuon.load().speak('はい。');"
        "sys.exit(bool({'lxml', 'av', 'markdown_it', 'sokuon.book'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
