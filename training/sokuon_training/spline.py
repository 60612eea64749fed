"""Monotone rational-quadratic spline with linear tails (Durkan et al. 2019), both directions.

Spec "model-synthesizer" section 5.3. Inputs: x of any shape, raw parameters [..., BINS], [..., BINS], [..., BINS - 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad, softplus

from sokuon_training.config import BINS, TAIL

LEAST = 1e-3  # of a bin's width, height and a knot's slope


@dataclass(frozen=True)
class Bin:
    """The bin each value falls in: left edges, sizes, slopes at both ends."""

    x: Tensor
    width: Tensor
    y: Tensor
    height: Tensor
    slope0: Tensor
    slope1: Tensor

    @property
    def bend(self) -> Tensor:
        return self.slope0 + self.slope1 - 2 * self.height / self.width


def knots(raw: Tensor) -> Tensor:
    """[..., BINS] -> BINS + 1 increasing positions from -TAIL to TAIL."""
    sizes = LEAST + (1 - LEAST * BINS) * raw.softmax(-1)
    inner = -TAIL + 2 * TAIL * sizes.cumsum(-1)[..., :-1]
    return pad(pad(inner, (1, 0), value=-TAIL), (0, 1), value=TAIL)


def find_bin(value: Tensor, raw: tuple[Tensor, Tensor, Tensor], by_height: bool) -> Bin:
    """The bin of each value, looked up on the y axis (inverse) or the x axis."""
    xs, ys = knots(raw[0]), knots(raw[1])
    slopes = pad(LEAST + softplus(raw[2]), (1, 1), value=1.0)
    edges = ys if by_height else xs
    index = ((value.unsqueeze(-1) >= edges[..., :-1]).sum(-1) - 1).clamp(0, BINS - 1).unsqueeze(-1)

    def pick(table: Tensor, step: int = 0) -> Tensor:
        return table.gather(-1, index + step).squeeze(-1)

    x, y = pick(xs), pick(ys)
    return Bin(x, pick(xs, 1) - x, y, pick(ys, 1) - y, pick(slopes), pick(slopes, 1))


def forward(x: Tensor, raw: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """(y, log dy/dx); the identity outside [-TAIL, TAIL]."""
    inside = x.abs() <= TAIL
    b = find_bin(x.clamp(-TAIL, TAIL), raw, by_height=False)
    r = (x.clamp(-TAIL, TAIL) - b.x) / b.width
    s, around = b.height / b.width, r * (1 - r)
    below = s + b.bend * around
    y = b.y + b.height * (s * r**2 + b.slope0 * around) / below
    slope = s**2 * (b.slope1 * r**2 + 2 * s * around + b.slope0 * (1 - r) ** 2)
    log_slope = slope.log() - 2 * below.log()
    return torch.where(inside, y, x), torch.where(inside, log_slope, torch.zeros_like(x))


def inverse(y: Tensor, raw: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """x; the identity outside [-TAIL, TAIL]."""
    inside = y.abs() <= TAIL
    b = find_bin(y.clamp(-TAIL, TAIL), raw, by_height=True)
    t = y.clamp(-TAIL, TAIL) - b.y
    s = b.height / b.width
    a_2 = t * b.bend + b.height * (s - b.slope0)
    a_1 = b.height * b.slope0 - t * b.bend
    a_0 = -s * t
    root = 2 * a_0 / (-a_1 - (a_1**2 - 4 * a_2 * a_0).clamp_min(0).sqrt())
    return torch.where(inside, root * b.width + b.x, y)
