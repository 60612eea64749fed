"""Step 2b: text encoder, small BERT, duration predictors and flow, by maximum likelihood of real latents with known
durations (as Glow-TTS, Kim et al. 2020, without its search). Needs no decoder, so it runs beside step 2a.

`python -m sokuon_training.acoustic WORK_FOLDER --stage text --minutes 30`, then `--stage flow --minutes 60`
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from sokuon_training.builtin import CONFIG
from sokuon_training.dataset import held_out, load
from sokuon_training.deberta import BertConfig, Deberta
from sokuon_training.encoder import TextInput
from sokuon_training.latents import LatentMap
from sokuon_training.loop import Ema, Log, Run, device_of
from sokuon_training.synthesizer import Synthesizer
from sokuon_training.texts import Batch, Batches, Item, read_labels, vocabulary_of

NOISE = 0.12  # posterior noise on z: without it likelihood grows without bound
EMPTY_NOISE = 0.7
DROP = 0.05


@torch.no_grad()
def quiet_start(net: Synthesizer) -> None:
    """Begin as nearly a table from phone to z: attention, feed-forward and BERT whisper, phones are loud. With the
    usual start the text encoder is slower than a plain table of phone means for hundreds of steps."""
    net.enc_p.bert_proj.weight *= 0.05
    net.enc_p.emb.weight *= 2.0
    for attention, feed_forward in zip(net.enc_p.encoder.attn_layers, net.enc_p.encoder.ffn_layers, strict=True):
        attention.conv_o.weight *= 0.1
        feed_forward.conv_2.weight *= 0.2


FASTER = ("enc_p.emb.", "enc_p.tone_emb.", "enc_p.proj.")  # tables: three times the learning rate


STAGES = "text: flow left out; flow: everything; prior: everything but the flow, which stays as it is"


class Acoustic(nn.Module):
    """The synthesizer and its BERT; the decoder is along for the export but not used here."""

    def __init__(self, bert: BertConfig) -> None:
        super().__init__()
        self.bert = Deberta(bert, DROP)
        self.synthesizer = Synthesizer(CONFIG, DROP)
        quiet_start(self.synthesizer)

    def text(self, batch: Batch) -> TextInput:
        """The batch's text with BERT features spread over the slots."""
        features = self.bert(batch.ids, batch.id_mask)  # [B, S, W]
        index = batch.spread.unsqueeze(2).expand(-1, -1, features.shape[2])
        spread = features.gather(1, index).transpose(1, 2) * batch.text.mask  # [B, W, T]
        return TextInput(**{**batch.text.__dict__, "bert": spread})


@dataclass(frozen=True)
class Losses:
    """Per channel and frame (prior, direct) and per slot (durations)."""

    prior: Tensor
    direct: Tensor  # L1 of what the flow makes of the prior's mean
    duration: Tensor
    stochastic: Tensor

    @property
    def total(self) -> Tensor:
        return self.prior + 3.0 * self.direct + self.duration + 0.3 * self.stochastic


@dataclass(frozen=True)
class Stage:
    """What a step trains. Without the flow (which starts as the identity) the text encoder learns to predict z
    itself, cheaply; a flow trained from the start would explain one half of z by the other and leave the text out
    (measured: after 450 steps its samples were further from the truth than the mean of all frames)."""

    flow: bool
    frozen: bool  # the flow is used but not trained, and without the direct term: cheap
    sdp: bool
    empty: Tensor  # indices of the noise channels


def prior_loss(z: Tensor, mean: Tensor, log_std: Tensor, mask: Tensor) -> Tensor:
    """Negative log-likelihood per channel and frame; [B, C, F], mask (or weights of the frames) [B, 1, F]."""
    nll = log_std + 0.5 * (z - mean) ** 2 * (-2 * log_std).exp() + 0.5 * math.log(2 * math.pi)
    return (nll * mask).sum() / (mask.sum() * z.shape[1])


