"""The decoder taught the phase of the fundamental (phases.py), from a published voice's decoder on.

Some latents are real speech's with noise, most the acoustic model's, as in tune.py. Beside the spectral loss
there is one on the complex spectrum below 4 kHz (with the phase given, the sound is determined there) and one on the
lines at the frame rate. `--critics` adds discriminators over periods and spectra; their gradient is held to the length
of the others' (`balance.py`). A share of the crops are openings of sentences, with the silence before them.
`python -m sokuon_training.refine WORK_FOLDER --published training/builtin --minutes 60`
"""

from __future__ import annotations

import argparse
import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from sokuon_training import losses, published, together
from sokuon_training.balance import Balance
from sokuon_training.builtin import CONFIG
from sokuon_training.carry import DEFAULT_NOISE, f0_of, flow_phases
from sokuon_training.critic import Critics
from sokuon_training.dataset import Recording, load
from sokuon_training.decoder import Decoder
from sokuon_training.features import HOP
from sokuon_training.flow import Flow
from sokuon_training.latents import LatentMap
from sokuon_training.loop import Ema, Log, Run, device_of, half_convolutions
from sokuon_training.phases import CARRIER_CHANNELS, PHASE_CHANNELS, as_channels, phasors
from sokuon_training.speak import averaged
from sokuon_training.texts import Batches, Item, read_labels
from sokuon_training.together import least
from sokuon_training.tune import latents_of, starts_of
from sokuon_training.vocoder import CROP_FRAMES, QUIET

COHERENT, LINES = 0.5, 0.1
MOST_JITTER = 0.3  # standard deviation on the phasors: the flow's are no better
REAL_PART = 4  # one in this many crops has real latents: the voice speaks with made ones
OPENING_LEAD, OPENING_LOUD = 4, 8  # frames before and from the first loud one that make a sentence's opening
ALONE = 300  # steps that new discriminators learn alone
MOST_NOISE = 0.15  # standard deviation on z


@dataclass
class Pairs:
    """Latents of real speech and as the acoustic model makes them, with the sound, all recordings end to end. Pitch
    is real in both, and the phase is real or a flow's error away from it: the sound must fit."""

    real: Tensor  # [C, frames]
    made: Tensor  # [C, frames]
    samples: Tensor  # [frames * HOP] int16
    starts: np.ndarray  # frames where a crop may start: all that are loud
    openings: np.ndarray  # frames where a crop may start that holds a sentence's opening
    opens: Tensor  # [frames] bool, whether a frame is part of an opening
    empty: Tensor  # the noise channels that still carry noise
    rng: np.random.Generator
    loud: Tensor  # [frames] bool
    lengths: list[int]  # frames of each recording

    def batch(self, size: int, real_part: int, opening_share: float) -> tuple[Tensor, Tensor, Tensor]:
        """(z [B, C, CROP_FRAMES], one part in `real_part` real with noise, sound [B, CROP_FRAMES * HOP], which frames
        open a sentence [B, CROP_FRAMES]); each crop is an opening with a chance of `opening_share`."""
        opening = self.rng.random(size) < opening_share
        chosen = np.where(opening, self.rng.choice(self.openings, size), self.rng.choice(self.starts, size))
        count = size // real_part
        real = torch.stack([self.real[:, s : s + CROP_FRAMES] for s in chosen[:count]])
        made = torch.stack([self.made[:, s : s + CROP_FRAMES] for s in chosen[count:]])
        sound = torch.stack([self.samples[s * HOP : (s + CROP_FRAMES) * HOP] for s in chosen])
        opens = torch.stack([self.opens[s : s + CROP_FRAMES] for s in chosen])
        z = torch.cat([blurred(real, self.empty, MOST_NOISE), with_noise(made, self.empty)])
        return z, sound.float() / 32768, opens


