"""Small discriminators for the end of the decoder's training: over periods (HiFi-GAN, Kong et al. 2020) and over
spectra of several resolutions (UnivNet, Jang et al. 2021)."""

from __future__ import annotations

import itertools

from torch import Tensor, channels_last, hann_window, nn, stft
from torch.nn.functional import leaky_relu, pad
from torch.nn.utils import weight_norm

PERIODS = (2, 3, 5, 7, 11)
WIDTHS = (1, 12, 32, 64, 64)
SLOPE = 0.1


GAIN, FIRST_SCORES = 1.4, 0.3  # of the weights, so that activations stay near 1 and the first scores small
SOUND_SCALE = 10.0  # speech to about unit power


def conv(
    before: int, after: int, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int], gain: float
) -> nn.Module:
    """A convolution that keeps the power of what it gets. As torch draws its weights, five of them in a row lose
    almost all of it, and new discriminators tell nothing apart for a long time."""
    module = nn.Conv2d(before, after, kernel, stride, padding)
    nn.init.normal_(module.weight, std=gain / module.weight[0].numel() ** 0.5)
    nn.init.zeros_(module.bias)
    return weight_norm(module)


class PeriodCritic(nn.Module):
    """Looks at every PERIOD-th sample: sound [B, N] -> (scores, inner activations)."""

    def __init__(self, period: int) -> None:
        super().__init__()
        self.period = period
        pairs = itertools.pairwise(WIDTHS)
        self.convs = nn.ModuleList(conv(a, b, (5, 1), (3, 1), (2, 0), GAIN) for a, b in pairs)
        self.post = conv(WIDTHS[-1], 1, (3, 1), (1, 1), (1, 0), FIRST_SCORES)

    def forward(self, sound: Tensor) -> tuple[Tensor, list[Tensor]]:
        x = pad(SOUND_SCALE * sound, (0, -sound.shape[1] % self.period)).unflatten(1, (-1, self.period)).unsqueeze(1)
        inner = []
        for conv in self.convs:
            x = leaky_relu(conv(x), SLOPE)  # [B, width, N / period / 3^i, period]
            inner.append(x)
        return self.post(x).float(), inner


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
        self.convs = nn.ModuleList(conv(c, w, (5, 3), stride, (2, 1), GAIN) for c, stride in shapes)
        self.post = conv(w, 1, (3, 3), (1, 1), (1, 1), FIRST_SCORES)

    def forward(self, sound: Tensor) -> tuple[Tensor, list[Tensor]]:
        shape = hann_window(self.window, device=sound.device)
        spectrum = stft(sound, self.window, self.window // 4, self.window, shape, return_complex=True)
        x = ((spectrum.abs() * (4 / self.window)).clamp_min(1e-4).log() / 4 + 1).unsqueeze(1)  # [B, 1, bins, time]
        x = x.contiguous(memory_format=channels_last)
        inner = []
        for conv in self.convs:
            x = leaky_relu(conv(x), SLOPE)
            inner.append(x)
        return self.post(x).float(), inner


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
