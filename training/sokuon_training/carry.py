"""The flow taught to make the phase of the fundamental (phases.py) from noise, all else as the published flow makes it.

The prior's noise in the carrier channels is white. What the flow is to make of it is that noise turned back by F0,
smoothed, and turned forth again: a phase that runs on with F0 from frame to frame and drifts slowly. The target is
computed from the noise, so this is plain regression, and no recording is needed but for its text and durations.
`python -m sokuon_training.carry WORK_FOLDER --published training/builtin --minutes 20`
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor
from torch.nn.functional import conv1d, pad

from sokuon_training import published
from sokuon_training.acoustic import Acoustic
from sokuon_training.dataset import held_out, load
from sokuon_training.features import HOP, SAMPLE_RATE
from sokuon_training.flow import Flow
from sokuon_training.latents import LatentMap
from sokuon_training.loop import Ema, Log, Run, device_of
from sokuon_training.phases import CARRIER_CHANNELS, PHASE_CHANNELS
from sokuon_training.texts import Batches, Item, read_labels

CROP_FRAMES = 96
SMOOTH_FRAMES = 3.0  # standard deviation of the smoothing: F0 then drifts by some 3 Hz
REACH = math.ceil(3 * SMOOTH_FRAMES)
DEFAULT_NOISE = 0.6  # the engine's; the carriers' spread in the prior is its inverse
SILENT_LOG_STD = -6.0  # of the phase channels in the prior
UNVOICED = 0.3  # weight of silence in unvoiced frames
KEEP = 100.0  # weight of all other channels staying as they were


@dataclass
class Priors:
    """Mean and spread of the prior of every training sentence, frame by frame, end to end."""

    mean: Tensor  # [C, frames]
    log_std: Tensor  # [C, frames]
    starts: np.ndarray  # frames where a crop may start
    rng: np.random.Generator

    def batch(self, size: int) -> Tensor:
        """Samples of the prior as the engine draws them, [B, C, CROP_FRAMES]."""
        chosen = self.rng.choice(self.starts, size)
        mean, log_std = (torch.stack([x[:, s : s + CROP_FRAMES] for s in chosen]) for x in (self.mean, self.log_std))
        return mean + DEFAULT_NOISE * torch.randn_like(mean) * log_std.exp()


@torch.no_grad()
def priors_of(work: Path, model: Acoustic, vocabulary: list[str], seed: int) -> Priors:
    """Run the text encoder over all training sentences once, with the recordings' durations."""
    recordings = {r.name: r for r in load(work)}
    ids = {c: i for i, c in enumerate(vocabulary)}
    latents = LatentMap.load(work / "latents.npz")
    labels = [x for x in read_labels(work) if not held_out(x.name)]
    items = [Item.of(x, recordings[x.name], latents, ids) for x in labels]
    batches = Batches(items, latents, seed, crop=10_000, styled=True)
    means, log_stds, starts, offset = [], [], [], 0
    for item in track(items, "priors"):
        batch = batches.collate([item])
        g = model.synthesizer.speaker(torch.zeros(1, dtype=torch.long))
        _, mean, log_std = model.synthesizer.enc_p(model.text(batch), g)
        means.append(mean[0][:, batch.slot[0]])
        log_stds.append(log_std[0][:, batch.slot[0]])
        starts.append(offset + np.arange(max(0, means[-1].shape[1] - CROP_FRAMES)))
        offset += means[-1].shape[1]
    return Priors(torch.cat(means, 1), torch.cat(log_stds, 1), np.concatenate(starts), np.random.default_rng(seed))


def f0_of(z: Tensor, latents: LatentMap) -> Tensor:
    """F0 [B, F] in Hz of z [B, C, F], 0 where unvoiced."""
    return torch.from_numpy(np.stack([latents.f0_of(x) for x in z.numpy()]))


