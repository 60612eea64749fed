"""Two sides of a loss held in balance: what discriminators ask against all else, by the length of their gradients.

Discriminators ask for more the better they tell sounds apart: with fixed weights their part of the gradient grew from
as much as all else to ten times it, and then only the length at which gradients are cut held it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

EVERY = 20  # steps from one measurement to the next: each costs two more passes backward through the decoder
PULL = 0.3  # how far one measurement moves the scale, in its logarithm


class Balance:
    """Scales the gradient of one side so that at the weights it is at most `share` times as long as the other's."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.scale = 1.0
        self.steps = 0

    def backward(self, total: Tensor, made: Tensor, asked: Tensor, weights: Sequence[Tensor]) -> None:
        """Add to the weights' gradients that of `total`, a scalar, and `scale` times what the gradient `asked` at
        `made` comes to; both must hang on every weight. Now and then measures both and sets the scale anew."""
        if self.steps % EVERY == 0:
            lengths = [_length(total, None, weights), _length(made, asked, weights)]
            self._measured(self.share * lengths[0] / max(lengths[1], 1e-12))
        self.steps += 1
        torch.autograd.backward([total, made], [None, self.scale * asked])

    def _measured(self, wanted: float) -> None:
        wanted = min(1.0, wanted)
        first = self.steps == 0
        pull = 1.0 if first else PULL
        self.scale = math.exp((1 - pull) * math.log(self.scale) + pull * math.log(max(wanted, 1e-6)))


def _length(output: Tensor, gradient: Tensor | None, weights: Sequence[Tensor]) -> float:
    """Of the gradient of `output` at the weights, which keeps the graph; weights it does not hang on count 0."""
    parts = torch.autograd.grad(output, weights, gradient, retain_graph=True, allow_unused=True)
    return math.sqrt(sum(float(p.square().sum()) for p in parts if p is not None))
