"""Tiny models with random weights, in the layout their authors publish, made from a seed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sokuon.storage.tensors import F32, TensorFileWriter

SPECIAL_TOKENS = ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]")


@dataclass(frozen=True)
class TinyBert:
    """Sizes of a random DeBERTa-v2; the last two of `layers` are the ones no feature needs."""

    hidden_size: int = 32
    heads: int = 4
    intermediate_size: int = 48
    layers: int = 4
    position_buckets: int = 16
    max_position: int = 40
    conv_kernel: int = 3
    prefix: str = ""
    dead_layers: bool = True

    def config(self, vocab_size: int) -> dict[str, Any]:
        """The Hugging Face config.json."""
        return {
            "model_type": "deberta-v2",
            "hidden_size": self.hidden_size,
            "num_attention_heads": self.heads,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.layers,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-7,
            "vocab_size": vocab_size,
            "pad_token_id": 0,
            "type_vocab_size": 0,
            "relative_attention": True,
            "position_buckets": self.position_buckets,
            "max_relative_positions": -1,
            "max_position_embeddings": self.max_position,
            "pos_att_type": ["p2c", "c2p"],
            "share_att_key": True,
            "norm_rel_ebd": "layer_norm",
            "position_biased_input": False,
        } | ({"conv_kernel_size": self.conv_kernel, "conv_act": "gelu"} if self.conv_kernel else {})


def make_tiny_bert(folder: Path, seed: int, shape: TinyBert | None = None) -> None:
    """Write config.json, vocab.txt and model.safetensors of a random character BERT into `folder`."""
    shape = shape or TinyBert()
    vocabulary = [*SPECIAL_TOKENS, *tiny_characters()]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(shape.config(len(vocabulary))), encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    with TensorFileWriter(folder / "model.safetensors") as weights:
        for name, tensor in bert_tensors(shape, len(vocabulary), np.random.default_rng(seed)):
            weights.add(shape.prefix + name, tensor)


def tiny_characters() -> list[str]:
    """Kana, common kanji, Latin letters, digits and punctuation."""
    kana = [chr(c) for c in (*range(0x3041, 0x3097), *range(0x30A1, 0x30FB))]
    kanji = "日本語今天気私東京人大小中上下山川田年月火水木金土一二三四五六七八九十百千万円時分秒"
    kanji += "音声速旅途不思議街辿着少寄道行"
    ascii_characters = [chr(c) for c in range(0x21, 0x7F)]
    return [*kana, "ー", *kanji, "。", "、", *ascii_characters]


def bert_tensors(shape: TinyBert, vocab_size: int, random: np.random.Generator) -> Iterator[tuple[str, F32]]:
    """Name and tensor of every parameter, in the spelling without prefix."""
    hidden = shape.hidden_size

    def norm(name: str) -> Iterator[tuple[str, F32]]:
        yield f"{name}.weight", _f32(1 + 0.2 * random.standard_normal(hidden))
        yield f"{name}.bias", _f32(0.2 * random.standard_normal(hidden))

    def dense(name: str, out: int, into: int) -> Iterator[tuple[str, F32]]:
        yield f"{name}.weight", _f32(random.standard_normal((out, into)) / np.sqrt(into))
        yield f"{name}.bias", _f32(0.2 * random.standard_normal(out))

    yield "embeddings.word_embeddings.weight", _f32(random.standard_normal((vocab_size, hidden)))
    yield from norm("embeddings.LayerNorm")
    yield "encoder.rel_embeddings.weight", _f32(random.standard_normal((2 * shape.position_buckets, hidden)))
    yield from norm("encoder.LayerNorm")
    if shape.conv_kernel:
        kernel = random.standard_normal((hidden, hidden, shape.conv_kernel))
        yield "encoder.conv.conv.weight", _f32(kernel / np.sqrt(hidden * shape.conv_kernel))
        yield "encoder.conv.conv.bias", _f32(0.2 * random.standard_normal(hidden))
        yield from norm("encoder.conv.LayerNorm")
    for i in range(shape.layers if shape.dead_layers else shape.layers - 2):
        layer = f"encoder.layer.{i}"
        for part in ("query", "key", "value"):
            yield from dense(f"{layer}.attention.self.{part}_proj", hidden, hidden)
        yield from dense(f"{layer}.attention.output.dense", hidden, hidden)
        yield from norm(f"{layer}.attention.output.LayerNorm")
        yield from dense(f"{layer}.intermediate.dense", shape.intermediate_size, hidden)
        yield from dense(f"{layer}.output.dense", hidden, shape.intermediate_size)
        yield from norm(f"{layer}.output.LayerNorm")


def _f32(array: npt.ArrayLike) -> F32:
    return np.asarray(array, np.float32)
