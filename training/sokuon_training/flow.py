"""Flow between the latent z and the text's prior: spec "model-synthesizer" section 7. Mean-only couplings."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import weight_norm

from sokuon_training.config import COUPLINGS, FLOW_KERNEL, WAVENET_LAYERS, ModelConfig
from sokuon_training.encoder import EncoderStack, StackSize


class WaveNet(nn.Module):
    """Gated residual convolutions with skips (van den Oord et al. 2016), dilation 1."""

    def __init__(self, channels: int, speaker_channels: int) -> None:
        super().__init__()
        c, layers = channels, WAVENET_LAYERS
        self.channels = c
        self.cond_layer = weight_norm(nn.Conv1d(speaker_channels, 2 * c * layers, 1))
        padding = FLOW_KERNEL // 2
        self.in_layers = nn.ModuleList(
            weight_norm(nn.Conv1d(c, 2 * c, FLOW_KERNEL, padding=padding)) for _ in range(layers)
        )
        widths = [2 * c] * (layers - 1) + [c]
        self.res_skip_layers = nn.ModuleList(weight_norm(nn.Conv1d(c, w, 1)) for w in widths)

    def forward(self, x: Tensor, mask: Tensor, g: Tensor) -> Tensor:
        c = self.channels
        conditions = self.cond_layer(g).split(2 * c, 1)
        out = torch.zeros_like(x)
        for i, (inner, skip, condition) in enumerate(
            zip(self.in_layers, self.res_skip_layers, conditions, strict=True)
        ):
            a = inner(x) + condition  # [B, 2C, F]
            r = skip(a[:, :c].tanh() * a[:, c:].sigmoid())
            if i == WAVENET_LAYERS - 1:
                return (out + r) * mask
            x = (x + r[:, :c]) * mask
            out = out + r[:, c:]
        raise AssertionError("unreachable")


class Coupling(nn.Module):
    """Shifts the second half of the channels by a function of the first: volume preserving."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c, half = config.channels, config.channels // 2
        self.pre = nn.Conv1d(half, c, 1)
        self.enc = _transformer(config) if config.transformer_flow else WaveNet(c, config.gin_channels)
        self.post = nn.Conv1d(c, half, 1)
        nn.init.zeros_(self.post.weight)  # the flow starts as the identity
        nn.init.zeros_(self.post.bias)

    def shift(self, first: Tensor, mask: Tensor, g: Tensor) -> Tensor:
        out: Tensor = self.post(self.enc(self.pre(first) * mask, mask, g)) * mask
        return out

    def forward(self, x: Tensor, mask: Tensor, g: Tensor) -> Tensor:
        first, second = x.chunk(2, 1)
        return torch.cat([first, second + self.shift(first, mask, g)], 1)

    def inverse(self, x: Tensor, mask: Tensor, g: Tensor) -> Tensor:
        first, second = x.chunk(2, 1)
        return torch.cat([first, second - self.shift(first, mask, g)], 1)


def _transformer(config: ModelConfig) -> EncoderStack:
    c = config.channels
    size = StackSize(c, config.filter_channels, config.n_heads, config.flow_layers, FLOW_KERNEL, config.gin_channels)
    return EncoderStack(size)


class Flow(nn.Module):
    """Couplings 0, 2, 4, 6 with a reversal of the channels after each; log-determinant 0."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        modules: list[nn.Module] = []
        for _ in range(COUPLINGS):
            modules += [Coupling(config), nn.Identity()]  # the reversal has no weights but takes an index
        self.flows = nn.ModuleList(modules)

    def forward(self, z: Tensor, mask: Tensor, g: Tensor) -> Tensor:
        """z of sound -> z of the prior, [B, C, F]."""
        for coupling in list(self.flows)[::2]:
            z = coupling(z, mask, g).flip(1)
        return z

    def inverse(self, z: Tensor, mask: Tensor, g: Tensor) -> Tensor:
        """z of the prior -> z of sound, [B, C, F]."""
        for coupling in reversed(list(self.flows)[::2]):
            assert isinstance(coupling, Coupling)
            z = coupling.inverse(z.flip(1), mask, g)
        return z
