"""Step 1b: text, frames per slot and F0 contours of every recording.

`python -m sokuon_training.prepare METADATA.jsonl WORK_FOLDER` writes WORK_FOLDER/labels.json and latents.npz. To go on
from a published voice its own map from features to latents is needed (`--latents`): fitted again, components may change
their signs, because an eigenvector's sign is whatever the linear algebra library makes it.
Each metadata line: name, text, kokoro_phonemes (one character a token), frames (one count per character and end).
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from sokuon.text import FrontEnd
from sokuon_training import alignment, latents, prosody
from sokuon_training.builtin import CONFIG
from sokuon_training.dataset import Recording, load

TEACHER_LAG_FRAMES = (
    5  # the teacher's sound runs ahead of its own durations (measured: vowels' voicing fits best there)
)
MOST_SILENCE_BEFORE, MOST_SILENCE_AFTER = 8, 12  # frames kept at the ends


@dataclass(frozen=True)
class Label:
    """One recording as the acoustic model sees it: T slots, frames first .. first + sum(frames) of its features."""

    name: str
    text: str  # what the BERT reads, C characters
    counts: list[int]  # [C + 2] slots per character
    symbols: list[int]  # [T]
    tones: list[int]  # [T]
    languages: list[int]  # [T]
    frames: list[int]  # [T]
    first: int
    accent: list[float]  # [F] of prosody.Contour
    base: list[float]  # [F]


def label(entry: dict[str, Any], recording: Recording, front_end: FrontEnd) -> Label | None:
    """The label of one recording, or None where the readings differ."""
    phonemes = front_end.phonemize(entry["text"])
    aligned = alignment.align(entry["kokoro_phonemes"], entry["frames"], phonemes.symbols)
    if aligned.cost > alignment.MOST_COST or (aligned.phone < 2).any():
        return None
    loudness = recording.features.envelope.mean(1)
    aligned.phone[0] -= TEACHER_LAG_FRAMES  # at least 8 remain: the teacher opens with 12 to 14 frames of its own
    aligned.phone[-1] += TEACHER_LAG_FRAMES
    aligned = alignment.settle_pauses(aligned, phonemes.symbols, loudness)
    aligned, first = _trim(aligned, phonemes.symbols[-2] in alignment.PAUSES)
    slots, frames = phonemes.slots(), alignment.slot_frames(aligned)
    total = int(frames.sum())
    f0 = recording.features.f0[first : first + total]
    per_phone = frames[0:-1:2] + frames[1::2]  # a blank moves with the phone after it
    per_phone[-1] += frames[-1]
    line = prosody.contour(phonemes.symbols, phonemes.tones, per_phone, f0)
    return Label(
        recording.name,
        phonemes.text,
        list(slots.counts),
        slots.ids.tolist(),
        slots.tones.tolist(),
        slots.languages.tolist(),
        frames.tolist(),
        first,
        np.round(line.accent, 4).tolist(),
        np.round(line.base, 3).tolist(),
    )


def _trim(aligned: alignment.Alignment, ends_in_pause: bool) -> tuple[alignment.Alignment, int]:
    """Shorten the silence at both ends; also the first frame kept. The closing "_" gets 3 frames."""
    phone, gap = aligned.phone.copy(), aligned.gap.copy()
    first = max(0, int(phone[0] + gap[0]) - MOST_SILENCE_BEFORE)
    phone[0], gap[0] = phone[0] + gap[0] - first, 0
    last = int(phone[-2] + gap[-2] + phone[-1] + gap[-1]) - 3
    phone[-2] = min(last, MOST_SILENCE_AFTER) if ends_in_pause else last
    phone[-1], gap[-2:] = 3, 0
    return alignment.Alignment(phone, gap, aligned.cost), first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("metadata", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--latents", type=Path, help="map of a published voice, instead of one fitted here")
    args = parser.parse_args()
    recordings = {r.name: r for r in load(args.work, held=None)}
    entries = [json.loads(line) for line in args.metadata.read_text(encoding="utf-8").splitlines()]
    front_end = FrontEnd()
    labels = [label(e, recordings[e["name"]], front_end) for e in track(entries, "aligning")]
    kept = [x for x in labels if x is not None]
    (args.work / "labels.json").write_text(json.dumps([asdict(x) for x in kept], ensure_ascii=False), encoding="utf-8")
    sources = Counter(x.name.split("_")[0] for x in kept)
    print(f"kept {len(kept)} of {len(entries)}: {dict(sources)}")
    if args.latents is not None:
        shutil.copy(args.latents, args.work / "latents.npz")
    elif not (args.work / "latents.npz").exists():
        some = list(recordings.values())[::3]
        envelope = np.concatenate([r.features.envelope for r in some])
        aperiodicity = np.concatenate([r.features.aperiodicity for r in some])
        latents.fit(envelope, aperiodicity, CONFIG.channels).save(args.work / "latents.npz")


if __name__ == "__main__":
    main()
