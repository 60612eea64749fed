"""The whole JP-Extra synthesizer in torch, by the spec "model-synthesizer": reference for tests, and what is trained.

`Synthesizer.infer` is section 9 with the noise given, so that another implementation can be compared number by number.
Tensor names equal those of the voice format (section 10).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sokuon_training.config import ModelConfig
from sokuon_training.decoder import Decoder
from sokuon_training.duration import DurationPredictor, StochasticPredictor
from sokuon_training.encoder import TextEncoder, TextInput
from sokuon_training.flow import Flow


@dataclass(frozen=True)
class Scales:
    """The four user scalars of section 9."""

    noise: float = 0.6
    noise_w: float = 0.8
    length: float = 1.0
    sdp_ratio: float = 0.2


@dataclass(frozen=True)
class Output:
    """One utterance: T slots, F frames."""

    audio: Tensor  # [hop * F]
    frames: Tensor  # [T] int64
    log_frames: Tensor  # [T] mixed log durations, before length and ceil
    z: Tensor  # [C, F] what the decoder read
    prior: Tensor  # [C, F] what the flow read


class Synthesizer(nn.Module):
    """Text encoder, duration predictors, flow, decoder, speaker table."""

    def __init__(self, config: ModelConfig, drop: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.enc_p = TextEncoder(config, drop)
        self.dp = DurationPredictor(config, drop)
        self.sdp = StochasticPredictor(config)
        self.flow = Flow(config)
        self.dec = Decoder(config)
        self.emb_g = nn.Embedding(config.n_speakers, config.gin_channels)

    def speaker(self, sid: Tensor) -> Tensor:
        """[B] -> [B, G, 1]"""
        return torch.as_tensor(self.emb_g(sid)).unsqueeze(2)

    @torch.no_grad()
    def infer(self, text: TextInput, sid: int, scales: Scales, noise: tuple[Tensor, Tensor]) -> Output:
        """One utterance (batch of 1). `noise` is (e1 [2, T], e2 [C, at least F]), standard normal, unscaled."""
        g = self.speaker(torch.tensor([sid], device=text.symbols.device))
        h, mean, log_std = self.enc_p(text, g)
        log_sdp = self.sdp.sample(h, text.mask, g, noise[0][None] * scales.noise_w)
        log_dp = self.dp(h, text.mask, g)
        log_frames = (scales.sdp_ratio * log_sdp + (1 - scales.sdp_ratio) * log_dp)[0]
        frames = torch.ceil(log_frames.exp() * scales.length).long()  # [T]
        mean, log_std = (expand(x[0], frames) for x in (mean, log_std))  # [C, F]
        count = mean.shape[1]
        if noise[1].shape[1] < count:
            raise ValueError(f"e2 holds {noise[1].shape[1]} frames, {count} are needed")
        prior = mean + scales.noise * noise[1][:, :count] * log_std.exp()
        z = self.flow.inverse(prior[None], prior.new_ones(1, 1, count), g)
        return Output(self.dec(z, g)[0, 0], frames, log_frames, z[0], prior)


def expand(x: Tensor, frames: Tensor) -> Tensor:
    """[C, T] with T frame counts -> [C, F]; a single zero frame if nothing is left."""
    if int(frames.sum()) == 0:
        return x.new_zeros(x.shape[0], 1)
    return x.repeat_interleave(frames, 1)
