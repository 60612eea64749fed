"""Step 2a: the decoder alone, from noisy latents of real speech to sound, on multi-resolution STFT loss.

Noise of a random strength on z teaches it to smooth what a sampled prior will not get exact.
`python -m sokuon_training.vocoder WORK_FOLDER --minutes 60`
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sokuon_training import losses
from sokuon_training.builtin import CONFIG
from sokuon_training.dataset import Recording, load
from sokuon_training.decoder import Decoder
from sokuon_training.features import HOP
from sokuon_training.latents import LatentMap
from sokuon_training.loop import Ema, Log, Run, device_of

CROP_FRAMES = 28
QUIET = -11.0  # mean log power of a band; crops wholly below are mostly skipped


@dataclass
class Crops:
    """Random crops of the training recordings, laid end to end."""

    z: torch.Tensor  # [C, total frames]
    samples: torch.Tensor  # [total samples] int16
    starts: np.ndarray  # frames where a crop may start
    empty: torch.Tensor  # indices of the noise channels
    rng: np.random.Generator

    @classmethod
    def of(cls, recordings: list[Recording], latents: LatentMap, seed: int) -> Crops:
        z = np.concatenate(
            [latents(r.features.envelope, r.features.aperiodicity, r.features.f0) for r in recordings], 1
        )
        loud = np.concatenate([r.features.envelope.mean(1) > QUIET for r in recordings])
        ends = np.cumsum([r.frames for r in recordings])
        allowed = np.ones(z.shape[1], bool)
        for end in ends:
            allowed[max(0, end - CROP_FRAMES) : end] = False
        share = np.convolve(loud, np.ones(CROP_FRAMES), "full")[CROP_FRAMES - 1 :][: len(loud)] / CROP_FRAMES
        rng = np.random.default_rng(seed)
        starts = np.flatnonzero(allowed & (share + 0.1 > rng.random(len(loud))))
        samples = np.concatenate([r.samples for r in recordings])
        empty = torch.from_numpy(latents.empty_channels)
        return cls(torch.from_numpy(z), torch.from_numpy(samples), starts, empty, rng)

    def batch(self, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """(z with noise [B, C, CROP_FRAMES], sound [B, CROP_FRAMES * HOP])."""
        chosen = self.rng.choice(self.starts, size)
        z = torch.stack([self.z[:, s : s + CROP_FRAMES] for s in chosen])
        sound = torch.stack([self.samples[s * HOP : (s + CROP_FRAMES) * HOP] for s in chosen])
        return add_noise(z, self.empty).to(device), sound.to(device).float() / 32768


def add_noise(z: Tensor, empty: Tensor) -> Tensor:
    """z [B, C, F] plus noise of a random strength per item; the empty channels get noise near unit strength."""
    strength = 0.03 + 0.27 * torch.rand(len(z), 1, 1)
    noisy = z + strength * torch.randn_like(z)
    noisy[:, empty] = (0.4 + 0.6 * torch.rand(len(z), 1, 1)) * torch.randn(len(z), len(empty), z.shape[2])
    return noisy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    device = device_of(args.device)
    crops = Crops.of(load(args.work), LatentMap.load(args.work / "latents.npz"), seed=0)
    decoder = Decoder(CONFIG).to(device)
    optimizer = torch.optim.AdamW(decoder.parameters(), args.rate, betas=(0.8, 0.99), weight_decay=0.0)
    run = Run(args.work / "vocoder.pt", args.minutes)
    average = Ema(decoder, 0.998)
    run.keep(decoder=decoder, optimizer=optimizer, average=average)
    run.resume()
    speaker = torch.zeros(args.batch, CONFIG.gin_channels, 1, device=device)
    log = Log(every=50)
    for step in run.steps(args.steps):
        rate = args.rate * min(1.0, (step + 1) / 50) * 0.5 ** (step / 3000)
        for group in optimizer.param_groups:
            group["lr"] = rate
        z, sound = crops.batch(args.batch, device)
        loss = losses.spectral(decoder(z, speaker)[:, 0], sound)
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(decoder.parameters(), 5.0)
        optimizer.step()
        average.update(decoder)
        log.add(step + 1, loss=float(loss), grad=float(norm))


if __name__ == "__main__":
    main()
