"""Losses on sound: multi-resolution STFT (Yamamoto et al. 2020) and least-squares adversarial (Mao et al. 2017)."""

from __future__ import annotations

import functools
import itertools

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sokuon_training.features import mel_matrix

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


MEL_WINDOWS, MEL_BANDS = (512, 1024, 2048), 80


def mel(predicted: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean over windows of the L1 between log magnitudes in mel bands, and the spectral convergence; both [B, N]. Bands
    leave the fine structure of noise free, which log magnitudes of single bins do not: those are closest to a noise
    on average where they do not fluctuate, and hold back what discriminators ask for. `weights` [B, frames] of the
    decoder's frames are what the L1 weighs at their time; without them all weigh 1."""
    total = predicted.new_zeros(())
    for window in MEL_WINDOWS:
        p, t = magnitude(predicted, window), magnitude(target, window)
        distance = (p - t).square().sum((1, 2)).sqrt() / (t.square().sum((1, 2)).sqrt() + 0.05)
        apart = bands_apart(p, t, window)
        if weights is not None:
            apart = apart * interpolate(weights.unsqueeze(1), apart.shape[2])
        total = total + apart.mean() + distance.mean()
    return total / len(MEL_WINDOWS)


def bands_apart(predicted: Tensor, target: Tensor, window: int) -> Tensor:
    """How far log magnitudes in mel bands are apart, [B, bands, frames], of two spectra [B, bins, frames]."""
    bands = _mel_bands(window).to(predicted)
    return ((bands @ predicted).clamp_min(FLOOR).log() - (bands @ target).clamp_min(FLOOR).log()).abs()


@functools.cache
def _mel_bands(window: int) -> Tensor:
    """[bands, bins]"""
    return torch.from_numpy(mel_matrix(window // 2 + 1, MEL_BANDS)).float()


COHERENT_WINDOW, COHERENT_HZ = 720, 4000.0  # 30 ms: a harmonic stands alone; above 4 kHz most of speech is noise
SAMPLE_RATE = 24_000


def coherent(predicted: Tensor, target: Tensor) -> Tensor:
    """How far the complex spectra below COHERENT_HZ are apart, relative to the target's; both [B, N]. Each bin weighs
    by the square root of its magnitude, so that the loud first harmonics do not hide the others."""
    shape = torch.hann_window(COHERENT_WINDOW, device=predicted.device)
    bins = round(COHERENT_HZ / SAMPLE_RATE * COHERENT_WINDOW)
    p, t = (
        torch.stft(x, COHERENT_WINDOW, COHERENT_WINDOW // 4, COHERENT_WINDOW, shape, return_complex=True)[:, :bins]
        for x in (predicted, target)
    )
    size = t.abs() * (4 / COHERENT_WINDOW) + 1e-3
    apart = (p - t).abs() * (4 / COHERENT_WINDOW) / size.sqrt()
    return (apart.sum((1, 2)) / size.sqrt().sum((1, 2))).mean()


LINE_BANDS_HZ = (1000, 1600, 2400, 3200, 4000, 5600, 7200, 8800, 10_400, 11_600)


def lines(predicted: Tensor, target: Tensor, frame: int) -> Tensor:
    """How far the lines at multiples of the frame rate stand out of the prediction's spectrum beyond the target's, in
    nepers of power, mean over bands; both [B, N] with N a multiple of `frame`. The spectra of the batch are summed."""
    frames = predicted.shape[1] // frame  # the lines are bins frames, 2 * frames, ...
    heights = [_line_heights(x, frames) for x in (predicted, target)]
    return (heights[0] - heights[1].clamp_min(0)).clamp_min(0).mean()


def _line_heights(x: Tensor, frames: int) -> Tensor:
    """[bands] log of the power on the lines over the power between them."""
    window = torch.hann_window(x.shape[1], device=x.device)
    spectrum = torch.fft.rfft(x * window)
    power = (spectrum.real**2 + spectrum.imag**2).sum(0) + 1e-8
    power = power[: len(power) // frames * frames].unflatten(0, (-1, frames))  # [lines, bins from one line on]
    between = slice(frames // 4, frames - frames // 4)
    on = power[:, :2].sum(1) + power.roll(1, 0)[:, -1]  # the window spreads a line over three bins
    off = power[:, between].mean(1) + power.roll(1, 0)[:, between].mean(1)
    hz = torch.arange(len(power), device=x.device) * (SAMPLE_RATE * frames / x.shape[1])
    pairs = itertools.pairwise(LINE_BANDS_HZ)
    bands = [(hz >= low) & (hz < high) for low, high in pairs]
    return torch.stack([(on[b].sum() / (1.5 * off[b].sum())).log() for b in bands])


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
    return torch.stack([(r.detach() - f).abs().mean().float() for r, f in pairs]).sum() * (2 / len(real))
