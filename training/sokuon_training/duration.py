"""Duration predictors: spec "model-synthesizer" sections 4 and 5; training of the stochastic one after the VITS
paper (Kim et al. 2021, section 2.2.2: variational dequantisation and data augmentation)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, gelu, logsigmoid

from sokuon_training import spline
from sokuon_training.config import BINS, ModelConfig
from sokuon_training.encoder import ChannelNorm

LOG_2PI = math.log(2 * math.pi)


class DurationPredictor(nn.Module):
    """Hidden states [B, C, T] to log frames [B, T]."""

    def __init__(self, config: ModelConfig, drop: float = 0.0) -> None:
        super().__init__()
        c, inner = config.channels, config.dp_filter
        self.drop = drop
        self.cond = nn.Conv1d(config.gin_channels, c, 1)
        self.conv_1, self.norm_1 = nn.Conv1d(c, inner, 3, padding=1), ChannelNorm(inner)
        self.conv_2, self.norm_2 = nn.Conv1d(inner, inner, 3, padding=1), ChannelNorm(inner)
        self.proj = nn.Conv1d(inner, 1, 1)

    def forward(self, h: Tensor, mask: Tensor, g: Tensor) -> Tensor:
        y = h + self.cond(g)
        y = dropout(self.norm_1(self.conv_1(y * mask).relu()), self.drop, self.training)
        y = dropout(self.norm_2(self.conv_2(y * mask).relu()), self.drop, self.training)
        out: Tensor = (self.proj(y * mask) * mask).squeeze(1)
        return out


class SeparableConvs(nn.Module):
    """Three dilated depth-separable convolutions with residuals."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        c, dilations = channels, (1, 3, 9)
        self.convs_sep = nn.ModuleList(nn.Conv1d(c, c, 3, groups=c, dilation=d, padding=d) for d in dilations)
        self.convs_1x1 = nn.ModuleList(nn.Conv1d(c, c, 1) for _ in dilations)
        self.norms_1 = nn.ModuleList(ChannelNorm(c) for _ in dilations)
        self.norms_2 = nn.ModuleList(ChannelNorm(c) for _ in dilations)

    def forward(self, x: Tensor, mask: Tensor, cond: Tensor | None = None) -> Tensor:
        if cond is not None:
            x = x + cond
        for deep, point, norm_1, norm_2 in zip(self.convs_sep, self.convs_1x1, self.norms_1, self.norms_2, strict=True):
            x = x + gelu(norm_2(point(gelu(norm_1(deep(x * mask))))))
        return x * mask


class Affine(nn.Module):
    """One scale and shift per row of [B, 2, T]."""

    def __init__(self) -> None:
        super().__init__()
        self.m = nn.Parameter(torch.zeros(2, 1))
        self.logs = nn.Parameter(torch.zeros(2, 1))

    def forward(self, z: Tensor, mask: Tensor, _cond: Tensor) -> tuple[Tensor, Tensor]:
        return (self.m + self.logs.exp() * z) * mask, (self.logs * mask).sum((1, 2))

    def inverse(self, z: Tensor) -> Tensor:
        return (z - self.m) * (-self.logs).exp()


class SplineCoupling(nn.Module):
    """Row 0 passes and says, with the conditioning, how a spline bends row 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pre = nn.Conv1d(1, channels, 1)
        self.convs = SeparableConvs(channels)
        self.proj = nn.Conv1d(channels, 3 * BINS - 1, 1)
        nn.init.zeros_(self.proj.weight)
        nn.init.zeros_(self.proj.bias)
        self.root = math.sqrt(channels)

    def raw(self, first: Tensor, mask: Tensor, cond: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Spline parameters [B, 1, T, bins] from row 0 [B, 1, T]."""
        theta = self.proj(self.convs(self.pre(first), mask, cond)) * mask
        widths, heights, slopes = theta.transpose(1, 2).unsqueeze(1).split((BINS, BINS, BINS - 1), -1)
        return widths / self.root, heights / self.root, slopes

    def forward(self, z: Tensor, mask: Tensor, cond: Tensor) -> tuple[Tensor, Tensor]:
        first, second = z.chunk(2, 1)
        second, log_slope = spline.forward(second, self.raw(first, mask, cond))
        return torch.cat([first, second], 1) * mask, (log_slope * mask).sum((1, 2))

    def inverse(self, z: Tensor, mask: Tensor, cond: Tensor) -> Tensor:
        first, second = z.chunk(2, 1)
        return torch.cat([first, spline.inverse(second, self.raw(first, mask, cond))], 1) * mask