def losses_of(model: Acoustic, batch: Batch, stage: Stage) -> Losses:
    """All losses of one batch."""
    empty, with_sdp = stage.empty, stage.sdp
    net = model.synthesizer
    text = model.text(batch)
    g = net.speaker(torch.zeros(len(batch.z), dtype=torch.long, device=batch.z.device))
    h, mean, log_std = net.enc_p(text, g)
    z = batch.z + NOISE * torch.randn_like(batch.z)
    z[:, empty] = EMPTY_NOISE * torch.randn_like(z[:, empty])
    index = batch.slot.unsqueeze(1).expand(-1, z.shape[1], -1)
    mean, log_std = mean.gather(2, index), log_std.gather(2, index)  # [B, C, frames]
    direct = z.new_zeros(())
    if stage.frozen:
        with torch.no_grad():
            z = net.flow(z * batch.z_mask, batch.z_mask, g)
    elif stage.flow:
        made = net.flow.inverse(mean * batch.z_mask, batch.z_mask, g)
        wanted = batch.z.clone()
        wanted[:, empty] = made[:, empty].detach()
        direct = ((made - wanted).abs() * batch.z_mask).sum() / (batch.z_mask.sum() * z.shape[1])
        z = net.flow(z * batch.z_mask, batch.z_mask, g)
    prior = prior_loss(z, mean, log_std, batch.z_mask)
    return Losses(prior, direct, *duration_losses(net, h, text.mask, g, batch.frames, with_sdp))


def duration_losses(
    net: Synthesizer, h: Tensor, mask: Tensor, g: Tensor, frames: Tensor, with_sdp: bool
) -> tuple[Tensor, Tensor]:
    """(squared error of the durations' logarithm, bound of the stochastic ones or 0); `frames` [B, N] of each slot."""
    slots = mask.sum()
    target = (frames - 0.5).clamp_min(0.5).log()  # -0.5: the voice rounds up
    error = ((net.dp(h, mask, g) - target) ** 2 * mask[:, 0]).sum() / slots
    if not with_sdp:
        return error, error.new_zeros(())
    whole = (frames + torch.rand_like(frames)).floor().clamp_min(1)
    return error, net.sdp.loss(h.detach(), mask, g, whole).sum() / slots


def items_of(work: Path, held: bool, vocabulary: list[str] | None = None) -> tuple[list[Item], LatentMap, list[str]]:
    """Labelled recordings (training or held out), the latent map and the BERT's vocabulary: the labels' by default."""
    labels = read_labels(work)
    vocabulary = vocabulary or vocabulary_of([x for x in labels if not held_out(x.name)])
    ids = {c: i for i, c in enumerate(vocabulary)}
    recordings = {r.name: r for r in load(work, held)}
    latents = LatentMap.load(work / "latents.npz")
    chosen = [x for x in labels if x.name in recordings]
    return [Item.of(x, recordings[x.name], latents, ids) for x in chosen], latents, vocabulary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--stage", choices=("text", "prior", "flow"), default="text", help=STAGES)
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--halve-every", type=int, default=2500, help="steps until the learning rate is halved")
    parser.add_argument("--sdp-every", type=int, default=4, help="steps between updates of the stochastic durations")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    device = device_of(args.device)
    items, latents, vocabulary = items_of(args.work, held=False)
    batches = Batches(items, latents, seed=0, crop=480 if args.stage == "text" else 128)
    torch.manual_seed(0)
    model = Acoustic(BertConfig(len(vocabulary))).to(device)
    trained = [p for n, p in model.named_parameters() if not n.startswith("synthesizer.dec.")]
    tables = [p for n, p in model.named_parameters() if any(part in n for part in FASTER)]
    rest = [p for p in trained if not any(p is t for t in tables)]
    groups = [{"params": rest, "gain": 1.0}, {"params": tables, "gain": 3.0}]
    optimizer = torch.optim.AdamW(groups, args.rate, betas=(0.9, 0.98), weight_decay=0.01)
    run = Run(args.work / "acoustic.pt", args.minutes)
    average = Ema(model, 0.998)
    run.keep(model=model, optimizer=optimizer, average=average)
    if run.resume():
        batches.rng = type(batches.rng)(type(batches.rng.bit_generator)(run.step))
    empty = torch.from_numpy(latents.empty_channels).to(device)
    log = Log(every=25)
    for step in run.steps(args.steps):
        rate = args.rate * min(1.0, (step + 1) / 100) * 0.5 ** (step / args.halve_every)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["gain"]
        stage = Stage(args.stage == "flow", args.stage == "prior", step % args.sdp_every == 0, empty)
        loss = losses_of(model, batches.draw(args.batch).to(device), stage)
        optimizer.zero_grad()
        loss.total.backward()
        norm = torch.nn.utils.clip_grad_norm_(trained, 3.0)
        optimizer.step()
        average.update(model)
        sdp = float(loss.stochastic) * (args.sdp_every if stage.sdp else 0)
        numbers = {"prior": loss.prior, "direct": loss.direct, "dp": loss.duration}
        log.add(step + 1, **{k: float(v) for k, v in numbers.items()}, sdp=sdp, grad=float(norm))


if __name__ == "__main__":
    main()
