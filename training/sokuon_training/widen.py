"""A published voice with a wider decoder that makes the same sound, for refine.py to go on from.

New channels come in pairs (as in Net2Net, Chen et al. 2016, but for the signs): both of a pair read the same, and what
reads them takes one with a weight and the other with its negative. So they cancel until training tells them apart,
which it does at once, because their gradients are opposite; a channel that nothing read would learn nothing at first.
What a new channel reads is half what an old one reads, half noise; old weights stay as they are.
`python -m sokuon_training.widen training/builtin OUT_FOLDER --width 512`
"""

from __future__ import annotations

import argparse
import dataclasses
import shutil
from pathlib import Path

import torch
from torch import Tensor, nn

from sokuon_training import published
from sokuon_training.decoder import Decoder
from sokuon_training.export import VoiceInfo, save_voice
from sokuon_training.features import SAMPLE_RATE
from sokuon_training.phases import CARRIER_CHANNELS
from sokuon_training.publish import NAME
from sokuon_training.texts import STYLES, style_vectors

SPEAK = 0.5  # spread of the weights that read new channels, beside that of the old weights


@torch.no_grad()
def widened(narrow: Decoder, wide: Decoder, generator: torch.Generator) -> Decoder:
    """`wide`, of the same shape as `narrow` but with more channels, with weights that make the same sound."""
    olds = dict(narrow.named_modules())
    for name, module in wide.named_modules():
        if not isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
            continue
        old = olds[name]
        assert isinstance(old, nn.Conv1d | nn.ConvTranspose1d)
        turned = isinstance(module, nn.ConvTranspose1d)  # its weight is [in, out, taps]
        before = _folded(old).transpose(0, 1) if turned else _folded(old)
        read = torch.randint(len(before), ((module.out_channels - len(before)) // 2,), generator=generator)
        weight = _grown(before, read, module.in_channels, generator)
        if name == "conv_pre":
            weight[:, list(CARRIER_CHANNELS)] = before[0, list(CARRIER_CHANNELS)]  # 0: they are the flow's alone
        _set(module, weight.transpose(0, 1) if turned else weight, _stretch(old))
        if module.bias is not None and old.bias is not None:
            module.bias.copy_(torch.cat([old.bias, old.bias[read].repeat_interleave(2)]))
    return wide


def _grown(weight: Tensor, read: Tensor, channels: int, generator: torch.Generator) -> Tensor:
    """[out, in, taps] -> [out + 2 * len(read), channels, taps]: pairs of rows after the old ones, pairs of columns of
    opposite signs after the old ones."""
    spread = weight.std()
    noise = spread * torch.randn(len(read), *weight.shape[1:], generator=generator)
    rows = torch.cat([weight, (weight[read] + noise) / 2**0.5])
    pairs = (channels - weight.shape[1]) // 2
    apart = SPEAK * spread * torch.randn(len(rows), pairs, weight.shape[2], generator=generator)
    whole = torch.cat([rows, torch.stack([apart, -apart], 2).flatten(1, 2)], 1)
    return torch.cat([whole[: len(weight)], whole[len(weight) :].repeat_interleave(2, 0)])


def _folded(module: nn.Module) -> Tensor:
    """The weight that a weight norm, if there is one, comes to."""
    if not hasattr(module, "weight_v"):
        return module.weight.detach()
    return torch._weight_norm(module.weight_v, module.weight_g, 0).detach()


def _stretch(module: nn.Module) -> float:
    """How much longer than its weights the directions of a weight norm are kept: it sets how fast they turn."""
    return float(module.weight_v.norm() / module.weight_g.norm()) if hasattr(module, "weight_v") else 1.0


def _set(module: nn.Module, weight: Tensor, stretch: float) -> None:
    if hasattr(module, "weight_v"):
        module.weight_v.copy_(stretch * weight)
        module.weight_g.copy_(weight.flatten(1).norm(dim=1)[:, None, None])
    else:
        module.weight.copy_(weight)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("published", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--width", type=int, required=True, help="upsample_initial_channel")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    config = dataclasses.replace(published.config(args.published), upsample_initial_channel=args.width)
    generator = torch.Generator().manual_seed(args.seed)
    decoder = widened(published.decoder(args.published), Decoder(config), generator)
    weights = {k: v for k, v in published.tensors(args.published, "").items() if not k.startswith("dec.")}
    weights |= {f"dec.{k}": v for k, v in decoder.state_dict().items()}
    shutil.copytree(args.published, args.out, dirs_exist_ok=True)
    info = VoiceInfo(NAME, tuple(STYLES), SAMPLE_RATE)
    save_voice({k: v.half() for k, v in weights.items()}, config, args.out / "voice", info, style_vectors())


if __name__ == "__main__":
    main()