def openings_of(loudness: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(frames where a crop may start that holds an opening whole, bool [frames] what is part of one), from the mean log
    power [frames] of each recording, end to end. `starts_of` gives no crop that begins in the silence before the first
    loud frame: a sentence's first frame is in one of its crops, an inner one in CROP_FRAMES, and a first consonant
    that is not loud in none."""
    starts, opens, offset = [], [], 0
    for loud in loudness:
        part = np.zeros(len(loud), bool)
        heard = np.flatnonzero(loud > QUIET)
        if len(heard):
            first = max(0, int(heard[0]) - OPENING_LEAD)
            part[first : heard[0] + OPENING_LOUD] = True
            latest = min(first, len(loud) - CROP_FRAMES)
            starts.append(offset + np.arange(max(0, latest + 1)))
        opens.append(part)
        offset += len(loud)
    return np.concatenate(starts), np.concatenate(opens)


def phases_of(cache: Path, recordings: dict[str, Recording]) -> dict[str, np.ndarray]:
    """The phasors of every recording, computed once."""
    if not cache.exists():
        found = {n: phasors(r.samples / 32768, r.features.f0) for n, r in track(recordings.items(), "phases")}
        np.savez(cache, **found)
    with np.load(cache) as data:
        return {name: data[name] for name in recordings}


@torch.no_grad()
def pairs_of(work: Path, folder: Path, seed: int, held: bool = False) -> Pairs:
    """Run the published acoustic model over all training sentences (or those held out) once, with the recordings'
    durations. The phase in what it makes is that of carry.py's flow where there is one (its checkpoint, or as
    published), so that the decoder learns to live with its errors."""
    model, vocabulary = published.acoustic(folder)
    latents, ids = LatentMap.load(work / "latents.npz"), {c: i for i, c in enumerate(vocabulary)}
    recordings = {r.name: r for r in load(work, held)}
    phases = phases_of(work / ("phases_held.npz" if held else "phases.npz"), recordings)
    labels = [x for x in read_labels(work) if x.name in recordings]
    items = [Item.of(x, recordings[x.name], latents, ids) for x in labels]
    batches = Batches(items, latents, seed, crop=10_000, styled=False)
    own = torch.tensor([*latents.pitch_channels, *PHASE_CHANNELS])
    flow = carried_flow(work, model.synthesizer.flow)
    if flow is None and knows_phase(published.decoder(folder)):
        flow = model.synthesizer.flow
    speaker = model.synthesizer.speaker(torch.zeros(1, dtype=torch.long))
    generator = torch.Generator().manual_seed(seed)
    made, real, samples, loudness = [], [], [], []
    for item in track(items, "latents from text"):
        part = slice(item.label.first, item.label.first + item.z.shape[1])
        recording = recordings[item.label.name]
        z = torch.from_numpy(item.z)
        z[list(PHASE_CHANNELS)] = torch.from_numpy(as_channels(phases[item.label.name][part]))
        z_made = latents_of(model, batches.collate([item]), DEFAULT_NOISE)[0]
        z_made[own] = z[own]
        if flow is not None:
            f0 = f0_of(z[None], latents)[0]
            phase = flow_phases(flow, z_made, z[list(PHASE_CHANNELS)], f0, speaker, generator)
            z_made[list(PHASE_CHANNELS)] = phase
        real.append(z)
        made.append(z_made)
        samples.append(torch.from_numpy(recording.samples[part.start * HOP : part.stop * HOP]))
        loudness.append(recording.features.envelope.mean(1))
    lengths = [z.shape[1] for z in real]
    starts = starts_of(items, np.array(lengths), loudness)
    inside = [x[i.label.first :][: z.shape[1]] for i, x, z in zip(items, loudness, real, strict=True)]
    openings, opens = openings_of(inside)
    empty = torch.tensor([c for c in latents.empty_channels if c not in {*PHASE_CHANNELS, *CARRIER_CHANNELS}])
    rng = np.random.default_rng(seed)
    sound, opening, loud = torch.cat(samples), torch.from_numpy(opens), torch.from_numpy(np.concatenate(inside) > QUIET)
    both = torch.cat(real, 1), torch.cat(made, 1)
    return Pairs(*both, sound, starts, openings, opening, empty, rng, loud, lengths)


def carried_flow(work: Path, flow: Flow) -> Flow | None:
    """The flow of carry.py's checkpoint, if there is one; `flow` gives the sizes."""
    if not (work / "carried.pt").exists():
        return None
    carried = copy.deepcopy(flow)
    carried.load_state_dict(averaged(work / "carried.pt"))
    return carried


