"""Relative-attention encoder stack and the text encoder: spec "model-synthesizer" section 3.

B utterances, C channels, T slots (or frames), H heads, D = C / H. Masks are [B, 1, T], 1 where real.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, layer_norm, pad

from sokuon_training.config import (
    LANGUAGE_COUNT,
    SPEAKER_LAYER,
    STYLE_WIDTH,
    SYMBOL_COUNT,
    TONE_COUNT,
    WINDOW,
    ModelConfig,
)

MASKED_SCORE = -1e4


class ChannelNorm(nn.Module):
    """Layer norm over channels of [B, C, T]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return layer_norm(x.transpose(1, 2), self.gamma.shape, self.gamma, self.beta, 1e-5).transpose(1, 2)


class RelativeAttention(nn.Module):
    """Self-attention with learned embeddings for offsets -WINDOW .. WINDOW (Shaw et al. 2018), shared by the heads."""

    def __init__(self, channels: int, heads: int, drop: float) -> None:
        super().__init__()
        self.heads, self.width, self.drop = heads, channels // heads, drop
        for name in ("conv_q", "conv_k", "conv_v", "conv_o"):
            conv = nn.Conv1d(channels, channels, 1)
            nn.init.xavier_uniform_(conv.weight)
            setattr(self, name, conv)
        spread = self.width**-0.5
        self.emb_rel_k = nn.Parameter(torch.randn(1, 2 * WINDOW + 1, self.width) * spread)
        self.emb_rel_v = nn.Parameter(torch.randn(1, 2 * WINDOW + 1, self.width) * spread)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = (self._split(conv(x)) for conv in (self.conv_q, self.conv_k, self.conv_v))  # [B, H, T, D]
        offset, inside = offsets(x.shape[2], x.device)
        near = torch.matmul(q, self.emb_rel_k[0].T)  # [B, H, T, 2W + 1]
        scores = torch.matmul(q, k.transpose(2, 3)) + near.gather(3, offset.expand(*q.shape[:2], -1, -1)) * inside
        allowed = mask.unsqueeze(2) * mask.unsqueeze(3)  # [B, 1, T, T]
        weights = (scores / math.sqrt(self.width)).masked_fill(allowed == 0, MASKED_SCORE).softmax(-1)
        weights = dropout(weights, self.drop, self.training)
        banded = torch.zeros_like(near).scatter_add_(3, offset.expand(*q.shape[:2], -1, -1), weights * inside)
        mixed = torch.matmul(weights, v) + torch.matmul(banded, self.emb_rel_v[0])
        out: Tensor = self.conv_o(mixed.transpose(2, 3).reshape(x.shape))
        return out

    def _split(self, x: Tensor) -> Tensor:
        """[B, C, T] -> [B, H, T, D]"""
        return x.view(len(x), self.heads, self.width, -1).transpose(2, 3)


def offsets(length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """(column of the relative embedding for key j seen from query i, 1 where |j - i| <= WINDOW), both [T, T]."""
    position = torch.arange(length, device=device)
    delta = position[None, :] - position[:, None]
    return delta.clamp(-WINDOW, WINDOW) + WINDOW, (delta.abs() <= WINDOW).float()


class FeedForward(nn.Module):
    """Two convolutions of one kernel with a ReLU between."""

    def __init__(self, channels: int, inner: int, kernel: int, drop: float) -> None:
        super().__init__()
        self.conv_1 = nn.Conv1d(channels, inner, kernel)
        self.conv_2 = nn.Conv1d(inner, channels, kernel)
        self.padding = ((kernel - 1) // 2, kernel // 2)
        self.drop = drop

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y = self.conv_1(pad(x * mask, self.padding)).relu()
        y = dropout(y, self.drop, self.training)
        out: Tensor = self.conv_2(pad(y * mask, self.padding)) * mask
        return out


@dataclass(frozen=True)
class StackSize:
    """Sizes of one encoder stack."""

    channels: int
    filter_channels: int
    heads: int
    layers: int
    kernel: int
    speaker_channels: int
    dropout: float = 0.0


class EncoderStack(nn.Module):
    """Post-norm transformer; the speaker vector enters before layer SPEAKER_LAYER."""

    def __init__(self, size: StackSize) -> None:
        super().__init__()
        self.drop = size.dropout
        c, layers = size.channels, range(size.layers)
        self.spk_emb_linear = nn.Linear(size.speaker_channels, c)
        self.attn_layers = nn.ModuleList(RelativeAttention(c, size.heads, size.dropout) for _ in layers)
        self.norm_layers_1 = nn.ModuleList(ChannelNorm(c) for _ in layers)
        self.ffn_layers = nn.ModuleList(FeedForward(c, size.filter_channels, size.kernel, size.dropout) for _ in layers)
        self.norm_layers_2 = nn.ModuleList(ChannelNorm(c) for _ in layers)

    def forward(self, x: Tensor, mask: Tensor, g: Tensor) -> Tensor:
        """x [B, C, T], mask [B, 1, T], g [B, G, 1] -> [B, C, T]"""
        x = x * mask
        layers = zip(self.attn_layers, self.norm_layers_1, self.ffn_layers, self.norm_layers_2, strict=True)
        for i, (attention, norm_1, feed_forward, norm_2) in enumerate(layers):
            if i == SPEAKER_LAYER:
                x = (x + self.spk_emb_linear(g.transpose(1, 2)).transpose(1, 2)) * mask
            x = norm_1(x + dropout(attention(x, mask), self.drop, self.training))
            x = norm_2(x + dropout(feed_forward(x, mask), self.drop, self.training))
        return x * mask


@dataclass(frozen=True)
class TextInput:
    """What the text encoder eats; T slots."""

    symbols: Tensor  # [B, T] ids
    tones: Tensor  # [B, T] ids
    languages: Tensor  # [B, T] ids
    bert: Tensor  # [B, bert_width, T]
    style: Tensor  # [B, STYLE_WIDTH]
    mask: Tensor  # [B, 1, T]


class TextEncoder(nn.Module):
    """Slots to hidden states h and the prior's mean and log standard deviation, all [B, C, T]."""

    def __init__(self, config: ModelConfig, drop: float = 0.0) -> None:
        super().__init__()
        c = config.channels
        self.channels = c
        self.emb = nn.Embedding(SYMBOL_COUNT, c)
        self.tone_emb = nn.Embedding(TONE_COUNT, c)
        self.language_emb = nn.Embedding(LANGUAGE_COUNT, c)
        for embedding in (self.emb, self.tone_emb, self.language_emb):
            nn.init.normal_(embedding.weight, 0.0, c**-0.5)
        self.bert_proj = nn.Conv1d(config.bert_width, c, 1)
        self.style_proj = nn.Linear(STYLE_WIDTH, c)
        self.encoder = EncoderStack(
            StackSize(
                c,
                config.filter_channels,
                config.n_heads,
                config.n_layers,
                config.kernel_size,
                config.gin_channels,
                drop,
            )
        )
        self.proj = nn.Conv1d(c, 2 * c, 1)

    def forward(self, text: TextInput, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        e = self.emb(text.symbols) + self.tone_emb(text.tones) + self.language_emb(text.languages)  # [B, T, C]
        e = e.transpose(1, 2) + self.bert_proj(text.bert) + self.style_proj(text.style).unsqueeze(2)
        h = self.encoder(math.sqrt(self.channels) * e, text.mask, g)
        mean, log_std = (self.proj(h) * text.mask).chunk(2, 1)
        return h, mean, log_std