def turns(f0: Tensor) -> Tensor:
    """Cycles of the fundamental at each frame since the first, [B, F]; F0 is held through unvoiced frames."""
    held = f0.clone()
    for frame in range(1, held.shape[1]):
        gone = held[:, frame] <= 0
        held[gone, frame] = held[gone, frame - 1]
    held[held <= 0] = 250.0
    steps = (held[:, 1:] + held[:, :-1]).double() / 2 * HOP / SAMPLE_RATE
    return pad(steps.cumsum(1), (1, 0))


def target(carrier: Tensor, f0: Tensor) -> Tensor:
    """The phase as unit phasors [B, 2, F] for carriers [B, 2, F]; 0 where unvoiced."""
    angle = 2 * math.pi * turns(f0)
    turn = torch.polar(torch.ones_like(angle), angle)
    slow = torch.complex(carrier[:, 0].double(), carrier[:, 1].double()) * turn.conj()
    window = smoothing(torch.arange(-REACH, REACH + 1, dtype=torch.float64))
    slow = torch.complex(
        *(conv1d(x.unsqueeze(1), window[None, None], padding=REACH)[:, 0] for x in (slow.real, slow.imag))
    )
    phasor = slow * turn
    phasor = phasor / phasor.abs().clamp_min(1e-9) * (f0 > 0)
    return torch.stack([phasor.real, phasor.imag], 1).float()


def smoothing(apart: Tensor) -> Tensor:
    """What a frame weighs in the smoothed value of another one, so many frames apart."""
    return torch.exp(-0.5 * (apart / SMOOTH_FRAMES) ** 2) * (apart.abs() <= REACH)


def carriers_for(phase: Tensor, f0: Tensor, generator: torch.Generator) -> Tensor:
    """White carriers [2, F] whose `target` is close to a given phase [2, F] wherever F0 [F] is not 0: random ones, and
    to them the least that turns their smoothed sum."""
    turn = torch.polar(torch.ones_like(f0).double(), 2 * math.pi * turns(f0[None])[0])
    white = torch.view_as_complex(torch.randn(len(f0), 2, dtype=torch.float64, generator=generator))
    slow_white = white * turn.conj()
    voiced = f0 > 0
    place = torch.arange(len(f0), dtype=torch.float64)
    smooth = smoothing(place[voiced, None] - place).to(torch.complex128)
    made = smooth @ slow_white
    wanted = torch.complex(phase[0].double(), phase[1].double())[voiced] * turn.conj()[voiced]
    size = (made.abs() + made.abs().square().mean().sqrt()) / 2
    gram = smooth @ smooth.T
    ridge = 0.02 * float(gram.diagonal().real.mean()) if bool(voiced.any()) else 1.0
    gram = gram + ridge * torch.eye(len(gram), dtype=torch.complex128)
    slow = slow_white + smooth.T @ torch.linalg.solve(gram, size * wanted - made)
    return torch.view_as_real(slow * turn).T.float()


@torch.no_grad()
def flow_phases(flow: Flow, z: Tensor, phase: Tensor, f0: Tensor, g: Tensor, generator: torch.Generator) -> Tensor:
    """The phase [2, F] that the flow makes of carriers whose target is the given one, for latents z [C, F]."""
    mask = torch.ones(1, 1, z.shape[1])
    own = [*PHASE_CHANNELS, *CARRIER_CHANNELS]
    silent = z.clone()
    silent[own] = 0
    prior = flow(silent[None], mask, g)
    prior[0, list(PHASE_CHANNELS)] = 0
    prior[0, list(CARRIER_CHANNELS)] = carriers_for(phase, f0, generator)
    return flow.inverse(prior, mask, g)[0, list(PHASE_CHANNELS)]


def with_carriers(prior: Tensor) -> Tensor:
    """The prior's sample with white carriers and silent phase channels."""
    changed = prior.clone()
    changed[:, list(CARRIER_CHANNELS)] = torch.randn_like(changed[:, list(CARRIER_CHANNELS)])
    changed[:, list(PHASE_CHANNELS)] = 0
    return changed