def with_noise(z: Tensor, empty: Tensor) -> Tensor:
    """z with fresh noise in its noise channels, carriers silent."""
    noisy = z.clone()
    noisy[:, empty] = torch.randn(len(z), len(empty), z.shape[2])
    noisy[:, list(CARRIER_CHANNELS)] = 0
    return noisy


def blurred(z: Tensor, empty: Tensor, most: float) -> Tensor:
    """z with noise of a random strength up to `most`, phases smaller and with a random jitter, carriers silent."""
    strength = most * torch.rand(len(z), 1, 1)
    noisy = z + strength * torch.randn_like(z)
    phase = z[:, list(PHASE_CHANNELS)]
    size, jitter = 1 - 0.3 * torch.rand(len(z), 1, 1), MOST_JITTER * torch.rand(len(z), 1, 1)
    noisy[:, list(PHASE_CHANNELS)] = size * phase + jitter * torch.randn_like(phase)
    return with_noise(noisy, empty)


def knows_phase(decoder: Decoder) -> bool:
    """Whether a published decoder was refined before: then it is deaf to the carriers."""
    return not bool(decoder.conv_pre.weight[:, list(CARRIER_CHANNELS)].any())


def prepared(folder: Path) -> Decoder:
    """The published decoder; one that knows no phase made deaf to the carriers, and to what it made of their noise."""
    decoder = published.decoder(folder)
    if knows_phase(decoder):
        return decoder
    with torch.no_grad():
        decoder.conv_pre.weight[:, list(CARRIER_CHANNELS)] = 0
        scale = float(decoder.conv_pre.weight.std())
        decoder.conv_pre.weight[:, list(PHASE_CHANNELS)] = scale * torch.randn(len(decoder.conv_pre.weight), 2, 7)
    return decoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--published", type=Path, required=True, help="the voice's folder to start from")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=8e-4)
    parser.add_argument("--halve-every", type=int, default=3000)
    parser.add_argument("--average", type=float, default=0.998, help="decay of the running average of the weights")
    parser.add_argument("--critics", action="store_true")
    parser.add_argument("--critics-rate", type=float, default=2e-3)
    parser.add_argument("--spectral", type=float, default=3.0, help="weight of the other losses beside the critics'")
    parser.add_argument("--matching", type=float, default=2.0, help="weight of the critics' inner activations")
    parser.add_argument("--share", type=float, default=1.0, help="most length of the critics' gradient in the others'")
    parser.add_argument("--real", type=int, default=REAL_PART, help="one in this many crops has real latents")
    parser.add_argument("--openings", type=float, default=0.2, help="share of crops that open a sentence")
    parser.add_argument("--opening", type=float, default=2.0, help="weight of an opening's frames in mel bands")
    parser.add_argument("--bands", action="store_true", help="spectral loss in mel bands without critics, too")
    parser.add_argument("--settle", type=float, default=0, help="minutes at the end in which the rates fall to 0")
    parser.add_argument("--bf16", action="store_true", help="convolutions in bf16: for processors with AMX")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    device, rank = device_of(args.device), together.join()
    torch.manual_seed(0)
    pairs = pairs_of(args.work, args.published, seed=0)
    decoder = prepared(args.published).to(device)
    optimizer = torch.optim.AdamW(decoder.parameters(), args.rate, betas=(0.8, 0.99), weight_decay=0.0, fused=True)
    run = Run(args.work / "refined.pt", args.minutes)
    average = Ema(decoder, args.average)
    run.keep(decoder=decoder, optimizer=optimizer, average=average)
    together.share(optimizer)
    critics = Critics().to(device) if args.critics else None
    if critics is not None:
        critic_optimizer = torch.optim.AdamW(critics.parameters(), args.critics_rate, betas=(0.8, 0.99), fused=True)
        run.keep(critics=critics, critic_optimizer=critic_optimizer)
        together.share(critic_optimizer)
    run.resume()
    torch.manual_seed(run.step + rank)
    pairs.rng = np.random.default_rng((run.step, rank))
    alone_until = 0 if "critics" in run.found else run.step + ALONE
    speaker = torch.zeros(args.batch, CONFIG.gin_channels, 1, device=device)
    half = half_convolutions(device, args.bf16)
    log, balance = Log(every=25), Balance(args.share)
    genuine = args.batch // args.real  # only these have a phase that the sound has to follow exactly
    for step in run.steps(args.steps):
        settling = min(1.0, least(run.minutes_left) / args.settle) if args.settle else 1.0
        falling = min(1.0, (step + 1) / 50) * 0.5 ** (step / args.halve_every)
        set_rate(optimizer, args.rate * settling * falling)
        z, sound, opens = (x.to(device) for x in pairs.batch(args.batch, args.real, args.openings))
        weights = torch.where(opens, args.opening, 1.0)
        judged = 0.0
        if critics is not None:
            set_rate(critic_optimizer, args.critics_rate * settling)
            heard = sound[genuine:]  # the discriminators compare what the acoustic model's latents give
            if step < alone_until:
                with torch.no_grad(), half:
                    made = decoder(z[genuine:], speaker[genuine:])[:, 0]
                with half:
                    judged, _ = train_critics(critics, critic_optimizer, heard, made, step, args.matching)
                log.add(step + 1, critic=judged)
                continue
        with half:
            fake = decoder(z, speaker)[:, 0]
        coherent = losses.coherent(fake[:genuine], sound[:genuine])
        lines = losses.lines(fake, sound, HOP)
        if critics is None:
            spectral = losses.mel(fake, sound, weights) if args.bands else losses.spectral(fake, sound)
            total = spectral + COHERENT * coherent + LINES * lines
            optimizer.zero_grad()
            total.backward()
        else:
            made, spectral = fake[genuine:], losses.mel(fake, sound, weights)
            with half:
                judged, asked = train_critics(critics, critic_optimizer, heard, made, step, args.matching)
            total = args.spectral * (spectral + COHERENT * coherent + LINES * lines)
            optimizer.zero_grad()
            balance.backward(total, made, asked, list(decoder.parameters()))
        norm = torch.nn.utils.clip_grad_norm_(decoder.parameters(), 5.0 if critics is None else 100.0)
        optimizer.step()
        average.update(decoder)
        log.add(
            step + 1,
            spectral=float(spectral),
            coherent=float(coherent),
            lines=float(lines),
            critic=judged,
            grad=float(norm),
            scale=balance.scale,
        )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """A checkpoint brings its own."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def train_critics(
    critics: Critics, optimizer: torch.optim.Optimizer, heard: Tensor, made: Tensor, turn: int, matching: float
) -> tuple[float, Tensor]:
    """One step of the discriminators: their loss, and the gradient at `made` of what fooling them and matching their
    inner activations costs, both as they were before the step: one pass over each sound serves all three."""
    made = made.detach().requires_grad_()
    real_scores, real_inner = critics(heard, turn)
    scores, inner = critics(made, turn)
    fooling = losses.fooling_loss(scores) + matching * losses.matching_loss(real_inner, inner)
    (asked,) = torch.autograd.grad(fooling, made, retain_graph=True)
    judgement = losses.critic_loss(real_scores, scores)
    optimizer.zero_grad()
    judgement.backward(inputs=list(critics.parameters()))
    optimizer.step()
    return float(judgement.detach()), asked


if __name__ == "__main__":
    main()
