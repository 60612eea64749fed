"""Shape of a HiFi-GAN decoder: the one description the graph writer, the native kernel and the chunking share.

Source: spec "model-synthesizer" section 8; HiFi-GAN, Kong et al. 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod


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

    def channels(self, stage: int) -> int:
        """Channels after upsampling stage `stage` (0-based); stage -1 is conv_pre."""
        return int(self.initial_channels >> (stage + 1))

    def _branch_reach(self, j: int) -> int:
        half = (self.resblock_kernels[j] - 1) // 2
        second = 1 if self.resblock == 1 else 0
        return sum(half * (d + second) for d in self.resblock_dilations[j])
