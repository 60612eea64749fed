"""A table through `sokuon batch`: the same bytes whatever the workers, what a line may say, and what goes wrong."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from batch_running import COUNT, assert_same, manifest, sounds

import sokuon
from sokuon.batch.lines import Line, seed_of
from sokuon.batch.run import in_order
from sokuon.batch.speaking import Setup
from sokuon.batch.store import Layout
from sokuon.batch.workers import Workers
from sokuon.options import SynthesisOptions

Batch = Callable[..., "subprocess.CompletedProcess[str]"]


def test_workers_do_not_change_a_byte(batch: Batch, table: Path, undisturbed: Path, tmp_path: Path) -> None:
    done = batch(table, "out", "--workers", 3)
    assert done.returncode == 1, done.stderr
    assert_same(tmp_path / "out", undisturbed)
    assert len(sounds(tmp_path / "out")) == COUNT - 2


def test_a_line_is_what_the_engine_says(undisturbed: Path) -> None:
    row = manifest(undisturbed)[3]
    audio = sokuon.load(threads=1).speak(row["text"], seed=seed_of(row["id"]))
    assert (undisturbed / row["file"]).read_bytes() == audio.to_bytes("wav")
    assert row["seconds"] == pytest.approx(audio.duration, abs=1e-4)
    assert [timing[0] for timing in row["phonemes"]] == [timing.phoneme for timing in audio.timings]


def test_bad_rows_are_rows_of_the_manifest(undisturbed: Path) -> None:
    rows = manifest(undisturbed)
    assert [row["row"] for row in rows] == list(range(1, COUNT + 1))
    problems = {row["row"]: row["error"] for row in rows if row["error"]}
    assert problems.keys() == {6, 12}
    assert "nothing in '……' can be read aloud" in problems[6]
    assert "it is no JSON" in problems[12]


def test_processes_that_share_nothing_give_the_same(undisturbed: Path) -> None:
    row = manifest(undisturbed)[0]
    line = Line(1, row["id"], row["text"], SynthesisOptions(seed=row["seed"]))
    with Workers(Setup(), 1, forks=False) as workers:
        (done,) = workers.spoken([line])
    assert done.data == (undisturbed / row["file"]).read_bytes()


def test_a_second_run_has_nothing_to_do(batch: Batch, table: Path, tmp_path: Path) -> None:
    batch(table, "out")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.wav")}
    again = batch(table, "out")
    assert again.stderr.splitlines()[0].startswith("error: 2 of 48 rows")
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.wav")} == before


def test_only_what_changed_is_spoken_again(batch: Batch, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("id,text\na,はい。\nb,いいえ。\n", encoding="utf-8")
    assert batch(table, "out").returncode == 0
    before = sounds(tmp_path / "out")
    table.write_text("id,text\na,はい。\nb,そうです。\n", encoding="utf-8")
    done = batch(table, "out")
    assert "1 / 1 lines" in done.stderr
    after = sounds(tmp_path / "out")
    assert [name for name in after if after[name] != before[name]] == ["b.wav"]


def test_a_line_says_how_it_sounds(batch: Batch, tmp_path: Path) -> None:
    rows = [
        {"id": "plain", "text": "雨。", "seed": 4},
        {"id": "fast", "text": "雨。", "seed": 4, "speed": 2.0, "style": "Lively"},
        {"id": "given", "text": "雨。", "seed": 4, "phonemes": "_ a m e . _", "tones": "0 1 0 0 0 0"},
        {"id": "named", "text": "雨。", "seed": 4, "speaker": "0"},
        {"id": "wrong", "text": "雨。", "speed": 100},
        {"id": "unknown", "text": "雨。", "style": "Angry"},
        {"id": "lost", "text": "雨。", "voice": "/no/such/voice"},
        {"id": "a/b", "text": "雨。"},
        {"id": "plain", "text": "雨。"},
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    done = batch("t.jsonl", "out")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: 5 of 9 rows have no sound; out/manifest.jsonl says why.")
    errors = [row["error"] for row in manifest(tmp_path / "out")]
    assert errors[:4] == [None] * 4
    wanted = ("must lie between 0.1 and 10", "no style 'Angry'", "/no/such/voice does not exist", "'a/b' cannot be")
    for error, words in zip(errors[4:], (*wanted, "that of row 1"), strict=True):
        assert words in error
    engine = sokuon.load(threads=1)
    out = sounds(tmp_path / "out")
    assert out["plain.wav"] == out["named.wav"] == engine.speak("雨。", seed=4).to_bytes()
    assert out["fast.wav"] == engine.speak("雨。", seed=4, speed=2.0, style="Lively").to_bytes()
    given = engine.speak("雨。", seed=4, phonemes=["_", "a", "m", "e", ".", "_"], tones=[0, 1, 0, 0, 0, 0])
    assert out["given.wav"] == given.to_bytes()


def test_a_voice_of_a_line(batch: Batch, converted: Path, tmp_path: Path) -> None:
    voice, bert = converted / "voice", converted / "bert"
    (tmp_path / "t.tsv").write_text(f"id\ttext\tvoice\na\t雨。\t\nb\t雨。\t{voice}\n", encoding="utf-8")
    assert batch("t.tsv", "out", "--bert", bert).returncode == 0
    out = sounds(tmp_path / "out")
    assert out["a.wav"] == sokuon.load(threads=1).speak("雨。", seed=seed_of("a")).to_bytes()
    own = sokuon.load(voice, bert=bert, threads=1)
    assert out["b.wav"] == own.speak("雨。", seed=seed_of("b")).to_bytes()


def test_tar_shards(batch: Batch, table: Path, undisturbed: Path, tmp_path: Path) -> None:
    for workers in (1, 2):
        batch(table, f"out{workers}", "--pack", "tar", "--shard-lines", 10, "--workers", workers)
    assert_same(tmp_path / "out1", tmp_path / "out2")
    names = sorted(sounds(tmp_path / "out1"))
    assert names == [f"shard-{n:06d}.tar" for n in range(5)]
    found: dict[str, bytes] = {}
    for name in names:
        with tarfile.open(tmp_path / "out1" / name) as tar:
            for member in tar:
                found[member.name] = tar.extractfile(member).read()  # type: ignore[union-attr]
    assert {name: data for name, data in found.items() if name.endswith(".wav")} == sounds(undisturbed)
    rows = {row["id"]: row for row in manifest(undisturbed)}
    about = json.loads(found["line-03.json"])
    assert {name: rows["line-03"][name] for name in about} == about
    assert manifest(tmp_path / "out1")[30]["file"] == "shard-000003.tar"


def test_parquet_in_and_out(batch: Batch, undisturbed: Path, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [{"id": row["id"], "text": row.get("text", "")} for row in manifest(undisturbed)]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "t.parquet")
    for workers in (1, 2):
        batch("t.parquet", f"out{workers}", "--pack", "parquet", "--shard-lines", 30, "--workers", workers)
    assert_same(tmp_path / "out1", tmp_path / "out2")
    tables = [parquet.read_table(io.BytesIO(data)) for _, data in sorted(sounds(tmp_path / "out1").items())]
    out = [row for table in tables for row in table.to_pylist()]
    assert {row["audio"]["path"]: row["audio"]["bytes"] for row in out} == sounds(undisturbed)
    assert json.loads(tables[0].schema.metadata[b"huggingface"])["info"]["features"]["audio"] == {"_type": "Audio"}


def test_the_longest_come_first_and_shards_stay_together() -> None:
    lines = [Line(n, str(n), "あ" * length, SynthesisOptions()) for n, length in enumerate((3, 9, 5, 1, 7), 1)]
    folder = Path("x")
    assert [line.number for line in in_order(lines, Layout(folder, "wav"))] == [2, 5, 3, 1, 4]
    assert [line.number for line in in_order(lines, Layout(folder, "wav", "tar", 2))] == [2, 1, 3, 4, 5]


@pytest.mark.parametrize(
    ("arguments", "words", "status"),
    [
        (("nowhere.csv", "out"), "nowhere.csv cannot be read", 1),
        (("t.csv", "out"), "no column named text", 2),
        (("t.txt", "t.csv"), "t.csv is not a folder", 1),
        (("t.txt", "out", "--style", "Angry"), "no style 'Angry'", 2),
        (("t.txt", "out", "--format", "midi"), "is not a sound format", 1),
        (("t.txt", "out", "--pack", "zip"), "packing is 'zip'", 2),
        (("t.txt", "out", "--voice", "/no/such/voice"), "/no/such/voice does not exist", 1),
        (("t.txt", "out", "--backend", "gpu"), "backend is 'gpu'", 2),
    ],
)
def test_what_cannot_be_is_one_sentence(
    batch: Batch, tmp_path: Path, arguments: tuple[str, ...], words: str, status: int
) -> None:
    (tmp_path / "t.csv").write_text("id,line\na,b\n", encoding="utf-8")
    (tmp_path / "t.txt").write_text("はい。\n", encoding="utf-8")
    done = batch(*arguments)
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith("error: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert words in done.stderr
    assert not list(tmp_path.glob("out/*.wav"))


def test_two_runs_do_not_write_into_one_folder(batch: Batch, table: Path, tmp_path: Path) -> None:
    from sokuon.storage.locks import try_lock

    (tmp_path / "out" / ".sokuon-batch").mkdir(parents=True)
    held = try_lock(tmp_path / "out" / ".sokuon-batch" / "lock")
    assert held is not None
    done = batch(table, "out")
    assert done.returncode == 1
    assert "another run writes into out" in done.stderr