@torch.no_grad()
def deafen(flow: Flow) -> None:
    """Take the carriers and the phases from what the couplings read: the other channels then do not know of them."""
    channels = flow.flows[0].pre.weight.shape[1] * 2
    for number, coupling in enumerate(list(flow.flows)[::2]):
        flipped = number % 2 == 1  # the order of the channels that this coupling sees, counted from z of sound
        for channel in (*PHASE_CHANNELS, *CARRIER_CHANNELS):
            place = channels - 1 - channel if flipped else channel
            if place < channels // 2:
                coupling.pre.weight[:, place] = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--published", type=Path, required=True, help="the voice's folder to start from")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--halve-every", type=int, default=1000)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    device_of(args.device)
    model, vocabulary = published.acoustic(args.published)
    priors = priors_of(args.work, model, vocabulary, seed=0)
    latents = LatentMap.load(args.work / "latents.npz")
    old, new = model.synthesizer.flow, type(model.synthesizer.flow)(model.synthesizer.config)
    new.load_state_dict(old.state_dict())
    deafen(new)
    optimizer = torch.optim.AdamW(new.parameters(), args.rate, betas=(0.9, 0.98), weight_decay=0.0)
    run = Run(args.work / "carried.pt", args.minutes)
    average = Ema(new, 0.995)
    run.keep(flow=new, optimizer=optimizer, average=average)
    if run.resume():
        torch.manual_seed(run.step)
    g = model.synthesizer.speaker(torch.zeros(args.batch, dtype=torch.long)).detach()
    log = Log(every=25)
    for step in run.steps(args.steps):
        for group in optimizer.param_groups:
            group["lr"] = args.rate * min(1.0, (step + 1) / 50) * 0.5 ** (step / args.halve_every)
        losses = carry_losses(old, new, priors.batch(args.batch), latents, g)
        optimizer.zero_grad()
        (losses[0] + KEEP * losses[1]).backward()
        norm = torch.nn.utils.clip_grad_norm_(new.parameters(), 1.0)
        optimizer.step()
        average.update(new)
        log.add(step + 1, phase=float(losses[0]), kept=float(losses[1]), jump=losses[2], grad=float(norm))


def carry_losses(old: Flow, new: Flow, prior: Tensor, latents: LatentMap, g: Tensor) -> tuple[Tensor, Tensor, float]:
    """(squared error of the phase, of all other channels, mean step of the phase against F0, rad)."""
    mask = torch.ones(len(prior), 1, prior.shape[2])
    changed = with_carriers(prior)
    own = [*PHASE_CHANNELS, *CARRIER_CHANNELS]
    with torch.no_grad():
        deaf = prior.clone()
        deaf[:, own] = 0
        before = old.inverse(deaf, mask, g)
        f0 = f0_of(before, latents)
        wanted = target(changed[:, list(CARRIER_CHANNELS)], f0)
    made = new.inverse(changed, mask, g)
    others = [c for c in range(prior.shape[1]) if c not in own]
    voiced = (f0 > 0).float()
    phase = made[:, list(PHASE_CHANNELS)]
    error = ((phase - wanted).square().sum(1) * (voiced + UNVOICED * (1 - voiced))).sum() / voiced.sum()
    kept = (made[:, others] - before[:, others]).square().mean()
    with torch.no_grad():
        c = torch.complex(phase[:, 0], phase[:, 1])
        step = (turns(f0)[:, 1:] - turns(f0)[:, :-1]).float() * 2 * math.pi
        both = voiced[:, 1:] * voiced[:, :-1]
        jump = (c[:, 1:] * c[:, :-1].conj() * torch.polar(torch.ones_like(step), -step)).angle().abs()
        mean_jump = float((jump * both).sum() / both.sum())
    return error, kept, mean_jump


if __name__ == "__main__":
    main()
