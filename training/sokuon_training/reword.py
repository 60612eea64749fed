"""The text encoder, its BERT and the durations of a published voice trained further; its flow and decoder are held.

What the flow makes of real latents is the goal of the prior, by maximum likelihood as in acoustic.py. Since the flow
is held (and with it the phase that carry.py taught it), that goal is computed once for each recording and style: a
step costs the text encoder alone. Noise channels, carriers and phases are no part of it: republish.py sets them.
`python -m sokuon_training.reword WORK_FOLDER --published training/builtin --minutes 60`
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sokuon_training import published
from sokuon_training.acoustic import FASTER, NOISE, Acoustic, duration_losses, items_of, prior_loss
from sokuon_training.flow import Flow
from sokuon_training.loop import Ema, Log, Run, device_of
from sokuon_training.texts import STYLES, Batch, Batches, Item, Style, random_style, style_vectors

CHECKPOINT = "reworded.pt"
TEMPER = 0.6  # what the prior's spread was multiplied with when training/builtin was published
VARIANTS = 4  # styles of each recording, one in two Neutral
OPENING_SLOTS = 9  # both silences and the first three phones, with the blanks before them
HELD = ("synthesizer.flow.", "synthesizer.dec.", "synthesizer.emb_g.")
POSTERIOR = "synthesizer.sdp.post_"  # of the stochastic durations: a published voice has lost it
ALONE = 300  # steps that a new one learns alone
SDP_EVERY = 4
DURATION_DROP = 0.2
WHOLE = 10_000  # frames: no recording is cut

Drawn = tuple[npt.NDArray[np.float32], Style]


class Goals:
    """What a held flow makes of recordings' latents, computed when first asked for: [C, F] in half precision."""

    def __init__(self, batches: Batches, flow: Flow, speaker: Tensor, seed: int) -> None:
        self.batches, self.flow, self.speaker, self.seed = batches, flow, speaker, seed
        self.empty = torch.from_numpy(batches.latents.empty_channels)
        self.rows = {item.label.name: row for row, item in enumerate(batches.items)}
        self.known: dict[tuple[str, int], Tensor] = {}

    def draw(self, size: int) -> tuple[Batch, Tensor]:
        """(a random batch, its goals [B, C, F])"""
        items = self.batches.some(size)
        return self.of(items, self.batches.rng.integers(0, VARIANTS, size).tolist())

    @torch.no_grad()
    def of(self, items: Sequence[Item], variants: Sequence[int]) -> tuple[Batch, Tensor]:
        """(the batch of these items in these variants' styles, its goals [B, C, F])"""
        batch = self.batches.collate(list(items), [self.style(i, v) for i, v in zip(items, variants, strict=True)])
        keys = [(item.label.name, variant) for item, variant in zip(items, variants, strict=True)]
        if any(key not in self.known for key in keys):
            z = batch.z.clone()
            z[:, self.empty] = 0
            made = self.flow(z * batch.z_mask, batch.z_mask, self.speaker.expand(len(z), -1, -1))
            for key, item, goal in zip(keys, items, made, strict=True):
                self.known[key] = goal[:, : item.z.shape[1]].half()
        goals = torch.zeros_like(batch.z)
        for row, key in enumerate(keys):
            goals[row, :, : self.known[key].shape[1]] = self.known[key].float()
        return batch, goals

    def style(self, item: Item, variant: int) -> Drawn:
        """(style vector, style) of a recording's variant, the same at every call."""
        if variant < VARIANTS // 2:
            return style_vectors()[0], STYLES["Neutral"]
        return random_style(np.random.default_rng((self.seed, self.rows[item.label.name], variant)))


