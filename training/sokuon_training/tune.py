"""Step 3: fine-tune the decoder on latents the acoustic model makes, with a small discriminator.

The text's z is smoother than real speech's; the decoder learns to put the missing detail back. Durations are the
recordings' own, so that sound and latents fit; F0 and voicing are the recordings' too (the acoustic model speaks with
other F0 than the teacher). Half of the crops keep real latents. `python -m sokuon_training.tune WORK_FOLDER`
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from sokuon_training import losses
from sokuon_training.acoustic import Acoustic, items_of
from sokuon_training.builtin import CONFIG
from sokuon_training.critic import Critic
from sokuon_training.dataset import load
from sokuon_training.deberta import BertConfig
from sokuon_training.features import HOP
from sokuon_training.loop import Ema, Log, Run, device_of
from sokuon_training.speak import averaged, load_decoder
from sokuon_training.texts import Batch, Batches, Item
from sokuon_training.vocoder import CROP_FRAMES, QUIET, add_noise

MATCHING, SPECTRAL = 2.0, 15.0  # weights beside the adversarial term


@dataclass
class Pairs:
    """Latents made from text, real latents and sound, all recordings end to end."""

    made: Tensor  # [C, frames]
    real: Tensor  # [C, frames]
    samples: Tensor  # [frames * HOP] int16
    starts: np.ndarray
    empty: Tensor
    rng: np.random.Generator

    def batch(self, size: int) -> tuple[Tensor, Tensor]:
        """(z [B, C, CROP_FRAMES], sound [B, CROP_FRAMES * HOP])"""
        chosen = self.rng.choice(self.starts, size)
        half = size // 2
        real = torch.stack([self.real[:, s : s + CROP_FRAMES] for s in chosen[:half]])
        made = torch.stack([self.made[:, s : s + CROP_FRAMES] for s in chosen[half:]])
        made[:, self.empty] = 0.6 * torch.randn_like(made[:, self.empty])
        sound = torch.stack([self.samples[s * HOP : (s + CROP_FRAMES) * HOP] for s in chosen])
        return torch.cat([add_noise(real, self.empty), made]), sound.float() / 32768


@torch.no_grad()
def latents_of(model: Acoustic, batch: Batch, noise: float) -> Tensor:
    """What the acoustic model makes of each sentence with the recording's durations, [B, C, F]."""
    net = model.synthesizer
    text = model.text(batch)
    g = net.speaker(torch.zeros(len(batch.z), dtype=torch.long))
    _, mean, log_std = net.enc_p(text, g)
    index = batch.slot.unsqueeze(1).expand(-1, mean.shape[1], -1)
    mean, log_std = mean.gather(2, index), log_std.gather(2, index)
    prior = mean + noise * torch.randn_like(mean) * log_std.exp()
    made: Tensor = net.flow.inverse(prior * batch.z_mask, batch.z_mask, g)
    return made


def pairs_of(work: Path, noise: float, seed: int) -> Pairs:
    """Run the acoustic model over all training sentences once."""
    items, latents, vocabulary = items_of(work, held=False)
    model = Acoustic(BertConfig(len(vocabulary))).eval()
    model.load_state_dict(averaged(work / "acoustic.pt"))
    batches = Batches(items, latents, seed, crop=10_000, styled=False)
    recordings = {r.name: r for r in load(work)}
    pitch = torch.from_numpy(latents.pitch_channels)
    made, real, samples = [], [], []
    for item in track(items, "latents from text"):
        z = torch.from_numpy(item.z)
        z_made = latents_of(model, batches.collate([item]), noise)[0]
        z_made[pitch] = z[pitch]
        made.append(z_made)
        real.append(z)
        samples.append(torch.from_numpy(_sound(item, recordings[item.label.name].samples)))
    lengths = np.array([m.shape[1] for m in made])
    starts = starts_of(items, lengths, [recordings[i.label.name].features.envelope.mean(1) for i in items])
    empty = torch.from_numpy(latents.empty_channels)
    rng = np.random.default_rng(seed)
    return Pairs(torch.cat(made, 1), torch.cat(real, 1), torch.cat(samples), starts, empty, rng)


def _sound(item: Item, samples: np.ndarray) -> np.ndarray:
    first = item.label.first
    return samples[first * HOP : (first + item.z.shape[1]) * HOP]


def starts_of(items: list[Item], lengths: np.ndarray, loudness: list[np.ndarray]) -> np.ndarray:
    """Frames where a crop may start: it stays inside a recording and is not all silence."""
    starts, offset = [], 0
    for item, length, loud in zip(items, lengths, loudness, strict=True):
        heard = np.flatnonzero(loud[item.label.first :][: length - CROP_FRAMES] > QUIET)
        starts.append(offset + heard)
        offset += length
    return np.concatenate(starts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--noise", type=float, default=0.6, help="temperature of the latents from text")
    parser.add_argument("--critic-from", type=int, default=100, help="step from which the discriminator takes part")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    device = device_of(args.device)
    run = Run(args.work / "tuned.pt", args.minutes)
    pairs = pairs_of(args.work, args.noise, seed=int(run.checkpoint.exists()))
    decoder, critic = load_decoder(args.work).train().to(device), Critic().to(device)
    optimizer = torch.optim.AdamW(decoder.parameters(), args.rate, betas=(0.8, 0.99), weight_decay=0.0)
    critic_optimizer = torch.optim.AdamW(critic.parameters(), args.rate, betas=(0.8, 0.99))
    average = Ema(decoder, 0.995)
    run.keep(decoder=decoder, critic=critic, optimizer=optimizer, critic_optimizer=critic_optimizer, average=average)
    run.resume()
    speaker = torch.zeros(args.batch, CONFIG.gin_channels, 1, device=device)
    log = Log(every=25)
    for step in run.steps(args.steps):
        z, sound = (x.to(device) for x in pairs.batch(args.batch))
        fake = decoder(z, speaker)[:, 0]
        spectral = losses.spectral(fake, sound)
        real_scores, real_inner = critic(sound)
        judged = losses.critic_loss(real_scores, critic(fake.detach())[0])
        critic_optimizer.zero_grad()
        judged.backward()
        critic_optimizer.step()
        total = SPECTRAL * spectral
        if step >= args.critic_from:
            scores, inner = critic(fake)
            total = total + losses.fooling_loss(scores) + MATCHING * losses.matching_loss(real_inner, inner)
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), 100.0)
        optimizer.step()
        average.update(decoder)
        log.add(step + 1, spectral=float(spectral), critic=float(judged), total=float(total))


if __name__ == "__main__":
    main()
