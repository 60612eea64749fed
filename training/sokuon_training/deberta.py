"""A small character DeBERTa-v2 (He et al. 2021) in torch, by the spec "model-bert"; trained with the acoustic model.

The engine reads hidden state -3, so the last two of `num_hidden_layers` are dead: only the live ones exist here, and
the export writes zeros for the dead ones so that any DeBERTa-v2 loader accepts the folder.
S tokens, W width, H heads.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, gelu

from sokuon_training.export import write_tensors

DEAD_LAYERS = 2
SPECIALS = ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]")
PAD_ID, CLS_ID, SEP_ID, UNK_ID, MASK_ID = range(5)


@dataclass(frozen=True)
class BertConfig:
    """Sizes; `live_layers` = num_hidden_layers - 2."""

    vocab_size: int
    hidden_size: int = 96
    live_layers: int = 2
    num_attention_heads: int = 4
    intermediate_size: int = 384
    position_buckets: int = 32
    max_position_embeddings: int = 512
    layer_norm_eps: float = 1e-7

    def huggingface(self) -> dict[str, Any]:
        """The contents of config.json."""
        sizes = {k: v for k, v in asdict(self).items() if k != "live_layers"}
        return {
            "model_type": "deberta-v2",
            "architectures": ["DebertaV2Model"],
            **sizes,
            "num_hidden_layers": self.live_layers + DEAD_LAYERS,
            "attention_head_size": self.hidden_size // self.num_attention_heads,
            "hidden_act": "gelu",
            "conv_act": "gelu",
            "conv_kernel_size": 3,
            "conv_groups": 1,
            "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1,
            "initializer_range": 0.02,
            "max_relative_positions": -1,
            "norm_rel_ebd": "layer_norm",
            "pad_token_id": PAD_ID,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
            "relative_attention": True,
            "share_att_key": True,
            "type_vocab_size": 0,
        }


def bucket(distance: Tensor, config: BertConfig) -> Tensor:
    """Row of the relative embedding for distance query - key: exact near by, logarithmic far away."""
    middle = config.position_buckets // 2
    far = distance.abs().clamp_min(middle).double()
    span = math.log((config.max_position_embeddings - 1) / middle)
    logarithmic = torch.ceil((far / middle).log() / span * (middle - 1)) + middle
    signed = torch.where(distance.abs() <= middle, distance, logarithmic.long() * distance.sign())
    return (signed + config.position_buckets).clamp(0, 2 * config.position_buckets - 1)


class SelfAttention(nn.Module):
    """Disentangled attention with shared keys: content to content, content to position, position to content."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        w = config.hidden_size
        self.heads = config.num_attention_heads
        self.query_proj, self.key_proj, self.value_proj = nn.Linear(w, w), nn.Linear(w, w), nn.Linear(w, w)

    def _split(self, x: Tensor) -> Tensor:
        """[..., n, W] -> [..., H, n, W / H]"""
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)

    def forward(self, x: Tensor, relative: Tensor, index: Tensor, allowed: Tensor) -> Tensor:
        """x [B, S, W], relative [R, W], index [S, S] rows of relative, allowed [B, 1, S, S] -> [B, S, W]"""
        q, k, v = (self._split(p(x)) for p in (self.query_proj, self.key_proj, self.value_proj))
        position_k, position_q = self._split(self.key_proj(relative)), self._split(self.query_proj(relative))
        grid = index.expand(len(x), self.heads, -1, -1)
        c2p = (q @ position_k.transpose(-1, -2)).gather(-1, grid)
        p2c = (k @ position_q.transpose(-1, -2)).gather(-1, grid.transpose(-1, -2)).transpose(-1, -2)
        scores = (q @ k.transpose(-1, -2) + c2p + p2c) / math.sqrt(q.shape[-1] * 3)
        weights = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min).softmax(-1)
        return (weights @ v).transpose(-2, -3).flatten(-2)


