"""Small discriminators for the end of the decoder's training: over periods (HiFi-GAN, Kong et al. 2020) and over
spectra of several resolutions (UnivNet, Jang et al. 2021)."""

from __future__ import annotations

import itertools

from torch import Tensor, hann_window, nn, stft
from torch.nn.functional import leaky_relu, pad
from torch.nn.utils import weight_norm

PERIODS = (2, 3, 5, 7, 11)
WIDTHS = (1, 12, 32, 64, 64)
SLOPE = 0.1


class PeriodCritic(nn.Module):
    """Looks at every PERIOD-th sample: sound [B, N] -> (scores, inner activations)."""

    def __init__(self, period: int) -> None:
        super().__init__()
        self.period = period
        pairs = itertools.pairwise(WIDTHS)
        self.convs = nn.ModuleList(weight_norm(nn.Conv2d(a, b, (5, 1), (3, 1), (2, 0))) for a, b in pairs)
        self.post = weight_norm(nn.Conv2d(WIDTHS[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, sound: Tensor) -> tuple[Tensor, list[Tensor]]:
        x = pad(sound, (0, -sound.shape[1] % self.period)).unflatten(1, (-1, self.period)).unsqueeze(1)
        inner = []
        for conv in self.convs:
            x = leaky_relu(conv(x), SLOPE)  # [B, width, N / period / 3^i, period]
            inner.append(x)
        return self.post(x), inner


class Critic(nn.Module):
    """All periods."""

    def __init__(self) -> None:
        super().__init__()
        self.critics = nn.ModuleList(PeriodCritic(p) for p in PERIODS)

    def forward(self, sound: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        results = [critic(sound) for critic in self.critics]
        return [score for score, _ in results], [inner for _, inner in results]


SPECTRUM_WINDOWS = (400, 1000, 2100)  # samples; no multiple of the frame's 300
SPECTRUM_WIDTH = 16


class SpectrumCritic(nn.Module):
    """Looks at log magnitudes: sound [B, N] -> (scores, inner activations)."""

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window
        w = SPECTRUM_WIDTH
        shapes = ((1, (1, 1)), (w, (2, 1)), (w, (2, 2)), (w, (2, 1)))  # (channels in, strides over bins and time)
        self.convs = nn.ModuleList(weight_norm(nn.Conv2d(c, w, (5, 3), stride, (2, 1))) for c, stride in shapes)
        self.post = weight_norm(nn.Conv2d(w, 1, 3, padding=1))

    def forward(self, sound: Tensor) -> tuple[Tensor, list[Tensor]]:
        shape = hann_window(self.window, device=sound.device)
        spectrum = stft(sound, self.window, self.window // 4, self.window, shape, return_complex=True)
        x = ((spectrum.abs() * (4 / self.window)).clamp_min(1e-4).log() / 4 + 1).unsqueeze(1)  # [B, 1, bins, time]
        inner = []
        for conv in self.convs:
            x = leaky_relu(conv(x), SLOPE)
            inner.append(x)
        return self.post(x), inner


class Critics(nn.Module):
    """All periods and, by turns, one of the resolutions: those cost five times as much."""

    def __init__(self) -> None:
        super().__init__()
        periods, resolutions = map(PeriodCritic, PERIODS), map(SpectrumCritic, SPECTRUM_WINDOWS)
        self.critics = nn.ModuleList([*periods, *resolutions])

    def forward(self, sound: Tensor, turn: int) -> tuple[list[Tensor], list[list[Tensor]]]:
        chosen = [*self.critics[: len(PERIODS)], self.critics[len(PERIODS) + turn % len(SPECTRUM_WINDOWS)]]
        results = [critic(sound) for critic in chosen]
        return [score for score, _ in results], [inner for _, inner in results]
