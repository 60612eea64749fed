"""How a decoder does on held-out recordings: the distance of log magnitudes in mel bands, and the sound to listen to.

`python -m sokuon_training.held WORK_FOLDER --published FOLDER [--checkpoint FILE.pt] [--sound OUT_FOLDER]`: real
latents, then made ones with the real pitch (the flow's phase), over loud frames and over those that open a sentence.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import soundfile
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sokuon_training import losses, published
from sokuon_training.decoder import Decoder
from sokuon_training.features import HOP, SAMPLE_RATE
from sokuon_training.refine import Pairs, pairs_of, with_noise
from sokuon_training.speak import averaged


def distances(decoder: Decoder, pairs: Pairs, latents: Tensor, most: int, out: Path | None = None) -> dict[str, float]:
    """Of `latents` (`pairs`' real or made ones) of the first `most` recordings; sound goes to `out`."""
    generator, offset, sums = torch.get_rng_state(), 0, {"loud": [0.0, 0.0], "opening": [0.0, 0.0]}
    torch.manual_seed(0)
    for number, length in enumerate(pairs.lengths[:most]):
        part = slice(offset, offset + length)
        offset += length
        sound = pairs.samples[part.start * HOP : part.stop * HOP].float()[None] / 32768
        with torch.no_grad():
            z = with_noise(latents[None, :, part], pairs.empty)
            made = decoder(z, torch.zeros(1, decoder.cond.in_channels, 1))[:, 0]
            apart = frames_apart(made, sound, length)
        for name, mask in (("loud", pairs.loud[part]), ("opening", pairs.opens[part])):
            sums[name][0] += float(apart[mask].sum())
            sums[name][1] += int(mask.sum())
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            soundfile.write(out / f"{number:03}.wav", made[0].numpy(), SAMPLE_RATE)
    torch.set_rng_state(generator)
    return {name: total / count for name, (total, count) in sums.items()}


def frames_apart(made: Tensor, sound: Tensor, frames: int) -> Tensor:
    """[frames] mean over windows and bands; both [1, N]."""
    parts = []
    for window in losses.MEL_WINDOWS:
        apart = losses.bands_apart(losses.magnitude(made, window), losses.magnitude(sound, window), window)
        parts.append(interpolate(apart.mean(1, keepdim=True), frames)[0, 0])
    return torch.stack(parts).mean(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--published", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, help="of refine.py, instead of the published decoder")
    parser.add_argument("--most", type=int, default=24, help="recordings")
    parser.add_argument("--sound", type=Path, help="folder to write what the decoder makes to")
    args = parser.parse_args()
    torch.set_num_threads(1)
    pairs = pairs_of(args.work, args.published, seed=0, held=True)
    decoder = published.decoder(args.published).eval()
    if args.checkpoint is not None:
        decoder.load_state_dict(averaged(args.checkpoint))
    for name, latents in (("real", pairs.real), ("made", pairs.made)):
        out = None if args.sound is None else args.sound / name
        found = distances(decoder, pairs, latents, args.most, out)
        print(json.dumps({"latents": name, **{k: round(v, 4) for k, v in found.items()}}), flush=True)


if __name__ == "__main__":
    main()
