"""A Hugging Face DeBERTa-v2 config.json, read strictly: a feature the graph does not implement is refused by name.

Defaults are those of the Hugging Face configuration class (transformers, Apache-2.0).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sokuon.errors import VoiceError, VoiceNotFoundError
from sokuon.formats.bert import check_positions
from sokuon.storage.records import build, read_record

UNUSED_LAYERS = (
    2  # the features are hidden state -3: the last two layers do nothing for them (spec model-bert section 4)
)

_MOST = 1 << 22  # of any size

_SUPPORTED: dict[str, Any] = {  # key of the configuration → the one value that the graph implements
    "model_type": "deberta-v2",
    "hidden_act": "gelu",
    "relative_attention": True,
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "position_biased_input": False,
    "type_vocab_size": 0,
    "conv_groups": 1,
}


@dataclass(frozen=True)
class _Published:
    """config.json as far as the network depends on it, with the defaults of the configuration class."""

    hidden_size: int
    num_attention_heads: int
    num_hidden_layers: int
    intermediate_size: int
    vocab_size: int
    model_type: str | None = None
    hidden_act: str | None = "gelu"
    relative_attention: bool | None = False
    share_att_key: bool | None = False
    norm_rel_ebd: str | None = "none"
    position_biased_input: bool | None = True
    type_vocab_size: int | None = 0
    conv_groups: int | None = 1
    conv_act: str | None = "tanh"
    conv_kernel_size: int | None = 0
    pos_att_type: str | tuple[str, ...] | None = None
    embedding_size: int | None = None
    attention_head_size: int | None = None
    layer_norm_eps: float = 1e-7
    position_buckets: int = -1
    max_relative_positions: int = -1
    max_position_embeddings: int = 512


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
        published = build(_Published, read_record(path), strict=False)
        _refuse_unknown_features(published)
        config = _config(published)
        _check_sizes(config)
    except VoiceError as error:
        raise VoiceError(f"{path}: {error}") from error
    except (OSError, ValueError) as error:
        raise VoiceError(f"{path} is not a DeBERTa-v2 configuration ({error}); take the file of the model.") from error
    return config


def _refuse_unknown_features(published: _Published) -> None:
    for key, supported in _SUPPORTED.items():
        if getattr(published, key) != supported:
            raise VoiceError(f"{key} is {getattr(published, key)!r}; only {supported!r} is supported.")
    terms = published.pos_att_type or ()
    terms = tuple(terms.split("|")) if isinstance(terms, str) else terms
    if sorted(terms) != ["c2p", "p2c"]:
        raise VoiceError(f"pos_att_type is {terms[:5]!r}; only c2p together with p2c is supported.")
    if published.conv_kernel_size and published.conv_act != "gelu":
        raise VoiceError(f"conv_act is {published.conv_act!r}; only 'gelu' is supported.")
    if published.embedding_size not in (None, published.hidden_size):
        raise VoiceError("embedding_size differs from hidden_size, which is not supported.")


def _config(published: _Published) -> DebertaConfig:
    heads, reach = published.num_attention_heads, published.max_relative_positions
    if heads < 1:
        raise VoiceError(f"num_attention_heads is {heads}.")
    return DebertaConfig(
        hidden_size=published.hidden_size,
        heads=heads,
        head_size=published.attention_head_size or published.hidden_size // heads,
        intermediate_size=published.intermediate_size,
        layers=published.num_hidden_layers - UNUSED_LAYERS,
        norm_epsilon=published.layer_norm_eps,
        vocab_size=published.vocab_size,
        position_buckets=published.position_buckets,
        max_position=reach if reach > 0 else published.max_position_embeddings,
        conv_kernel=published.conv_kernel_size or 0,
    )


def _check_sizes(config: DebertaConfig) -> None:
    if config.layers < 1:
        raise VoiceError(f"{config.layers + UNUSED_LAYERS} layers are too few; hidden state -3 needs 3.")
    check_positions(config.position_buckets, config.max_position)
    if config.conv_kernel and (config.conv_kernel < 0 or config.conv_kernel % 2 == 0):
        raise VoiceError(f"conv_kernel_size {config.conv_kernel} is even or negative, which would change the length.")
    sizes = (config.hidden_size, config.head_size, config.intermediate_size, config.vocab_size)
    if min(sizes) < 1 or max(sizes) > _MOST or not 0 < config.norm_epsilon < 1:
        raise VoiceError("a size, or the epsilon of the norms, is out of range.")