def spline_flow(channels: int) -> nn.ModuleList:
    """[affine, coupling, swap, coupling, swap, ...]: swaps have no weights but take an index."""
    modules: list[nn.Module] = [Affine()]
    for _ in range(4):
        modules += [SplineCoupling(channels), nn.Identity()]
    return nn.ModuleList(modules)


def run_flow(flows: nn.ModuleList, z: Tensor, mask: Tensor, cond: Tensor) -> tuple[Tensor, Tensor]:
    """Forward through a spline_flow: (z, log-determinant [B])."""
    total = z.new_zeros(len(z))
    for flow in flows:
        if isinstance(flow, nn.Identity):
            z = z.flip(1)
        else:
            z, log_det = flow(z, mask, cond)
            total = total + log_det
    return z, total


class StochasticPredictor(nn.Module):
    """A conditional distribution of log frames."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c = config.channels
        self.pre, self.proj = nn.Conv1d(c, c, 1), nn.Conv1d(c, c, 1)
        self.cond = nn.Conv1d(config.gin_channels, c, 1)
        self.convs = SeparableConvs(c)
        self.flows = spline_flow(c)
        self.post_pre, self.post_proj = nn.Conv1d(1, c, 1), nn.Conv1d(c, c, 1)  # post_*: training only
        self.post_convs = SeparableConvs(c)
        self.post_flows = spline_flow(c)

    def condition(self, h: Tensor, mask: Tensor, g: Tensor) -> Tensor:
        out: Tensor = self.proj(self.convs(self.pre(h) + self.cond(g), mask)) * mask
        return out

    def sample(self, h: Tensor, mask: Tensor, g: Tensor, noise: Tensor) -> Tensor:
        """Log frames [B, T] from noise [B, 2, T] (already scaled). Coupling 1 is left out: it cannot reach row 0."""
        cond, z = self.condition(h, mask, g), noise * mask
        for index in (7, 5, 3):
            coupling = self.flows[index]
            assert isinstance(coupling, SplineCoupling)
            z = coupling.inverse(z.flip(1), mask, cond)
        affine = self.flows[0]
        assert isinstance(affine, Affine)
        out: Tensor = (affine.inverse(z.flip(1)) * mask)[:, 0]
        return out

    def loss(self, h: Tensor, mask: Tensor, g: Tensor, frames: Tensor) -> Tensor:
        """Bound on the negative log-likelihood [B] of whole frames [B, T] >= 1."""
        cond, w = self.condition(h, mask, g), frames.unsqueeze(1) * mask
        seen = self.post_proj(self.post_convs(self.post_pre(w), mask)) * mask
        e = torch.randn(len(h), 2, h.shape[2], device=h.device, dtype=h.dtype) * mask
        q, log_det_q = run_flow(self.post_flows, e, mask, cond + seen)
        part, extra = q.chunk(2, 1)
        log_det_q = log_det_q + ((logsigmoid(part) + logsigmoid(-part)) * mask).sum((1, 2))
        log_q = (-0.5 * (LOG_2PI + e**2) * mask).sum((1, 2)) - log_det_q
        log_rest = (w - part.sigmoid() * mask).clamp_min(1e-5).log() * mask  # ceil(exp(.)) gives the frames back
        z, log_det = run_flow(self.flows, torch.cat([log_rest, extra], 1), mask, cond)
        nll = (0.5 * (LOG_2PI + z**2) * mask).sum((1, 2)) - log_det + log_rest.sum((1, 2))
        return nll + log_q
