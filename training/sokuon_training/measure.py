"""What tones, styles, BERT and durations do to the voice's sound, in numbers; a JSON object is the last line.

`python -m sokuon_training.measure WORK_FOLDER bench/everyday.tsv`
F0 is measured on the sound (pyworld DIO and StoneMask), not read from z.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyworld
import torch

from sokuon_training.encoder import TextInput
from sokuon_training.features import F0_CEIL_HZ, F0_FLOOR_HZ, HOP, SAMPLE_RATE
from sokuon_training.latents import CENTRE_HZ
from sokuon_training.speak import Speaker
from sokuon_training.synthesizer import Output, Scales
from sokuon_training.texts import STYLES, style_vectors

F64 = npt.NDArray[np.float64]
VOWEL_IDS = frozenset((8, 26, 40, 65, 82))  # a e i o u
HIGH_TONE = 7
HOMOPHONES = ("箸", "橋", "端")
FRAME = ("これは、", "が見えます。")
FRAME_PHONES = 8  # _ k o r e w a ,


@dataclass(frozen=True)
class Vowels:
    """One entry a voiced vowel: mean F0 in semitones from CENTRE_HZ, and whether its tone is high."""

    slots: list[int]
    semitones: F64
    high: npt.NDArray[np.bool_]


def f0_of(audio: npt.NDArray[np.float32]) -> F64:
    """Hz per frame of HOP samples, centred as in features.py; 0 where unvoiced."""
    half_ms = 500.0 * HOP / SAMPLE_RATE
    sound = audio.astype(np.float64)
    f0, times = pyworld.dio(sound, SAMPLE_RATE, f0_floor=F0_FLOOR_HZ, f0_ceil=F0_CEIL_HZ, frame_period=half_ms)
    f0 = pyworld.stonemask(sound, f0, times, SAMPLE_RATE)
    return np.asarray(f0[1::2])


def vowels_of(text: TextInput, output: Output) -> Vowels:
    """The vowels of one utterance with at least two voiced frames."""
    f0 = f0_of(output.audio.numpy())
    ends = np.cumsum(output.frames.numpy())
    slots, semitones, high = [], [], []
    for slot, (symbol, tone) in enumerate(zip(text.symbols[0].tolist(), text.tones[0].tolist(), strict=True)):
        voiced = f0[ends[slot] - int(output.frames[slot]) : ends[slot]]
        voiced = voiced[voiced > 0]
        if symbol in VOWEL_IDS and len(voiced) >= 2:
            slots.append(slot)
            semitones.append(12 * np.log2(voiced / CENTRE_HZ).mean())
            high.append(tone == HIGH_TONE)
    return Vowels(slots, np.array(semitones), np.array(high))


def accent(speaker: Speaker, texts: list[str], style: npt.NDArray[np.float32]) -> dict[str, float]:
    """Difference of mean F0 between high and low vowels (semitones), its correlation with the tone, mean and spread."""
    parts = [vowels_of(speaker.text(t, style), speaker.say(t, style=style)) for t in texts]
    st, high = np.concatenate([p.semitones for p in parts]), np.concatenate([p.high for p in parts])
    return {
        "vowels": len(st),
        "high_minus_low_st": round(float(st[high].mean() - st[~high].mean()), 2),
        "correlation": round(float(np.corrcoef(st, high)[0, 1]), 3),
        "mean_st": round(float(st.mean()), 2),
        "spread_st": round(float(st.std()), 2),
    }


def homophones(speaker: Speaker) -> dict[str, list[str]]:
    """F0 of the vowels of each word and the particle が inside a sentence: tone and semitones."""
    neutral, result = style_vectors()[0], {}
    for word in HOMOPHONES:
        text = f"{FRAME[0]}{word}{FRAME[1]}"
        vowels = vowels_of(speaker.text(text, neutral), speaker.say(text))
        first = 2 * FRAME_PHONES + 1  # the slot of the word's first phone
        inside = [i for i, slot in enumerate(vowels.slots) if first <= slot < first + 12]  # h a sh i g a
        result[word] = [f"{'LH'[int(vowels.high[i])]} {vowels.semitones[i]:+.1f}" for i in inside]
    return result


def seconds(speaker: Speaker, texts: list[str], scales: Scales, style: npt.NDArray[np.float32]) -> list[float]:
    """Length of each utterance."""
    return [len(speaker.say(t, scales, style).audio) / SAMPLE_RATE for t in texts]


def bert_effect(speaker: Speaker, texts: list[str]) -> dict[str, float]:
    """How far shuffling the BERT's tokens moves durations (mean % of a slot) and z (share of its spread)."""
    neutral, moved, changed = style_vectors()[0], [], []
    rng = np.random.default_rng(0)
    for t in texts:
        text = speaker.text(t, neutral)
        order = torch.from_numpy(rng.permutation(text.bert.shape[2]))
        other = replace(text, bert=text.bert[:, :, order])
        net, g = speaker.model.synthesizer, speaker.model.synthesizer.speaker(torch.tensor([0]))
        with torch.no_grad():
            (h, mean, _), (h2, mean2, _) = net.enc_p(text, g), net.enc_p(other, g)
            log_w, log_w2 = net.dp(h, text.mask, g), net.dp(h2, text.mask, g)
        moved.append(float(((log_w2 - log_w).exp() - 1).abs().mean()))
        changed.append(float((mean2 - mean).std() / mean.std()))
    return {"duration_change_%": round(100 * np.mean(moved), 1), "z_change_share": round(float(np.mean(changed)), 3)}


def sdp_effect(speaker: Speaker, texts: list[str]) -> dict[str, dict[str, float]]:
    """Standard deviation of a slot's frames over 5 seeds, and the mean length, at sdp_ratio 0, 0.2 and 1."""
    result = {}
    for ratio in (0.0, 0.2, 1.0):
        runs = [[speaker.say(t, Scales(sdp_ratio=ratio), seed=s).frames for s in range(5)] for t in texts]
        slot_spread = [torch.stack(r).float().std(0).mean() for r in runs]
        total = np.mean([float(f.sum()) * HOP / SAMPLE_RATE for r in runs for f in r])
        result[f"sdp_{ratio}"] = {
            "slot_spread_frames": round(float(np.mean(slot_spread)), 2),
            "seconds": round(total, 3),
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--published", type=Path, help="a voice's folder instead of WORK's checkpoints")
    parser.add_argument("--most", type=int, default=24)
    args = parser.parse_args()
    torch.set_num_threads(1)
    lines = args.texts.read_text(encoding="utf-8").splitlines()[: args.most]
    texts = [line.split("\t", 1)[1] for line in lines]
    speaker = Speaker.of(args.work) if args.published is None else Speaker.published(args.published)
    styles = dict(zip(STYLES, style_vectors(), strict=True))
    results: dict[str, object] = {name: accent(speaker, texts, vector) for name, vector in styles.items()}
    results["homophones_st"] = homophones(speaker)
    few, fixed = texts[:8], Scales(sdp_ratio=0.0)
    results["seconds_by_style"] = {
        n: round(float(np.mean(seconds(speaker, few, fixed, v))), 2) for n, v in styles.items()
    }
    results["bert_shuffled"] = bert_effect(speaker, texts)
    results["durations"] = sdp_effect(speaker, few)
    started = time.thread_time()
    spoken = sum(seconds(speaker, few, Scales(), styles["Neutral"]))
    results["torch_times_real_time"] = round(spoken / (time.thread_time() - started), 1)
    print(json.dumps(results, ensure_ascii=False))


if __name__ == "__main__":
    main()