def spread_by(model: Acoustic, factor: float) -> None:
    """Multiply the standard deviation of the prior with `factor`."""
    bias = model.synthesizer.enc_p.proj.bias
    assert bias is not None
    with torch.no_grad():
        bias[len(bias) // 2 :] += math.log(factor)


def voice_tensors(averages: dict[str, Tensor]) -> dict[str, Tensor]:
    """Text encoder and durations as a voice folder names them, the prior's spread tempered, from a checkpoint's
    averages."""
    parts = tuple(f"synthesizer.{part}." for part in ("enc_p", "dp", "sdp"))
    chosen = {k: v for k, v in averages.items() if k.startswith(parts) and not k.startswith(POSTERIOR)}
    weights = {k.removeprefix("synthesizer."): v for k, v in chosen.items()}
    bias = weights["enc_p.proj.bias"].clone()
    bias[len(bias) // 2 :] += math.log(TEMPER)
    return weights | {"enc_p.proj.bias": bias}


def bert_tensors(averages: dict[str, Tensor]) -> dict[str, Tensor]:
    """The BERT's weights of a checkpoint's averages."""
    return {k.removeprefix("bert."): v for k, v in averages.items() if k.startswith("bert.")}


def set_dropout(model: Acoustic, share: float) -> None:
    """Dropout of text encoder and BERT, which fit held-out recordings as well as those they learnt from, and of the
    durations, which do not."""
    for part in model.modules():
        if isinstance(getattr(part, "drop", None), float):
            setattr(part, "drop", share)  # noqa: B010 - a module's attributes are tensors to mypy
    model.synthesizer.dp.drop = DURATION_DROP


def weights_of(batch: Batch, opening: float) -> Tensor:
    """What each frame weighs in the likelihood, [B, 1, F]: those of a sentence's opening `opening`, others 1."""
    first = (batch.slot < OPENING_SLOTS).unsqueeze(1)
    return batch.z_mask * torch.where(first, opening, 1.0)


def losses_of(
    model: Acoustic, batch: Batch, goal: Tensor, heard: Tensor, opening: float, with_sdp: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """(likelihood of the channels `heard`, squared error of the durations, bound of the stochastic ones or 0)."""
    net = model.synthesizer
    text = model.text(batch)
    g = net.speaker(torch.zeros(len(goal), dtype=torch.long, device=goal.device))
    h, mean, log_std = net.enc_p(text, g)
    index = batch.slot.unsqueeze(1).expand(-1, len(heard), -1)
    mean, log_std = mean[:, heard].gather(2, index), log_std[:, heard].gather(2, index)
    noisy = goal[:, heard] + NOISE * torch.randn_like(mean)
    prior = prior_loss(noisy, mean, log_std, weights_of(batch, opening))
    return prior, *duration_losses(net, h, text.mask, g, batch.frames, with_sdp)


def groups_of(model: Acoustic) -> list[dict[str, object]]:
    """Parameter groups of the optimizer: tables learn three times as fast; flow, decoder and speaker are left out."""
    trained = [(n, p) for n, p in model.named_parameters() if not n.startswith(HELD)]
    tables = [p for n, p in trained if any(part in n for part in FASTER)]
    rest = [p for n, p in trained if not any(part in n for part in FASTER)]
    return [{"params": rest, "gain": 1.0}, {"params": tables, "gain": 3.0}]


def hold_stochastic(model: Acoustic, held: bool) -> None:
    """Whether the stochastic durations stay as they are while their new posterior learns."""
    for name, parameter in model.named_parameters():
        if name.startswith("synthesizer.sdp.") and not name.startswith(POSTERIOR):
            parameter.requires_grad_(not held)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--published", type=Path, required=True, help="the voice's folder to start from")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--settle", type=float, default=0, help="minutes at the end in which the rate falls to 0")
    parser.add_argument("--average", type=float, default=0.998, help="decay of the running average of the weights")
    parser.add_argument("--opening", type=float, default=2.0, help="weight of the frames that open a sentence")
    parser.add_argument("--drop", type=float, default=0.0, help="dropout of text encoder and BERT")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    device_of(args.device)
    torch.manual_seed(0)
    model, vocabulary = published.acoustic(args.published)
    spread_by(model, 1 / TEMPER)
    set_dropout(model, args.drop)
    model.train()
    items, latents, _ = items_of(args.work, held=False, vocabulary=vocabulary)
    batches = Batches(items, latents, seed=0, crop=WHOLE)
    speaker = model.synthesizer.speaker(torch.zeros(1, dtype=torch.long)).detach()
    goals = Goals(batches, model.synthesizer.flow, speaker, seed=0)
    heard = torch.from_numpy(np.setdiff1d(np.arange(latents.channels), latents.empty_channels))
    groups = groups_of(model)
    optimizer = torch.optim.AdamW(groups, args.rate, betas=(0.9, 0.98), weight_decay=0.01)
    run = Run(args.work / CHECKPOINT, args.minutes)
    average = Ema(model, args.average)
    run.keep(model=model, optimizer=optimizer, average=average)
    if run.resume():
        torch.manual_seed(run.step)
        batches.rng = np.random.default_rng(run.step)
    log = Log(every=25)
    for step in run.steps(args.steps):
        settling = min(1.0, run.minutes_left / args.settle) if args.settle else 1.0
        for group in optimizer.param_groups:
            group["lr"] = args.rate * group["gain"] * settling * min(1.0, (step + 1) / 100)
        hold_stochastic(model, step < ALONE)
        with_sdp = step % SDP_EVERY == 0
        batch, goal = goals.draw(args.batch)
        prior, duration, stochastic = losses_of(model, batch, goal, heard, args.opening, with_sdp)
        optimizer.zero_grad()
        torch.autograd.backward(prior + duration + 0.3 * stochastic)
        norm = nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 3.0)
        optimizer.step()
        average.update(model)
        sdp = float(stochastic.detach()) * (SDP_EVERY if with_sdp else 0)
        log.add(step + 1, prior=float(prior.detach()), dp=float(duration.detach()), sdp=sdp, grad=float(norm))


if __name__ == "__main__":
    main()