class Dense(nn.Module):
    """A linear layer under the name `dense`, with the norm of a residual where there is one."""

    def __init__(self, inner: int, outer: int, eps: float | None = None) -> None:
        super().__init__()
        self.dense = nn.Linear(inner, outer)
        if eps is not None:
            self.LayerNorm = nn.LayerNorm(outer, eps)


class Attention(nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.self = SelfAttention(config)
        self.output = Dense(config.hidden_size, config.hidden_size, config.layer_norm_eps)


class Layer(nn.Module):
    """One transformer layer, post-norm."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.intermediate = Dense(config.hidden_size, config.intermediate_size)
        self.output = Dense(config.intermediate_size, config.hidden_size, config.layer_norm_eps)

    def forward(self, x: Tensor, relative: Tensor, index: Tensor, allowed: Tensor) -> Tensor:
        a = self.attention.output.dense(self.attention.self(x, relative, index, allowed))
        y = self.attention.output.LayerNorm(a + x)
        out: Tensor = self.output.LayerNorm(self.output.dense(gelu(self.intermediate.dense(y))) + y)
        return out


class ConvLayer(nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.conv = nn.Conv1d(config.hidden_size, config.hidden_size, 3, padding=1)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)


class Encoder(nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(config) for _ in range(config.live_layers))
        self.rel_embeddings = nn.Embedding(2 * config.position_buckets, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.conv = ConvLayer(config)


class Embeddings(nn.Module):
    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)


class Deberta(nn.Module):
    """Token ids to the hidden state the engine reads (the output of the last live layer)."""

    def __init__(self, config: BertConfig, drop: float = 0.0) -> None:
        super().__init__()
        self.config, self.drop = config, drop
        self.embeddings = Embeddings(config)
        self.encoder = Encoder(config)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids [B, S], mask [B, S] (1 where real) -> [B, S, W]"""
        keep = mask.unsqueeze(2).float()
        e = self.embeddings.LayerNorm(self.embeddings.word_embeddings(ids)) * keep  # [B, S, W]
        e = dropout(e, self.drop, self.training)
        relative = self.encoder.LayerNorm(self.encoder.rel_embeddings.weight)
        position = torch.arange(ids.shape[1], device=ids.device)
        index = bucket(position[:, None] - position[None, :], self.config)
        allowed = (mask[:, None, :, None] * mask[:, None, None, :]) > 0
        x = e
        for i, layer in enumerate(self.encoder.layer):
            x = layer(x, relative, index, allowed)
            if i == 0:
                c = gelu(self.encoder.conv.conv(e.transpose(1, 2)).transpose(1, 2) * keep)
                x = self.encoder.conv.LayerNorm(x + c) * keep
        return x


def tokens(text: str, vocabulary: dict[str, int]) -> list[int]:
    """Ids of one text, one per character, with both ends."""
    return [CLS_ID, *(vocabulary.get(c, UNK_ID) for c in text), SEP_ID]


def save_bert(tensors: dict[str, Tensor], config: BertConfig, vocabulary: list[str], folder: Path) -> None:
    """Write a BERT folder: config.json, vocab.txt (one entry a line), model.safetensors with zeros for dead layers."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config.huggingface(), indent=2) + "\n", encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    tensors = dict(tensors)
    for key in [k for k in tensors if k.startswith("encoder.layer.0.")]:
        for dead in range(DEAD_LAYERS):
            name = key.replace("layer.0.", f"layer.{config.live_layers + dead}.", 1)
            tensors[name] = torch.zeros_like(tensors[key])
    write_tensors(tensors, folder / "model.safetensors")


def random_bert(config: BertConfig, folder: Path, vocabulary: list[str], seed: int = 0) -> Deberta:
    """Save a random BERT folder and return the model behind it (live layers only)."""
    torch.manual_seed(seed)
    model = Deberta(config).eval()
    save_bert(dict(model.state_dict()), config, [*SPECIALS, *vocabulary], folder)
    return model
