"""The graphs' inputs and outputs, declared once: the converter writes from here, `session.py` verifies at load.

Letters: S characters + 2, T phone slots (blanks included), F frames, N = hop · F samples; C latent channels, B BERT
width, G speaker width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Dimension = int | str


@dataclass(frozen=True)
class Port:
    """One input or output: letters in `shape` are free or voice-dependent sizes."""

    name: str
    dtype: Literal["float32", "int64"]
    shape: tuple[Dimension, ...]


@dataclass(frozen=True)
class Contract:
    """What a graph eats and gives."""

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


# Sizes that every JP-Extra voice has; its symbols are `text.tables.SYMBOLS`.
TONES, LANGUAGES = 12, 3  # rows of the embeddings, those of Chinese and English among them
STYLE_WIDTH = 256

ENCODER = Contract(
    "encoder",
    inputs=(
        Port("phones", "int64", ("T",)),
        Port("tones", "int64", ("T",)),
        Port("languages", "int64", ("T",)),
        Port("characters", "int64", ("T",)),  # row of `bert` that belongs to each slot
        Port("bert", "float32", ("S", "B")),
        Port("style", "float32", (STYLE_WIDTH,)),
        Port("speaker", "float32", ("G",)),
        Port("duration_noise", "float32", (2, "T")),  # standard normal, times noise_w
    ),
    outputs=(
        Port("mean", "float32", ("T", "C")),
        Port("log_std", "float32", ("T", "C")),
        Port("log_duration", "float32", ("T",)),  # deterministic predictor, log frames
        Port("log_duration_sampled", "float32", ("T",)),  # stochastic predictor, log frames
    ),
)

FLOW = Contract(
    "flow",
    inputs=(Port("z_prior", "float32", ("F", "C")), Port("speaker", "float32", ("G",))),
    outputs=(Port("z", "float32", ("F", "C")),),
)

DECODER = Contract(
    "decoder",
    inputs=(Port("z", "float32", ("F", "C")), Port("speaker", "float32", ("G",))),
    outputs=(Port("audio", "float32", ("N",)),),
)

# One or several sentences as one run of rows: `mask` keeps them apart (0 within a sentence, very negative across), as
# [1, 1] for a single one; `buckets` are the rows of the relative tables for the distances -S .. S - 1 (W = 2 S).
BERT = Contract(
    "bert",
    inputs=(
        Port("embeddings", "float32", ("S", "B")),
        Port("mask", "float32", ("M", "M2")),
        Port("buckets", "int64", ("W",)),
    ),
    outputs=(Port("features", "float32", ("S", "B")),),
)
