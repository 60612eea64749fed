"""Last step: checkpoints to a voice folder and a BERT folder, half precision on disk.

`python -m sokuon_training.publish WORK_FOLDER training/builtin`
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from torch import Tensor

from sokuon_training.builtin import CONFIG
from sokuon_training.config import ModelConfig
from sokuon_training.dataset import held_out
from sokuon_training.deberta import BertConfig, save_bert
from sokuon_training.export import VoiceInfo, save_voice
from sokuon_training.features import SAMPLE_RATE
from sokuon_training.speak import averaged, load_decoder
from sokuon_training.texts import STYLES, read_labels, style_vectors, vocabulary_of

NAME = "Sokuon"
TRAINING_ONLY = ("sdp.post_", "dec.")  # the decoder comes from its own checkpoint


def voice_tensors(work: Path, config: ModelConfig, temper: float) -> dict[str, Tensor]:
    """All tensors of the voice. `temper` multiplies the prior's standard deviation for good, so that the engine's
    default noise scale suits this voice."""
    prefix = "synthesizer."
    weights = {k.removeprefix(prefix): v for k, v in averaged(work / "acoustic.pt").items() if k.startswith(prefix)}
    weights = {k: v for k, v in weights.items() if not k.startswith(TRAINING_ONLY)}
    weights["enc_p.proj.bias"] = weights["enc_p.proj.bias"].clone()
    weights["enc_p.proj.bias"][config.channels :] += math.log(temper)
    return weights | {f"dec.{k}": v for k, v in load_decoder(work).state_dict().items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--temper", type=float, default=1.0)
    args = parser.parse_args()
    halved = {k: v.half() for k, v in voice_tensors(args.work, CONFIG, args.temper).items()}
    info = VoiceInfo(NAME, tuple(STYLES), SAMPLE_RATE)
    save_voice(halved, CONFIG, args.out / "voice", info, style_vectors())
    vocabulary = vocabulary_of([x for x in read_labels(args.work) if not held_out(x.name)])
    weights = averaged(args.work / "acoustic.pt")
    bert = {k.removeprefix("bert."): v.half() for k, v in weights.items() if k.startswith("bert.")}
    save_bert(bert, BertConfig(len(vocabulary)), vocabulary, args.out / "bert")
    size = sum(p.stat().st_size for p in args.out.rglob("*") if p.is_file())
    print(f"{args.out}: {len(halved)} + {len(bert)} tensors, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
