"""A voice folder with what was trained further: refine.py's decoder, carry.py's flow, reword.py's text encoder,
durations and BERT, each where it ran; all else is as published.

`python -m sokuon_training.republish WORK_FOLDER training/builtin OUT_FOLDER`
"""

from __future__ import annotations

import argparse
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from sokuon_training import published, reword
from sokuon_training.builtin import CONFIG
from sokuon_training.carry import DEFAULT_NOISE, SILENT_LOG_STD
from sokuon_training.deberta import BertConfig, save_bert
from sokuon_training.decoder import Decoder
from sokuon_training.export import VoiceInfo, save_voice
from sokuon_training.features import SAMPLE_RATE
from sokuon_training.latents import LatentMap
from sokuon_training.phases import PHASE_CHANNELS
from sokuon_training.publish import NAME
from sokuon_training.speak import averaged
from sokuon_training.texts import STYLES, style_vectors


def voice_tensors(work: Path, folder: Path, temper: float = 1.0) -> dict[str, Tensor]:
    """All tensors of the voice; the prior's spread times `temper`."""
    weights = published.tensors(folder, "")
    if (work / reword.CHECKPOINT).exists():
        weights |= reword.voice_tensors(averaged(work / reword.CHECKPOINT))
    if (work / "carried.pt").exists():
        weights |= {f"flow.{k}": v for k, v in averaged(work / "carried.pt").items()}
    if (work / "refined.pt").exists():
        weights |= {f"dec.{k}": v for k, v in refined_decoder(work, folder).state_dict().items()}
    weights["enc_p.proj.bias"] = weights["enc_p.proj.bias"].clone()
    weights["enc_p.proj.bias"][CONFIG.channels :] += math.log(temper)
    noisy = [c for c in LatentMap.load(work / "latents.npz").empty_channels if c not in PHASE_CHANNELS]
    spread_of(weights, noisy, -math.log(DEFAULT_NOISE))  # white with unit power, as the decoder knows them
    spread_of(weights, PHASE_CHANNELS, SILENT_LOG_STD)
    return weights


def refined_decoder(work: Path, folder: Path) -> Decoder:
    """The decoder of refine.py, which began with that of `folder`; there is one speaker, and it was trained with a zero
    vector."""
    decoder = Decoder(published.config(folder))
    decoder.load_state_dict(averaged(work / "refined.pt"))
    torch.nn.init.zeros_(decoder.cond.weight)
    return decoder


def save_bert_of(work: Path, folder: Path, out: Path) -> None:
    """The BERT that reword.py trained, or the published one."""
    if not (work / reword.CHECKPOINT).exists():
        shutil.copytree(folder / "bert", out, dirs_exist_ok=True)
        return
    vocabulary = published.vocabulary(folder)
    halved = {k: v.half() for k, v in reword.bert_tensors(averaged(work / reword.CHECKPOINT)).items()}
    save_bert(halved, BertConfig(len(vocabulary)), vocabulary, out)


def spread_of(weights: dict[str, Tensor], channels: Sequence[int], log_std: float) -> None:
    """The prior of these channels: mean 0, the same spread for every text."""
    weight, bias = weights["enc_p.proj.weight"].clone(), weights["enc_p.proj.bias"].clone()
    for channel in channels:
        for row in (channel, CONFIG.channels + channel):
            weight[row], bias[row] = 0.0, 0.0
        bias[CONFIG.channels + channel] = log_std
    weights["enc_p.proj.weight"], weights["enc_p.proj.bias"] = weight, bias


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("published", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--temper", type=float, default=1.0, help="factor on the prior's spread")
    args = parser.parse_args()
    halved = {k: v.half() for k, v in voice_tensors(args.work, args.published, args.temper).items()}
    info = VoiceInfo(NAME, tuple(STYLES), SAMPLE_RATE)
    save_voice(halved, published.config(args.published), args.out / "voice", info, style_vectors())
    save_bert_of(args.work, args.published, args.out / "bert")
    shutil.copy(args.work / "latents.npz", args.out)
    size = sum(p.stat().st_size for p in args.out.rglob("*") if p.is_file())
    print(f"{args.out}: {len(halved)} tensors, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
