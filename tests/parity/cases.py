"""The random voices on which Sokuon is compared with the reference: each switch of the format at least once."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Sizes:
    """The keys of config.json's `model` that shape the network, with small values."""

    inter_channels: int = 16
    hidden_channels: int = 16
    filter_channels: int = 24
    n_heads: int = 2
    n_layers: int = 3
    kernel_size: int = 3
    resblock: str = "1"
    resblock_kernel_sizes: tuple[int, ...] = (3, 7)
    resblock_dilation_sizes: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5))
    upsample_rates: tuple[int, ...] = (4, 2)
    upsample_kernel_sizes: tuple[int, ...] = (8, 4)
    upsample_initial_channel: int = 32
    gin_channels: int = 8


STANDARD = Sizes(
    inter_channels=192,
    hidden_channels=192,
    filter_channels=768,
    n_layers=6,
    resblock_kernel_sizes=(3, 7, 11),
    resblock_dilation_sizes=((1, 3, 5), (1, 3, 5), (1, 3, 5)),
    upsample_rates=(8, 8, 2, 2, 2),
    upsample_kernel_sizes=(16, 16, 8, 2, 2),
    upsample_initial_channel=512,
    gin_channels=512,
)


@dataclass(frozen=True)
class Run:
    """One utterance; the scalars as in the reference's `infer`."""

    slots: int = 23
    noise: float = 0.6
    noise_w: float = 0.8
    length_scale: float = 1.0
    sdp_ratio: float = 0.2


USUAL_RUNS = (
    Run(),
    Run(slots=3),  # shorter than the attention window
    Run(slots=41, noise=1.0, noise_w=4.0, sdp_ratio=0.3),  # spline tails: |z| > 5
    Run(slots=17, noise_w=0.5, length_scale=1.7, sdp_ratio=1.0),
    Run(slots=12, length_scale=0.1, sdp_ratio=0.0),  # every slot at its minimum, one frame
)


@dataclass(frozen=True)
class Case:
    """A voice: sizes, spelling of its tensors, and what to say with it."""

    name: str
    sizes: Sizes = field(default_factory=Sizes)
    flow: Literal["transformer", "wavenet"] = "transformer"
    speakers: int = 1
    styles: int = 1
    spelling: Literal["original", "parametrized", "plain"] = "original"
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    training_tensors: bool = False  # the file also holds enc_q.* and `iteration`
    runs: tuple[Run, ...] = USUAL_RUNS
    seed: int = int(os.environ.get("SOKUON_PARITY_SEED", "1"))  # CI takes another one each day
    heavy: bool = False


_RESBLOCK_2 = Sizes(
    resblock="2",
    resblock_kernel_sizes=(3, 5, 7),
    resblock_dilation_sizes=((1, 2), (2, 6), (3, 12)),
    upsample_rates=(5, 3, 2),
    upsample_kernel_sizes=(11, 7, 4),
)
_FIVE_STAGES = Sizes(
    upsample_rates=(8, 8, 2, 2, 2), upsample_kernel_sizes=(16, 16, 8, 2, 2), upsample_initial_channel=64
)

CASES = (
    Case("plain_small"),
    Case("many_speakers", speakers=3, styles=4, spelling="parametrized"),
    Case("resblock2", _RESBLOCK_2, spelling="original", speakers=2),
    Case("resblock2_wavenet", _RESBLOCK_2, flow="wavenet", spelling="plain"),
    Case("wavenet", flow="wavenet", spelling="original", speakers=2),
    Case("wavenet_parametrized", flow="wavenet", spelling="parametrized"),
    Case("five_stages", _FIVE_STAGES, spelling="plain"),
    Case("wide_kernel", Sizes(kernel_size=5, n_layers=4, hidden_channels=24, inter_channels=24, n_heads=4)),
    Case("even_kernel", Sizes(kernel_size=4, filter_channels=40, gin_channels=12)),
    Case("raw_checkpoint", training_tensors=True, speakers=2),
    Case("half", dtype="float16", spelling="original"),
    Case("brain_half", dtype="bfloat16", spelling="parametrized"),
    Case("standard", STANDARD, speakers=2, styles=3, runs=(Run(slots=61), Run(slots=7, sdp_ratio=0.5)), heavy=True),
)
