"""DeBERTa-v2 as a graph of feature rows: Hugging Face folder → converted BERT folder.

Only what hidden state -3 needs is written: no heads, not the last two layers. The normalised embedding table stays
outside the graph (the host gathers rows), and the relative projections PQ and PK, which depend on weights alone, are
computed here once. Equations: spec model-bert section 3.

Letters: S tokens, H hidden width, N heads, D head width, B position buckets, W = 2·S relative positions.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sokuon import contracts
from sokuon.bert import EMBEDDINGS, MANIFEST, VOCABULARY, WEIGHTS, Manifest
from sokuon.convert.deberta_config import UNUSED_LAYERS, DebertaConfig, read_config
from sokuon.convert.graph import Graph, Value
from sokuon.convert.quantize import Precision, Products, Weight, products_for
from sokuon.convert.torch_file import TorchFile
from sokuon.convert.weights import Checkpoint
from sokuon.errors import VoiceNotFoundError
from sokuon.folders import replacing_folder
from sokuon.tensors import F32, TensorFile, TensorFileWriter

Progress = Callable[[float], None]

_PREFIX = "deberta."  # masked-LM checkpoints carry it
_DEAD = (
    r"cls\..*",
    r"lm_predictions\..*",
    r"mask_predictions\..*",
    r".*position_ids",
    r"embeddings\.position_embeddings\..*",
)
_TERMS = 3  # content, content to position, position to content: the scores are divided by sqrt(3 D)
_TO_END = np.iinfo(np.int64).max
_CONTRIB = "com.microsoft"
_BLOCK_ROWS = 1024  # of the embedding table at a time, to keep little in memory


def convert_bert(
    source: Path,
    target: Path,
    precision: Precision = Precision.FP32,
    progress: Progress = lambda _: None,
) -> None:
    """Convert the Hugging Face folder `source` into folder `target`, whole or not at all.

    `progress` is called with the fraction done, 0 to 1. Raises VoiceError (unsupported or damaged),
    VoiceNotFoundError (a file is missing) or WeightError (a tensor is missing, unknown or misshaped).
    """
    config = read_config(source / "config.json")
    vocabulary = source / "vocab.txt"
    if not vocabulary.is_file():
        raise VoiceNotFoundError(f"{vocabulary} does not exist; the character BERT needs its vocabulary.")
    path, tensors = open_weights(source)
    checkpoint = Checkpoint(_without_prefix(tensors), path)
    with replacing_folder(target, MANIFEST) as folder:
        with TensorFileWriter(folder / WEIGHTS) as weights:
            _write_embeddings(config, checkpoint, weights, np.float32)
            graph = Graph(contracts.BERT, weights)
            features = _encoder(_Writer(graph, checkpoint, config, products_for(precision)), progress)
            graph.save(folder, [features])
        checkpoint.finish([*_DEAD, *_dead_layers(config)])
        shutil.copyfile(vocabulary, folder / VOCABULARY)
        _manifest(config, precision, source).write(folder)
    progress(1.0)


def open_weights(source: Path) -> tuple[Path, Mapping[str, npt.NDArray[Any]]]:
    """The checkpoint of a Hugging Face folder, safetensors preferred."""
    safe, pickled = source / "model.safetensors", source / "pytorch_model.bin"
    if safe.is_file():
        return safe, TensorFile(safe)
    if pickled.is_file():
        return pickled, TorchFile(pickled)
    raise VoiceNotFoundError(f"{source} holds neither model.safetensors nor pytorch_model.bin.")


class _Renamed(Mapping[str, npt.NDArray[Any]]):
    """A mapping under new names."""

    def __init__(self, tensors: Mapping[str, npt.NDArray[Any]], names: dict[str, str]) -> None:
        self._tensors = tensors
        self._names = names  # new → old

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self._tensors[self._names[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _without_prefix(tensors: Mapping[str, npt.NDArray[Any]]) -> Mapping[str, npt.NDArray[Any]]:
    return _Renamed(tensors, {name.removeprefix(_PREFIX): name for name in tensors})


def _dead_layers(config: DebertaConfig) -> list[str]:
    return [rf"encoder\.layer\.{config.layers + i}\..*" for i in range(UNUSED_LAYERS)]


def _manifest(config: DebertaConfig, precision: Precision, source: Path) -> Manifest:
    return Manifest(
        precision=precision.value,
        hidden_size=config.hidden_size,
        layers=config.layers,
        vocab_size=config.vocab_size,
        position_buckets=config.position_buckets,
        max_position=config.max_position,
        conv_kernel=config.conv_kernel,
        source=source.name,
    )


def _write_embeddings(
    config: DebertaConfig, checkpoint: Checkpoint, weights: TensorFileWriter, dtype: npt.DTypeLike
) -> None:
    """The word table [vocabulary, H], its layer norm applied: what the graph would do to each token row."""
    table = checkpoint.take("embeddings.word_embeddings.weight", (config.vocab_size, config.hidden_size))
    gain, bias = _norm(checkpoint, "embeddings.LayerNorm", config)
    out = np.empty(table.shape, dtype)
    for start in range(0, len(table), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        out[rows] = layer_norm(table[rows], gain, bias, config.norm_epsilon)
    weights.add(EMBEDDINGS, out)


def _norm(checkpoint: Checkpoint, name: str, config: DebertaConfig) -> tuple[F32, F32]:
    shape = (config.hidden_size,)
    return checkpoint.take(f"{name}.weight", shape), checkpoint.take(f"{name}.bias", shape)


def layer_norm(rows: F32, gain: F32, bias: F32, epsilon: float) -> F32:
    """Layer norm over the last axis, in float64 inside."""
    x = rows.astype(np.float64)
    x -= x.mean(axis=-1, keepdims=True)
    x /= np.sqrt((x**2).mean(axis=-1, keepdims=True) + epsilon)
    return (x * gain + bias).astype(np.float32)


@dataclass(frozen=True)
class _Writer:
    """Everything the emitters share."""

    graph: Graph
    checkpoint: Checkpoint
    config: DebertaConfig
    products: Products

    def take(self, name: str, *shape: int) -> F32:
        return self.checkpoint.take(name, shape)

    def const(self, name: str, array: npt.NDArray[Any]) -> Value:
        return self.graph.const(np.ascontiguousarray(array), name)


@dataclass(frozen=True)
class _Frame:
    """Values all layers read: `mask` added to the scores, `buckets` int64 [W], `length` int64 [1] = S, and the reshapes
    [2N, S, W] → [2N, W, S] → [2N, S, W - 1]; `relations` is the normed position table [2B, H]."""

    mask: Value
    buckets: Value
    length: Value
    by_position: Value
    by_token: Value
    relations: F32


def _encoder(w: _Writer, progress: Progress) -> Value:
    """Embedding rows [S, H] → features [S, H]."""
    embeddings = w.graph.input("embeddings")
    frame = _frame(w, embeddings)
    x = embeddings
    for i in range(w.config.layers):
        with w.graph.scope(f"encoder.layer.{i}"):
            x = _layer(w, f"encoder.layer.{i}", x, frame)
        if i == 0 and w.config.conv_kernel:
            x = _convolution(w, embeddings, x)
        progress((i + 1) / (w.config.layers + 1))
    return x


def _frame(w: _Writer, embeddings: Value) -> _Frame:
    g, c = w.graph, w.config
    length = g.op("Slice", g.op("Shape", embeddings), g.const([0]), g.const([1]))
    heads, rest = g.const([2 * c.heads]), g.const([-1])
    table = w.take("encoder.rel_embeddings.weight", 2 * c.position_buckets, c.hidden_size)
    return _Frame(
        mask=g.input("mask"),
        buckets=g.input("buckets"),
        length=length,
        by_position=g.op("Concat", heads, rest, length, axis=0),
        by_token=g.op("Concat", heads, length, rest, axis=0),
        relations=layer_norm(table, *_norm(w.checkpoint, "encoder.LayerNorm", c), c.norm_epsilon),
    )


def _layer(w: _Writer, name: str, x: Value, frame: _Frame) -> Value:
    """x [S, H] → attention → + x, norm → feed forward → + , norm → [S, H]."""
    c, g = w.config, w.graph
    context = _attention(w, f"{name}.attention.self", x, frame)
    y = _product(w, f"{name}.attention.output.dense", context, c.attention_size, c.hidden_size)
    x = _add_and_norm(w, f"{name}.attention.output", y, x)
    inner = _product(w, f"{name}.intermediate.dense", x, c.hidden_size, c.intermediate_size)
    bias = w.const(f"{name}.intermediate.dense.bias", w.take(f"{name}.intermediate.dense.bias", c.intermediate_size))
    inner = g.op("BiasGelu", inner, bias, domain=_CONTRIB)  # exact: 0.5 x (1 + erf(x / sqrt 2))
    y = _product(w, f"{name}.output.dense", inner, c.intermediate_size, c.hidden_size)
    return _add_and_norm(w, f"{name}.output", y, x)


def _product(w: _Writer, name: str, x: Value, size_in: int, size_out: int) -> Value:
    """x [S, in] · Wᵀ → [S, out], without the bias."""
    weight = Weight(f"{name}.weight", w.take(f"{name}.weight", size_out, size_in).T)
    return w.products.product(w.graph, w.products.prepare(w.graph, x), weight)


def _add_and_norm(w: _Writer, name: str, y: Value, x: Value) -> Value:
    """Layer norm of y + bias of `name`.dense + x, one node."""
    gain, shift = _norm(w.checkpoint, f"{name}.LayerNorm", w.config)
    names = (f"{name}.LayerNorm.weight", f"{name}.LayerNorm.bias", f"{name}.dense.bias")
    constants = [
        w.const(n, a) for n, a in zip(names, (gain, shift, w.take(names[2], w.config.hidden_size)), strict=True)
    ]
    return w.graph.op("SkipLayerNormalization", y, x, *constants, domain=_CONTRIB, epsilon=w.config.norm_epsilon)


def _attention(w: _Writer, name: str, x: Value, frame: _Frame) -> Value:
    """Disentangled attention, [S, H] → [S, N·D].

    x ─ product ─ + bias ─ [3N, S, D] ─┬─ q, k ── q · kᵀ ──────────────────────── + ─ + mask ─ softmax ─ · v
                                       ├─ [q; k] · relative tableᵀ ─ skew ─ split ─┘  (p2c transposed)
                                       └─ v
    """
    c, g = w.config, w.graph
    matrix, bias = _query_key_value(w, name)
    qkv = w.products.product(g, w.products.prepare(g, x), Weight(f"{name}.qkv.weight", matrix))
    qkv = g.op("Add", qkv, w.const(f"{name}.qkv.bias", bias))
    heads = g.op("Reshape", qkv, g.const([0, 3 * c.heads, c.head_size]))  # [S, 3N, D]
    heads = g.op("Transpose", heads, perm=[1, 0, 2])  # [3N, S, D]
    qk, v = g.ops("Split", heads, g.const([2 * c.heads, c.heads]), outputs=2, axis=0)
    q, k = g.ops("Split", qk, outputs=2, axis=0)  # [N, S, D] each
    relative = _relative_table(w, f"{name}.relative", frame, matrix, bias)  # [2N, W, D]
    to_position, from_position = _skewed(g, qk, relative, frame)
    scores = g.op("FusedMatMul", q, k, domain=_CONTRIB, transB=1)  # [N, S, S]
    scores = g.op("Add", g.op("Add", scores, to_position), g.op("Transpose", from_position, perm=[0, 2, 1]))
    weights = g.op("Softmax", g.op("Add", scores, frame.mask), axis=-1)
    context = g.op("Transpose", g.op("MatMul", weights, v), perm=[1, 0, 2])  # [S, N, D]
    return g.op("Reshape", context, g.const([0, c.attention_size]))


def _query_key_value(w: _Writer, name: str) -> tuple[F32, F32]:
    """Matrix [H, 3·N·D] and bias of the three projections as one; 1 / sqrt(3 D) is folded into the query's, and so into
    PQ, which is made from it: every score is a product with exactly one of the two."""
    c = w.config
    scale = np.float32(1 / np.sqrt(_TERMS * c.head_size))
    matrices, biases = [], []
    for part, factor in (("query", scale), ("key", None), ("value", None)):
        matrix = w.take(f"{name}.{part}_proj.weight", c.attention_size, c.hidden_size).T
        bias = w.take(f"{name}.{part}_proj.bias", c.attention_size)
        matrices.append(matrix if factor is None else matrix * factor)
        biases.append(bias if factor is None else bias * factor)
    return np.concatenate(matrices, axis=1), np.concatenate(biases)


def _relative_table(w: _Writer, name: str, frame: _Frame, matrix: F32, bias: F32) -> Value:
    """Rows of PK (for queries) and PQ (for keys) by relative position, [2N, W, D].

    Row m of the stored table [2N, 2B + 1, D] belongs to bucket m - B: PQ for the bucket itself, PK for its negative,
    so that one list of rows serves both halves.
    """
    c = w.config
    size, reach = c.attention_size, c.position_buckets
    projected = frame.relations @ matrix[:, : 2 * size] + bias[: 2 * size]  # [2B, 2·N·D]: PQ beside PK
    rows = np.arange(2 * reach + 1)
    last = 2 * reach - 1  # the model has no row of its own for the farthest positive bucket
    queries = projected[np.minimum(2 * reach - rows, last), size:]
    keys = projected[np.minimum(rows, last), :size]
    table = np.stack([queries, keys]).reshape(2, len(rows), c.heads, c.head_size).transpose(0, 2, 1, 3)
    stored = w.const(name, table.reshape(2 * c.heads, len(rows), c.head_size))
    return w.graph.op("Gather", stored, frame.buckets, axis=1)


def _skewed(g: Graph, qk: Value, relative: Value, frame: _Frame) -> list[Value]:
    """Products with the relative rows, shifted so that column j of row i is their position: two of [N, S, S].

    In [2N, S, W], row i holds relative position j - i in column j - i + S. Read as one line, that is place
    S + i·(W - 1) + j: without its first S numbers the line is a matrix of width W - 1 that begins with the S columns
    of the result.
    """
    products = g.op("FusedMatMul", qk, relative, domain=_CONTRIB, transB=1)  # [2N, S, W]
    line = g.op("Slice", g.op("Reshape", products, frame.by_position), g.const([1]), g.const([_TO_END]), g.const([1]))
    matrix = g.op("Reshape", line, frame.by_token)  # [2N, S, W - 1]
    square = g.op("Slice", matrix, g.const([0]), frame.length, g.const([2]))
    return g.ops("Split", square, outputs=2, axis=0)


def _convolution(w: _Writer, embeddings: Value, x: Value) -> Value:
    """LN(x + GELU(conv(embeddings))): the convolution as one product over K neighbouring rows, zero beyond the ends."""
    c, g = w.config, w.graph
    half, kernel, hidden = c.conv_kernel // 2, c.conv_kernel, c.hidden_size
    taps = (
        w.take("encoder.conv.conv.weight", hidden, hidden, kernel).transpose(2, 1, 0).reshape(kernel * hidden, hidden)
    )
    padded = g.op("Pad", embeddings, g.const([half, 0, half, 0]))
    ends = [g.const([i + 1 - kernel]) if i + 1 < kernel else g.const([_TO_END]) for i in range(kernel)]
    shifted = [g.op("Slice", padded, g.const([i]), ends[i], g.const([0])) for i in range(kernel)]
    rows = g.op("Concat", *shifted, axis=1)  # [S, K·H]
    y = w.products.product(g, w.products.prepare(g, rows), Weight("encoder.conv.conv.weight", taps))
    bias = w.const("encoder.conv.conv.bias", w.take("encoder.conv.conv.bias", hidden))
    y = g.op("BiasGelu", y, bias, domain=_CONTRIB)
    gain, shift = _norm(w.checkpoint, "encoder.conv.LayerNorm", c)
    constants = (w.const("encoder.conv.LayerNorm.weight", gain), w.const("encoder.conv.LayerNorm.bias", shift))
    return g.op("SkipLayerNormalization", y, x, *constants, domain=_CONTRIB, epsilon=c.norm_epsilon)
