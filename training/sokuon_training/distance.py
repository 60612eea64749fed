"""How far the acoustic model is from held-out recordings, with their durations; a JSON object is printed.

`python -m sokuon_training.distance WORK_FOLDER`: envelope error in dB over the mel bands of frames that are not
silent, F0 error in semitones against the accent contour, and agreement of voicing.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from sokuon_training import published
from sokuon_training.acoustic import Acoustic, items_of
from sokuon_training.deberta import BertConfig
from sokuon_training.latents import LatentMap
from sokuon_training.speak import averaged
from sokuon_training.texts import Batches
from sokuon_training.tune import latents_of
from sokuon_training.vocoder import QUIET

DB_PER_NAT = 10 / np.log(10)


def envelope_of(z: npt.NDArray[np.float32], latents: LatentMap) -> npt.NDArray[np.float32]:
    """[C, F] -> log power [F, BANDS]."""
    plain = np.empty_like(z)
    plain[latents.order] = z
    bands = len(latents.mean)
    return np.asarray((plain[:bands].T / latents.scale) @ latents.basis + latents.mean)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--published", type=Path, help="a voice's folder instead of WORK's checkpoint")
    parser.add_argument("--noise", type=float, default=0.0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.published is None:
        items, latents, vocabulary = items_of(args.work, held=True)
        model = Acoustic(BertConfig(len(vocabulary))).eval()
        model.load_state_dict(averaged(args.work / "acoustic.pt"))
    else:
        model, known = published.acoustic(args.published)
        items, latents, _ = items_of(args.work, held=True, vocabulary=known)
    batches = Batches(items, latents, seed=0, crop=10_000, styled=False)
    decibels, semitones, agree = [], [], []
    for item in items:
        made = latents_of(model, batches.collate([item]), args.noise)[0].numpy()
        real_envelope, envelope = envelope_of(item.z, latents), envelope_of(made, latents)
        heard = real_envelope.mean(1) > QUIET
        decibels.append(DB_PER_NAT * np.abs(envelope - real_envelope)[heard].mean(1))
        f0, wanted = latents.f0_of(made), item.contour.f0(item.voiced)
        both = (f0 > 0) & (wanted > 0)
        semitones.append(12 * np.log2(f0[both] / wanted[both]))
        agree.append((f0 > 0) == (wanted > 0))
    numbers = {
        "sentences": len(items),
        "envelope_error_db": float(np.concatenate(decibels).mean()),
        "f0_rms_error_st": float(np.sqrt((np.concatenate(semitones) ** 2).mean())),
        "voicing_agreement": float(np.concatenate(agree).mean()),
    }
    print(json.dumps({k: round(v, 3) for k, v in numbers.items()}))


if __name__ == "__main__":
    main()
