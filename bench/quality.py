"""What a BERT of lower precision changes, against FP32 on the same weights: features, durations, sound.

    python bench/quality.py MODELS [--json]
    python bench/quality.py --voice VOICE --bert FP32 --against Q8=FOLDER Q4=FOLDER [--json]

Every sentence of texts.txt and everyday.tsv. Features: cosine and error per character. Durations: share of the phone
slots that last another number of frames. Sound: signal-to-noise ratio and log-mel distance to FP32's, given FP32's
durations and the same noise. Random weights rank the methods; a trained BERT has channels that stand out, and its
figures differ: the report says which weights were measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from shared import ROOT, read_texts, table

sys.path[:0] = [str(ROOT / "src"), str(Path(__file__).with_name("peers"))]

from sokuon.native.library import Storage  # noqa: E402
from sokuon.networks.bert import Bert  # noqa: E402
from sokuon.networks.runtime import Runtime  # noqa: E402
from sokuon.networks.synthesizer import Encoded, Synthesizer, Utterance, durations  # noqa: E402
from sokuon.networks.threads import thread_count  # noqa: E402
from sokuon.noise import Noise  # noqa: E402
from sokuon.options import SynthesisOptions  # noqa: E402
from sokuon.text import FrontEnd, Phonemes  # noqa: E402
from sokuon.voices.voice import Voice  # noqa: E402

F32 = npt.NDArray[np.float32]
Read = Callable[[str], F32]  # BERT text of C characters → [C + 2, width]

EVERYDAY = Path(__file__).with_name("everyday.tsv")
EVERYDAY_COUNT = 20
OPTIONS = SynthesisOptions()
MEL_BANDS, WINDOW, HOP = 80, 2048, 512
FLOOR = 1e-5  # of mel magnitudes, -100 dB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="?")
    parser.add_argument("--voice", type=Path)
    parser.add_argument("--bert", type=Path)
    parser.add_argument("--against", nargs="*", default=[])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.models:
        found = measure(arguments.models / "sokuon" / "voice", *readers(arguments.models))
    else:
        others = dict(pair.split("=", 1) for pair in arguments.against)
        found = measure(arguments.voice, open_bert(arguments.bert), {n: open_bert(Path(f)) for n, f in others.items()})
    print(json.dumps(found) if arguments.json else as_table(found))


def readers(models: Path) -> tuple[Read, dict[str, Read]]:
    """The FP32 BERT, and every other one there is in the benchmark's folder."""
    folders = sorted((models / "sokuon").glob("bert-*"))
    others = {f"Sokuon {f.name.removeprefix('bert-')}": open_bert(f) for f in folders if f.name != "bert-fp32"}
    peers = {"HayaKoe's dynamic int8": "q8", "ONNX 4-bit blocks": "q4", "ONNX FP32 (traced)": "fp32"}
    if (models / "hayakoe").exists():
        others |= {name: open_peer(models, precision) for name, precision in peers.items()}
    return open_bert(models / "sokuon" / "bert-fp32"), others


def open_bert(folder: Path) -> Read:
    return lambda text: _opened(folder).features(text)


def open_peer(models: Path, precision: str) -> Read:
    """A traced graph of the peers; opened when first used, so that one is in memory at a time."""

    def read(text: str) -> F32:
        rows: F32 = _opened_peer(models, precision)(text)[0][0]
        return rows

    return read


_open: dict[str, Any] = {}  # the one BERT in memory; this is a program, not a library


def _opened(folder: Path) -> Bert:
    return _only(str(folder), lambda: Bert.open(folder, thread_count(None)))


def _opened_peer(models: Path, precision: str) -> Any:
    from bert_row import load_onnx
    from common import Job

    return _only(precision, lambda: load_onnx(Job(models, "", {}, {}), precision))


def _only(key: str, make: Callable[[], Any]) -> Any:
    if key not in _open:
        _open.clear()
        _open[key] = make()
    return _open[key]


def measure(voice: Path, reference: Read, others: dict[str, Read]) -> dict[str, Any]:
    """Name → figures, each the mean over sentences."""
    stage = Stage(voice, "fp32")
    expected = [(stage.hear(line, reference(line.text)), line) for line in lines()]
    found: dict[str, Any] = {"sentences": len(expected), "voice": stage.voice.manifest.name, "rows": {}}
    for name, read in others.items():
        print(name, file=sys.stderr)
        compared = [compare(stage.hear(line, read(line.text), heard), heard) for heard, line in expected]
        found["rows"][name] = means(compared)
    codes = Stage(voice, "q16")
    compared = [compare(codes.hear(line, heard.features, heard), heard) for heard, line in expected]
    found["rows"]["FP32 BERT; flow and decoder weights as 16-bit codes"] = means(compared)
    return found


