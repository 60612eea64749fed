"""Sizes of the built-in voice, as its steps 3 to 7 make it: widen.py gave its decoder twice the channels afterwards.
Reasons and measurements: training/README.md."""

from __future__ import annotations

from sokuon_training.config import ModelConfig

CONFIG = ModelConfig(
    channels=96,
    filter_channels=384,
    n_heads=2,
    n_layers=4,
    kernel_size=3,
    gin_channels=32,
    resblock="2",
    resblock_kernel_sizes=(3, 7),
    resblock_dilation_sizes=((1, 3), (3, 9)),
    upsample_rates=(5, 5, 4, 3),  # 300 samples: two frames are one of the teacher's
    upsample_kernel_sizes=(11, 11, 8, 7),
    upsample_initial_channel=256,
    n_speakers=1,
    bert_width=96,
    transformer_flow=False,
)
STYLES = ("Neutral", "Calm", "Lively")
