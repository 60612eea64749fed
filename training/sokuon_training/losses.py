"""Losses on sound: multi-resolution STFT (Yamamoto et al. 2020) and least-squares adversarial (Mao et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor

WINDOWS = (240, 512, 1024, 2048)  # samples; hop is a quarter
FLOOR = 1e-4  # of a magnitude; the 16-bit teacher has nothing below


def magnitude(x: Tensor, window: int) -> Tensor:
    """[B, N] -> [B, bins, frames], scaled so that a full-scale sine is about 1."""
    shape = torch.hann_window(window, device=x.device)
    spectrum = torch.stft(x, window, window // 4, window, shape, return_complex=True)
    return torch.sqrt(spectrum.real**2 + spectrum.imag**2 + FLOOR**2) * (4 / window)


def spectral(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean over windows of log-magnitude L1 plus spectral convergence; both [B, N]."""
    total = predicted.new_zeros(())
    for window in WINDOWS:
        p, t = magnitude(predicted, window), magnitude(target, window)
        distance = (p - t).square().sum((1, 2)).sqrt() / (t.square().sum((1, 2)).sqrt() + 0.05)
        total = total + (p.clamp_min(FLOOR).log() - t.clamp_min(FLOOR).log()).abs().mean() + distance.mean()
    return total / len(WINDOWS)


def critic_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Least squares for the discriminators' scores."""
    terms = [(1 - r).square().mean() + f.square().mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(terms).sum()


def fooling_loss(fake: list[Tensor]) -> Tensor:
    """Least squares for the generator."""
    return torch.stack([(1 - f).square().mean() for f in fake]).sum()


def matching_loss(real: list[list[Tensor]], fake: list[list[Tensor]]) -> Tensor:
    """L1 between the discriminators' inner activations."""
    pairs = [(r, f) for rs, fs in zip(real, fake, strict=True) for r, f in zip(rs, fs, strict=True)]
    return torch.stack([(r.detach() - f).abs().mean() for r, f in pairs]).sum() * (2 / len(real))
