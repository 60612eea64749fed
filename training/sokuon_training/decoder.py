"""HiFi-GAN generator (Kong et al. 2020) in the JP-Extra variant: spec "model-synthesizer" section 8."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu
from torch.nn.utils import weight_norm  # the old form: its keys (weight_g, weight_v) are the voice format's

from sokuon_training.config import ModelConfig

SLOPE = 0.1
LAST_SLOPE = 0.01


def same_conv(channels: int, kernel: int, dilation: int) -> nn.Module:
    """Weight-normed convolution that keeps length and width."""
    padding = (kernel - 1) * dilation // 2
    return weight_norm(nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=padding))


class ResBlock1(nn.Module):
    """Pairs of convolutions, the second undilated, each pair with a residual."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(same_conv(channels, kernel, d) for d in dilations)
        self.convs2 = nn.ModuleList(same_conv(channels, kernel, 1) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for first, second in zip(self.convs1, self.convs2, strict=True):
            x = x + second(leaky_relu(first(leaky_relu(x, SLOPE)), SLOPE))
        return x


class ResBlock2(nn.Module):
    """Single convolutions, each with a residual."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(same_conv(channels, kernel, d) for d in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = x + conv(leaky_relu(x, SLOPE))
        return x


class Decoder(nn.Module):
    """Latent z [B, C, F] and speaker g [B, G, 1] to sound [B, 1, hop * F] in [-1, 1]."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        block = ResBlock1 if config.resblock == "1" else ResBlock2
        width = config.upsample_initial_channel
        self.branches = len(config.resblock_kernel_sizes)
        self.conv_pre = nn.Conv1d(config.channels, width, 7, padding=3)
        self.cond = nn.Conv1d(config.gin_channels, width, 1)
        self.ups, self.resblocks = nn.ModuleList(), nn.ModuleList()
        for rate, kernel in zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True):
            up = nn.ConvTranspose1d(width, width // 2, kernel, rate, padding=(kernel - rate) // 2)
            self.ups.append(weight_norm(up))
            width //= 2
            for k, d in zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True):
                self.resblocks.append(block(width, k, d))
        self.conv_post = nn.Conv1d(width, 1, 7, padding=3, bias=False)

    def forward(self, z: Tensor, g: Tensor) -> Tensor:
        x = self.conv_pre(z) + self.cond(g)  # [B, width, F]
        for i, up in enumerate(self.ups):
            x = up(leaky_relu(x, SLOPE))  # [B, width / 2, F * rate]
            blocks = list(self.resblocks)[i * self.branches : (i + 1) * self.branches]
            x = sum((block(x) for block in blocks[1:]), blocks[0](x)) / self.branches
        with torch.autocast(x.device.type, enabled=False):  # 8 bits of sound would be heard
            out: Tensor = self.conv_post(leaky_relu(x, LAST_SLOPE).float()).tanh()
        return out
