"""Two objective estimates of how natural speech sounds, for folders of recordings: DistillMOS and DNSMOS (P.835).

Both are networks that guess what listeners would answer on a scale of 1 to 5. They were trained mostly on English, on
telephone and codec faults and on background noise; a synthetic Japanese voice is outside of that. Differences below
0.1 mean little, and a high score does not mean that the words are right (bench/intelligibility.py) or the accents.

    python bench/naturalness.py NAME=FOLDER_OF_WAV_OR_FLAC ... [--most 28]

Needs PyPI `torch`, and `distillmos`, `xls-r-sqa`, `speechmos`, installed with --no-deps (torchaudio and librosa would
only read files); their weights are in the packages. Recordings are scaled to -26 dBFS before. The last line is JSON.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import soundfile
import torch
from intelligibility import resample

F32 = npt.NDArray[np.float32]

RATE = 16_000
LEVEL_DB = -26.0
DNSMOS_SAMPLES = 144_160  # 9.01 s: what the model was trained on; shorter sound is repeated
# DNSMOS P.835: the published polynomials from the network's outputs to the scale, highest power first.
DNSMOS_SCALES = {
    "signal": (-0.08397278, 1.22083953, 0.0052439),
    "background": (-0.13166888, 1.60915514, -0.39604546),
    "overall": (-0.06766283, 1.11546468, 0.04602535),
}


def distillmos() -> Callable[[F32], dict[str, float]]:
    """The score of one recording."""
    sys.modules.setdefault("torchaudio", types.ModuleType("torchaudio"))
    from distillmos import ConvTransformerSQAModel

    model = ConvTransformerSQAModel().eval()

    def score(audio: F32) -> dict[str, float]:
        with torch.no_grad():
            return {"distillmos": float(model(torch.from_numpy(audio)[None]))}

    return score


def dnsmos() -> Callable[[F32], dict[str, float]]:
    """Signal, background and overall score of one recording."""
    spec = importlib.util.find_spec("speechmos")
    if spec is None or spec.origin is None:
        raise SystemExit("Package speechmos is missing: pip install --no-deps speechmos.")
    file = Path(spec.origin).parent / "dnsmos_models" / "sig_bak_ovr.onnx"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def score(audio: F32) -> dict[str, float]:
        filled = np.tile(audio, -(-DNSMOS_SAMPLES // len(audio)))
        starts = range(0, len(filled) - DNSMOS_SAMPLES + 1, RATE)
        pieces = [filled[s : s + DNSMOS_SAMPLES] for s in starts] if len(audio) > DNSMOS_SAMPLES else [filled]
        raw = np.mean([session.run(None, {"input_1": p[None, :DNSMOS_SAMPLES]})[0][0] for p in pieces], 0)
        return {
            f"dnsmos_{name}": float(np.polyval(scale, value))
            for (name, scale), value in zip(DNSMOS_SCALES.items(), raw, strict=True)
        }

    return score


def read(path: Path) -> F32:
    """16 kHz mono at LEVEL_DB."""
    audio, rate = soundfile.read(path, dtype="float32")
    audio = resample(audio, rate)
    level = np.sqrt(np.mean(audio**2)) + 1e-9
    return np.asarray(np.clip(audio * (10 ** (LEVEL_DB / 20) / level), -1, 1), np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", help="NAME=FOLDER")
    parser.add_argument("--most", type=int, default=28, help="recordings of each folder, the first by name")
    args = parser.parse_args()
    torch.set_num_threads(1)
    scores = (distillmos(), dnsmos())
    results = {}
    for pair in args.folders:
        name, _, folder = pair.rpartition("=")
        paths = sorted(p for p in Path(folder).iterdir() if p.suffix in {".wav", ".flac"})[: args.most]
        if not paths:
            raise SystemExit(f"{folder} holds no .wav or .flac file.")
        rows = [{k: v for score in scores for k, v in score(audio).items()} for audio in map(read, paths)]
        results[name or folder] = {k: round(float(np.mean([row[k] for row in rows])), 2) for k in rows[0]}
        print(f"{name or folder:12} {len(rows)} recordings: {results[name or folder]}", flush=True)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