def means(compared: list[dict[str, float]]) -> dict[str, float]:
    return {key: float(np.mean([c[key] for c in compared])) for key in compared[0]}


def lines() -> Iterator[Phonemes]:
    everyday = [line.split("\t")[1] for line in EVERYDAY.read_text(encoding="utf-8").splitlines() if "\t" in line]
    front_end = FrontEnd()
    for text in [*read_texts().values(), *everyday[:EVERYDAY_COUNT]]:
        yield from (sentence.phonemes for sentence in front_end.sentences(text))


class Heard:
    """One sentence by one BERT: features, durations of its own, sound with the durations it was given."""

    def __init__(self, features: F32, frames: npt.NDArray[np.int64], audio: F32) -> None:
        self.features, self.frames, self.audio = features, frames, audio


class Stage:
    """A voice on which the features of different BERTs are heard under equal conditions."""

    def __init__(self, voice: Path, weights: Storage) -> None:
        self.voice = Voice.open(voice)
        self._synthesizer = Synthesizer.open(self.voice, Runtime(thread_count(None), weights=weights))

    def hear(self, line: Phonemes, features: F32, like: Heard | None = None) -> Heard:
        """Speak `line`, with the durations of `like` if given."""
        slots = line.slots(self.voice.manifest.add_blank)
        speaker, noise = self.voice.speaker(None), Noise(0, line)
        utterance = Utterance(slots, features, self.voice.style(None, 1.0), speaker)
        encoded: Encoded = self._synthesizer.encode(utterance, noise.draw(2, len(slots.ids), OPTIONS.noise_w))
        frames = durations(encoded, OPTIONS)
        used = frames if like is None else like.frames
        drawn = noise.draw(int(used.sum()), encoded.mean.shape[1], OPTIONS.noise)
        z = self._synthesizer.latent(encoded, used, drawn, speaker)
        return Heard(features, frames, np.concatenate(list(self._synthesizer.decode(z, speaker, [len(z)]))))


def compare(ours: Heard, expected: Heard) -> dict[str, float]:
    """Figures of one sentence; decibels where the name says so."""
    a, b = ours.features, expected.features
    cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return {
        "cosine": float(cosines.mean()),
        "worst_cosine": float(cosines.min()),
        "feature_snr_db": snr_db(a, b),
        "durations_changed": float((ours.frames != expected.frames).mean()),
        "length_change": abs(float(ours.frames.sum() / expected.frames.sum()) - 1),
        "audio_snr_db": snr_db(ours.audio, expected.audio),
        "mel_distance_db": mel_distance_db(ours.audio, expected.audio),
    }


def snr_db(found: F32, expected: F32) -> float:
    error = np.square(found.astype(np.float64) - expected).sum()
    return float(10 * np.log10(np.square(expected, dtype=np.float64).sum() / max(error, 1e-30)))


def mel_distance_db(found: F32, expected: F32) -> float:
    """Root mean square difference of the two log-mel spectrograms."""
    return float(np.sqrt(np.mean((log_mel_db(found) - log_mel_db(expected)) ** 2)))


def log_mel_db(audio: F32, rate: int = 44100) -> npt.NDArray[np.float64]:
    """[frames, MEL_BANDS]"""
    padded = np.pad(audio, WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP] * np.hanning(WINDOW)
    magnitude = np.abs(np.fft.rfft(frames)) / WINDOW  # [frames, bins]
    return 20 * np.log10(np.maximum(magnitude @ mel_bands(rate).T, FLOOR))


def mel_bands(rate: int) -> npt.NDArray[np.float64]:
    """Triangles, evenly spaced on the mel scale 2595·log10(1 + f/700): [MEL_BANDS, WINDOW/2 + 1]"""
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, MEL_BANDS + 2) / 2595) - 1)  # Hz
    bins = np.fft.rfftfreq(WINDOW, 1 / rate)
    rise = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.clip(np.minimum(rise, fall), 0, None)


HEADS = ("against FP32", "cosine", "worst", "feature SNR", "durations changed", "length", "audio SNR", "log-mel")


def as_table(found: dict[str, Any]) -> str:
    """Markdown."""
    body: Sequence[Sequence[str]] = [
        (
            name,
            f"{row['cosine']:.5f}",
            f"{row['worst_cosine']:.5f}",
            f"{row['feature_snr_db']:.1f} dB",
            f"{100 * row['durations_changed']:.1f} %",
            f"±{100 * row['length_change']:.2f} %",
            f"{row['audio_snr_db']:.1f} dB",
            f"{row['mel_distance_db']:.2f} dB",
        )
        for name, row in found["rows"].items()
    ]
    return table(HEADS, body)


if __name__ == "__main__":
    main()
