"""Sizes of a JP-Extra synthesizer, read from a voice's config.json (spec "model-synthesizer" section 1)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sokuon.formats.contracts import LANGUAGES, TONES
from sokuon.formats.contracts import STYLE_WIDTH as STYLE_WIDTH
from sokuon.text.tables import SYMBOLS

SYMBOL_COUNT, TONE_COUNT, LANGUAGE_COUNT = len(SYMBOLS), TONES, LANGUAGES
WINDOW = 4  # relative attention reaches +-4 slots
SPEAKER_LAYER = 2  # the speaker vector is added before the third layer
FLOW_LAYERS, FLOW_KERNEL, COUPLINGS = 6, 5, 4
WAVENET_LAYERS = 4
BINS, TAIL = 10, 5.0  # rational-quadratic spline


@dataclass(frozen=True)
class ModelConfig:
    """What decides a tensor's shape. `channels` is C = hidden_channels = inter_channels."""

    channels: int = 192
    filter_channels: int = 768
    n_heads: int = 2
    n_layers: int = 6
    kernel_size: int = 3
    gin_channels: int = 512
    resblock: str = "1"
    resblock_kernel_sizes: tuple[int, ...] = (3, 7, 11)
    resblock_dilation_sizes: tuple[tuple[int, ...], ...] = ((1, 3, 5),) * 3
    upsample_rates: tuple[int, ...] = (8, 8, 2, 2, 2)
    upsample_kernel_sizes: tuple[int, ...] = (16, 16, 8, 2, 2)
    upsample_initial_channel: int = 512
    n_speakers: int = 1
    bert_width: int = 1024
    transformer_flow: bool = True  # not in real config.json files: told by the tensors' names
    flow_layers: int = FLOW_LAYERS  # fixed in real files; smaller only in tests
    dp_filter: int = 256

    @property
    def hop(self) -> int:
        """Samples per frame."""
        hop = 1
        for rate in self.upsample_rates:
            hop *= rate
        return hop


def parse(config: dict[str, Any], **overrides: Any) -> ModelConfig:
    """A ModelConfig from the contents of config.json; `overrides` for what the file does not say."""
    model = config["model"]
    if model["hidden_channels"] != model["inter_channels"]:
        raise ValueError("hidden_channels and inter_channels differ: not a JP-Extra voice")
    if not model.get("use_spk_conditioned_encoder", True):
        raise ValueError("use_spk_conditioned_encoder must be true")
    return ModelConfig(
        channels=model["hidden_channels"],
        filter_channels=model["filter_channels"],
        n_heads=model["n_heads"],
        n_layers=model["n_layers"],
        kernel_size=model["kernel_size"],
        gin_channels=model["gin_channels"],
        resblock=str(model["resblock"]),
        resblock_kernel_sizes=tuple(model["resblock_kernel_sizes"]),
        resblock_dilation_sizes=tuple(tuple(d) for d in model["resblock_dilation_sizes"]),
        upsample_rates=tuple(model["upsample_rates"]),
        upsample_kernel_sizes=tuple(model["upsample_kernel_sizes"]),
        upsample_initial_channel=model["upsample_initial_channel"],
        n_speakers=config["data"]["n_speakers"],
        **overrides,
    )


def read(path: Path, **overrides: Any) -> ModelConfig:
    """The ModelConfig of a config.json file."""
    return parse(json.loads(path.read_text(encoding="utf-8")), **overrides)


def voice_config(model: ModelConfig, styles: tuple[str, ...], sample_rate: int, name: str) -> dict[str, Any]:
    """The contents of a voice's config.json, in the format of Style-Bert-VITS2 (spec "voice-files" section 1.1)."""
    return {
        "model_name": name,
        "version": "2.7.0-JP-Extra",
        "data": {
            "use_jp_extra": True,
            "sampling_rate": sample_rate,
            "hop_length": model.hop,
            "filter_length": 2048,
            "add_blank": True,
            "n_speakers": model.n_speakers,
            "spk2id": {name if i == 0 else f"{name}-{i}": i for i in range(model.n_speakers)},
            "num_styles": len(styles),
            "style2id": {style: i for i, style in enumerate(styles)},
        },
        "model": {
            "use_spk_conditioned_encoder": True,
            "inter_channels": model.channels,
            "hidden_channels": model.channels,
            "filter_channels": model.filter_channels,
            "n_heads": model.n_heads,
            "n_layers": model.n_layers,
            "kernel_size": model.kernel_size,
            "p_dropout": 0.1,
            "resblock": model.resblock,
            "resblock_kernel_sizes": list(model.resblock_kernel_sizes),
            "resblock_dilation_sizes": [list(d) for d in model.resblock_dilation_sizes],
            "upsample_rates": list(model.upsample_rates),
            "upsample_kernel_sizes": list(model.upsample_kernel_sizes),
            "upsample_initial_channel": model.upsample_initial_channel,
            "gin_channels": model.gin_channels,
        },
        "train": {},
    }
