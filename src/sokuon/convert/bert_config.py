"""A Hugging Face DeBERTa-v2 config.json, read strictly: a feature the graph does not implement is refused by name.

Defaults are those of the Hugging Face configuration class (transformers, Apache-2.0).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sokuon.errors import VoiceError, VoiceNotFoundError

UNUSED_LAYERS = (
    2  # the features are hidden state -3: the last two layers do nothing for them (spec model-bert section 4)
)

# key, Hugging Face default, the one value the graph implements
_FIXED: tuple[tuple[str, Any, Any], ...] = (
    ("model_type", None, "deberta-v2"),
    ("hidden_act", "gelu", "gelu"),
    ("relative_attention", False, True),
    ("share_att_key", False, True),
    ("norm_rel_ebd", "none", "layer_norm"),
    ("position_biased_input", True, False),
    ("type_vocab_size", 0, 0),
    ("conv_groups", 1, 1),
)


@dataclass(frozen=True)
class DebertaConfig:
    """Sizes of the network. `layers` counts the live ones, `conv_kernel` is 0 where there is no convolution."""

    hidden_size: int
    heads: int
    head_size: int
    intermediate_size: int
    layers: int
    norm_epsilon: float
    vocab_size: int
    position_buckets: int
    max_position: int
    conv_kernel: int

    @property
    def attention_size(self) -> int:
        """Width of all heads together."""
        return self.heads * self.head_size


def read_config(path: Path) -> DebertaConfig:
    """Read config.json. Raises VoiceError naming the key this converter does not support."""
    if not path.is_file():
        raise VoiceNotFoundError(f"{path} does not exist; a BERT folder in Hugging Face layout needs it.")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        _refuse_unknown_features(path, data)
        config = _config(data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, VoiceError):
            raise
        raise VoiceError(
            f"{path} is not a DeBERTa-v2 configuration ({error!r}); take the file of the model."
        ) from error
    _check_sizes(path, config)
    return config


def _refuse_unknown_features(path: Path, data: dict[str, Any]) -> None:
    for key, default, supported in _FIXED:
        if data.get(key, default) != supported:
            raise VoiceError(f"{path}: {key} is {data.get(key, default)!r}; only {supported!r} is supported.")
    terms = data.get("pos_att_type") or []
    terms = terms.split("|") if isinstance(terms, str) else terms
    if sorted(terms) != ["c2p", "p2c"]:
        raise VoiceError(f"{path}: pos_att_type is {terms!r}; only c2p together with p2c is supported.")
    if data.get("conv_kernel_size", 0) and data.get("conv_act", "tanh") != "gelu":
        raise VoiceError(f"{path}: conv_act is {data.get('conv_act', 'tanh')!r}; only 'gelu' is supported.")
    if data.get("embedding_size", data["hidden_size"]) != data["hidden_size"]:
        raise VoiceError(f"{path}: embedding_size differs from hidden_size, which is not supported.")


def _config(data: dict[str, Any]) -> DebertaConfig:
    hidden, heads = int(data["hidden_size"]), int(data["num_attention_heads"])
    max_position = int(data.get("max_relative_positions", -1))
    return DebertaConfig(
        hidden_size=hidden,
        heads=heads,
        head_size=int(data.get("attention_head_size", hidden // heads)),
        intermediate_size=int(data["intermediate_size"]),
        layers=int(data["num_hidden_layers"]) - UNUSED_LAYERS,
        norm_epsilon=float(data.get("layer_norm_eps", 1e-7)),
        vocab_size=int(data["vocab_size"]),
        position_buckets=int(data.get("position_buckets", -1)),
        max_position=max_position if max_position > 0 else int(data.get("max_position_embeddings", 512)),
        conv_kernel=int(data.get("conv_kernel_size", 0)),
    )


def _check_sizes(path: Path, config: DebertaConfig) -> None:
    if config.layers < 1:
        raise VoiceError(f"{path}: {config.layers + UNUSED_LAYERS} layers are too few; hidden state -3 needs 3.")
    if (
        config.position_buckets < 4
        or config.position_buckets % 2
        or config.max_position <= config.position_buckets // 2 + 1
    ):
        raise VoiceError(
            f"{path}: position_buckets {config.position_buckets} must be even, at least 4, and fewer than twice "
            f"the reach of {config.max_position} positions."
        )
    if config.conv_kernel and config.conv_kernel % 2 == 0:
        raise VoiceError(f"{path}: conv_kernel_size {config.conv_kernel} is even, which would change the length.")
    if min(config.hidden_size, config.heads, config.head_size, config.intermediate_size, config.vocab_size) < 1:
        raise VoiceError(f"{path}: sizes must be positive.")
