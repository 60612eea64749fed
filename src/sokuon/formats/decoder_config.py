"""Shape of a HiFi-GAN decoder: the one description the graph writer, the native kernel and the chunking share.

Source: spec "model-synthesizer" section 8; HiFi-GAN, Kong et al. 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from sokuon.errors import VoiceError

_MOST_STAGES = 16
_MOST_BRANCHES = 64
_MOST_CHANNELS = 1 << 20
_MOST_TAPS = 1 << 10  # also of a rate and a dilation
_MOST_HOP = 1 << 16
_RATES = range(1_000, 1_000_001)  # Hz


@dataclass(frozen=True)
class DecoderConfig:
    """A generator from latent frames to samples.

    `resblock` is 1 (pairs of convolutions) or 2 (single ones); `resblock_kernels[j]` and `resblock_dilations[j]`
    describe branch j, the same after every upsampling; `upsample_rates[i]` and `upsample_kernels[i]` stage i.
    """

    latent_channels: int  # C, channels of z
    speaker_channels: int  # G, width of the speaker vector
    initial_channels: int  # channels after conv_pre; halved by each stage
    upsample_rates: tuple[int, ...]
    upsample_kernels: tuple[int, ...]
    resblock: int
    resblock_kernels: tuple[int, ...]
    resblock_dilations: tuple[tuple[int, ...], ...]
    sample_rate: int

    @property
    def hop(self) -> int:
        """Samples per latent frame."""
        return prod(self.upsample_rates)

    @property
    def margin(self) -> int:
        """Frames of z on each side that can reach a sample: decoding a chunk with this margin is exact."""
        reach = 3  # conv_post, in samples
        for rate, kernel in reversed(tuple(zip(self.upsample_rates, self.upsample_kernels, strict=True))):
            reach += max(self._branch_reach(j) for j in range(len(self.resblock_kernels)))
            pad = (kernel - rate) // 2
            reach = (reach + max(kernel - 1 - pad, pad + rate - 1)) // rate
        return reach + 3  # conv_pre

    def check(self) -> None:
        """Raise VoiceError unless this is a generator that can be built, of sizes that a generator has."""
        self._check_lists()
        sizes = (self.latent_channels, self.speaker_channels, self.initial_channels)
        if not all(1 <= size <= _MOST_CHANNELS for size in sizes):
            raise VoiceError(f"a number of channels in {list(sizes)} is not within 1 to {_MOST_CHANNELS}.")
        dilations = [d for row in self.resblock_dilations for d in row]
        spans = (*self.upsample_rates, *self.upsample_kernels, *self.resblock_kernels, *dilations)
        if not all(1 <= span <= _MOST_TAPS for span in spans) or self.hop > _MOST_HOP:
            raise VoiceError(f"a rate, kernel or dilation is not within 1 to {_MOST_TAPS}, or the hop is too long.")
        if self.resblock not in (1, 2):
            raise VoiceError(f'resblock "{self.resblock}" is unknown; "1" and "2" exist.')
        stages = len(self.upsample_rates)
        if self.initial_channels % 2**stages:
            raise VoiceError(f"upsample_initial_channel {self.initial_channels} cannot be halved {stages} times.")
        if any((k - r) % 2 or k < r for r, k in zip(self.upsample_rates, self.upsample_kernels, strict=True)):
            raise VoiceError("an upsample kernel must exceed its rate by an even number (or equal it).")
        if any(k % 2 == 0 for k in self.resblock_kernels):
            raise VoiceError("resblock kernels must be odd.")
        if self.sample_rate not in _RATES:
            raise VoiceError(f"sampling_rate is {self.sample_rate}; it must be within {_RATES[0]} to {_RATES[-1]} Hz.")

    def _check_lists(self) -> None:
        stages, branches = len(self.upsample_rates), len(self.resblock_kernels)
        if len(self.upsample_kernels) != stages or len(self.resblock_dilations) != branches:
            raise VoiceError("upsample or resblock lists differ in length.")
        if not stages or not branches or not all(self.resblock_dilations):
            raise VoiceError("an upsample or resblock list is empty.")
        if max(stages, branches, *map(len, self.resblock_dilations)) > _MOST_BRANCHES or stages > _MOST_STAGES:
            raise VoiceError(f"an upsample or resblock list is longer than {_MOST_STAGES} or {_MOST_BRANCHES}.")

    def channels(self, stage: int) -> int:
        """Channels after upsampling stage `stage` (0-based); stage -1 is conv_pre."""
        return int(self.initial_channels >> (stage + 1))

    def _branch_reach(self, j: int) -> int:
        half = (self.resblock_kernels[j] - 1) // 2
        second = 1 if self.resblock == 1 else 0
        return sum(half * (d + second) for d in self.resblock_dilations[j])
