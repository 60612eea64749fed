"""DeBERTa-v2 as a graph of feature rows: Hugging Face folder → converted BERT folder.

Only what hidden state -3 needs is written: no heads, not the last two layers. The normalised embedding table stays
outside the graph (the host gathers rows), and the relative projections PQ and PK, which depend on weights alone, are
computed here once. Equations: spec model-bert section 3.

Letters: S tokens, H hidden width, N heads, D head width, B position buckets, W = 2·S relative positions.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sokuon.convert import exact
from sokuon.convert.bert_config import UNUSED_LAYERS, DebertaConfig, read_config
from sokuon.convert.graph import Graph, Value
from sokuon.convert.products import (
    GELU_FLOOR,
    Known,
    Linear,
    Precision,
    Products,
    products_for,
    table_type,
)
from sokuon.convert.rehearsal import Chosen, Rehearsal, centre, sentences
from sokuon.convert.torch_file import TorchFile
from sokuon.convert.weights import Checkpoint, Releasable
from sokuon.errors import VoiceError
from sokuon.formats import contracts
from sokuon.formats.bert import EMBEDDINGS, MANIFEST, VOCABULARY, WEIGHTS, Manifest, Vocabulary, bucket
from sokuon.storage.folders import replacing_folder
from sokuon.storage.tensors import F32, TensorFile, TensorFileWriter
from sokuon.voices.published import find_bert_weights

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
_BY_HEAD = {"transBatchA": 1, "transBatchB": 1}  # operands lie as [rows, heads, D], multiply as [heads, rows, D]
_FLOAT = 1  # ONNX's number for float32
_TO_END = np.iinfo(np.int64).max
_CONTRIB = "com.microsoft"
_REHEARSED = (Precision.Q8, Precision.Q4)
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
    if len(Vocabulary(vocabulary)) > config.vocab_size:
        raise VoiceError(f"{vocabulary} has more tokens than the BERT has rows; take the file of the model.")
    path, tensors = open_weights(source)
    checkpoint = Checkpoint(_without_prefix(tensors), path)
    with replacing_folder(target, MANIFEST) as folder:
        with TensorFileWriter(folder / WEIGHTS) as weights:
            table = _write_embeddings(config, checkpoint, weights, table_type(precision))
            rehearsal, rows = _rehearsal(config, table, vocabulary, precision)
            del table
            graph = Graph(contracts.BERT, weights)
            writer = _Writer(graph, checkpoint, config, products_for(precision), table_type(precision), rehearsal)
            graph.save(folder, [_encoder(writer, rows, progress)])
        checkpoint.finish([*_DEAD, *_dead_layers(config)])
        shutil.copyfile(vocabulary, folder / VOCABULARY)
        _manifest(config, precision, source).write(folder)
    progress(1.0)


def open_weights(source: Path) -> tuple[Path, Mapping[str, npt.NDArray[Any]]]:
    """The checkpoint of a Hugging Face folder, safetensors preferred."""
    path = find_bert_weights(source)
    return path, TensorFile(path) if path.suffix == ".safetensors" else TorchFile(path)


class _Renamed(Mapping[str, npt.NDArray[Any]]):
    """A mapping under new names."""

    def __init__(self, tensors: Mapping[str, npt.NDArray[Any]], names: dict[str, str]) -> None:
        self._tensors = tensors
        self._names = names  # new → old

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self._tensors[self._names[name]]

    def release(self) -> None:
        """See Checkpoint.release."""
        if isinstance(self._tensors, Releasable):
            self._tensors.release()

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
        heads=config.heads,
        head_size=config.head_size,
        intermediate_size=config.intermediate_size,
        norm_epsilon=config.norm_epsilon,
        source=source.name,
    )


def _write_embeddings(
    config: DebertaConfig, checkpoint: Checkpoint, weights: TensorFileWriter, dtype: npt.DTypeLike
) -> npt.NDArray[Any]:
    """The word table [vocabulary, H], its layer norm applied: what the graph would do to each token row."""
    table = checkpoint.take("embeddings.word_embeddings.weight", (config.vocab_size, config.hidden_size))
    gain, bias = _norm(checkpoint, "embeddings.LayerNorm", config)
    out = np.empty(table.shape, dtype)
    for start in range(0, len(table), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        out[rows] = exact.layer_norm(table[rows], gain, bias, config.norm_epsilon)
    weights.add(EMBEDDINGS, out)
    return out


def _rehearsal(
    config: DebertaConfig, table: npt.NDArray[Any], vocabulary: Path, precision: Precision
) -> tuple[Rehearsal | None, F32 | None]:
    """The rehearsal and its embedding rows, for the precisions that are rounded by one."""
    if precision not in _REHEARSED:
        return None, None
    encode, reach = Vocabulary(vocabulary).encode, config.position_buckets
    ids = [encode(sentence) for sentence in sentences()]
    rehearsal = Rehearsal(
        [len(sentence) for sentence in ids],
        lambda distances: bucket(distances, reach, config.max_position) + reach,
        precision,
    )
    return rehearsal, table[np.concatenate(ids)].astype(np.float32)


def _norm(checkpoint: Checkpoint, name: str, config: DebertaConfig) -> tuple[F32, F32]:
    shape = (config.hidden_size,)
    return checkpoint.take(f"{name}.weight", shape), checkpoint.take(f"{name}.bias", shape)


@dataclass(frozen=True)
class _Writer:
    """Everything the emitters share."""

    graph: Graph
    checkpoint: Checkpoint
    config: DebertaConfig
    products: Products
    table_type: npt.DTypeLike
    rehearsal: Rehearsal | None

    def take(self, name: str, *shape: int) -> F32:
        return self.checkpoint.take(name, shape)

    def const(self, name: str, array: npt.NDArray[Any]) -> Value:
        return self.graph.const(np.ascontiguousarray(array), name)

    def choose(self, rows: F32 | None, layers: Sequence[Linear], known: Known) -> Chosen:
        """Layers that read the same rows as they will be written, rounded where there is a rehearsal."""
        if self.rehearsal is None or rows is None:
            return Chosen(tuple(layers), known, (None,) * len(layers))
        return self.rehearsal.choose(rows, layers, known)


@dataclass(frozen=True)
class _Stream:
    """Rows on their way through the network: in the graph, and in the rehearsal [S, H] if there is one.

    `centre` [H] has been taken away from each row; who reads them adds what that changes to a bias of its own.
    """

    value: Value
    rows: F32 | None = None
    centre: F32 | None = None

    def read_by(self, layer: Linear) -> Linear:
        """The layer that gives for these rows what `layer` gives for the whole ones."""
        return layer if self.centre is None else layer.shifted(_through(self.centre, layer))

    def added_to(self, layer: Linear) -> Linear:
        """The layer to whose outputs these rows can be added in place of the whole ones."""
        return layer if self.centre is None else layer.shifted(self.centre)


@dataclass(frozen=True)
class _Frame:
    """Values all layers read: `mask` added to the scores, `buckets` int64 [W], `length` int64 [1] = S, and the reshapes
    [N, S, W] → [N, W, S] → [N, S, W - 1]; `relations` is the normed position table [2B, H]."""

    mask: Value
    buckets: Value
    length: Value
    by_position: Value
    by_token: Value
    relations: F32


def _encoder(w: _Writer, rehearsed: F32 | None, progress: Progress) -> Value:
    """Embedding rows [S, H] → features [S, H]; `rehearsed` are those of the rehearsal."""
    embeddings = _Stream(w.graph.input("embeddings"), rehearsed)
    frame = _frame(w, embeddings.value)
    x = embeddings
    for i in range(w.config.layers):
        last, convolved = i == w.config.layers - 1, i == 0 and w.config.conv_kernel > 0
        with w.graph.scope(f"encoder.layer.{i}"):
            x = _layer(w, f"encoder.layer.{i}", x, frame, centred=not (last or convolved))
        if convolved:
            x = _convolution(w, embeddings, x, centred=not last)
        w.checkpoint.release()
        progress((i + 1) / (w.config.layers + 1))
    return x.value


def _frame(w: _Writer, embeddings: Value) -> _Frame:
    g, c = w.graph, w.config
    length = g.op("Slice", g.op("Shape", embeddings), g.const([0]), g.const([1]))
    heads, rest = g.const([c.heads]), g.const([-1])
    table = w.take("encoder.rel_embeddings.weight", 2 * c.position_buckets, c.hidden_size)
    return _Frame(
        mask=g.input("mask"),
        buckets=g.input("buckets"),
        length=length,
        by_position=g.op("Concat", heads, rest, length, axis=0),
        by_token=g.op("Concat", heads, length, rest, axis=0),
        relations=exact.layer_norm(table, *_norm(w.checkpoint, "encoder.LayerNorm", c), c.norm_epsilon),
    )


def _layer(w: _Writer, name: str, x: _Stream, frame: _Frame, centred: bool) -> _Stream:
    """x [S, H] → attention → + x, norm → feed forward → + , norm → [S, H]."""
    x = _add_and_norm(w, f"{name}.attention.output.LayerNorm", _attention(w, f"{name}.attention", x, frame), x, True)
    return _add_and_norm(w, f"{name}.output.LayerNorm", _feed_forward(w, name, x), x, centred)


def _feed_forward(w: _Writer, name: str, x: _Stream) -> _Stream:
    """narrow(GELU(widen(x))), to be added to x."""
    c, g = w.config, w.graph
    widen = x.read_by(_take_linear(w, f"{name}.intermediate.dense", c.hidden_size, c.intermediate_size))
    wide = w.choose(x.rows, [widen], Known(name=f"{name}.intermediate"))
    inner = w.products.linear(g, w.products.rows(g, x.value, wide.known), wide.layers[0])
    inner = g.op("Gelu", inner, domain=_CONTRIB)  # exact: 0.5 x (1 + erf(x / sqrt 2))
    narrow = x.added_to(_take_linear(w, f"{name}.output.dense", c.intermediate_size, c.hidden_size))
    return _projected(w, inner, _gelu(wide.outputs[0]), narrow, Known(floor=GELU_FLOOR))


def _projected(w: _Writer, value: Value, rows: F32 | None, layer: Linear, known: Known) -> _Stream:
    """One product of rows that nothing else reads."""
    chosen = w.choose(rows, [layer], known)
    y = w.products.linear(w.graph, w.products.rows(w.graph, value, chosen.known), chosen.layers[0])
    return _Stream(y, chosen.outputs[0])


def _gelu(rows: F32 | None) -> F32 | None:
    return None if rows is None else exact.gelu(rows)


def _take_linear(w: _Writer, name: str, size_in: int, size_out: int) -> Linear:
    weight = w.take(f"{name}.weight", size_out, size_in)
    return Linear(name, weight.T, w.take(f"{name}.bias", size_out))


def _add_and_norm(w: _Writer, name: str, y: _Stream, x: _Stream, centred: bool) -> _Stream:
    """Layer norm of y + x, counted from its channels' means if `centred` and there is a rehearsal."""
    gain, shift = _norm(w.checkpoint, name, w.config)
    rows, middle = None, None
    if x.rows is not None and y.rows is not None:
        rows = exact.layer_norm(x.rows + y.rows, gain, shift, w.config.norm_epsilon)
        if centred:
            middle = centre(rows)
            rows, shift = rows - middle, shift - middle
    constants = (w.const(f"{name}.weight", gain), w.const(f"{name}.bias", shift))
    both = w.graph.op("Add", y.value, x.value)
    value = w.graph.op("LayerNormalization", both, *constants, axis=-1, epsilon=w.config.norm_epsilon)
    return _Stream(value, rows, middle)


def _attention(w: _Writer, name: str, x: _Stream, frame: _Frame) -> _Stream:
    """Disentangled attention and its output projection, to be added to x: [S, H] → [S, H].

        q [S, N, D] ─┬─ · PKᵀ ─ skew ─────────────── + ─ + mask ─ softmax ─ · v ─ [S, N·D] ─ output
                     └─ · kᵀ ─────────────────────── +
        k [S, N, D] ─── · PQᵀ ─ skew ─ transpose ────┘

    1 / sqrt(3 D) is folded into the query projection, and so into PQ: each of the three terms has one factor of the
    two. The value's bias passes the softmax, whose rows sum to 1, unchanged: it is folded into the output's bias.
    """
    c, g = w.config, w.graph
    query, key, value = (
        _take_linear(w, f"{name}.self.{part}_proj", c.hidden_size, c.attention_size)
        for part in ("query", "key", "value")
    )
    output = x.added_to(_take_linear(w, f"{name}.output.dense", c.attention_size, c.hidden_size))
    output, value = output.shifted(_through(value.bias, output)), value.shifted(-value.bias)
    query = query.scaled(1 / np.sqrt(_TERMS * c.head_size))
    pk, pq = _relative_table(c, frame, key, -1), _relative_table(c, frame, query, 1)
    chosen = w.choose(x.rows, [x.read_by(part) for part in (query, key, value)], Known(name=f"{name}.self"))
    (query, key, value), rows = chosen.layers, w.products.rows(g, x.value, chosen.known)
    value, output, rehearsed = _rehearsed_context(w, chosen, output, (pk, pq))
    heads = g.const([0, c.heads, c.head_size])
    q, k, v = (g.op("Reshape", w.products.linear(g, rows, part), heads) for part in (query, key, value))  # [S, N, D]
    to_position = _skewed(g, q, _reachable(w, f"{name}.self.pk", pk, frame), frame)  # [N, S, S]
    from_position = _skewed(g, k, _reachable(w, f"{name}.self.pq", pq, frame), frame)
    scores = g.op("FusedMatMul", q, k, domain=_CONTRIB, **_BY_HEAD, transB=1)
    scores = g.op("Add", g.op("Add", scores, to_position), g.op("Transpose", from_position, perm=[0, 2, 1]))
    weights = g.op("Softmax", g.op("Add", scores, frame.mask), axis=-1)
    context = g.op("FusedMatMul", weights, v, domain=_CONTRIB, transBatchB=1)  # [N, S, D]
    context = g.op("Reshape", g.op("Transpose", context, perm=[1, 0, 2]), g.const([0, c.attention_size]))
    return _projected(w, context, rehearsed, output, Known())


def _through(row: F32, layer: Linear) -> F32:
    """What one row [in] adds to the layer's outputs."""
    return np.asarray(exact.fine_product(row[None], layer.matrix)[0], np.float32)


def _rehearsed_context(
    w: _Writer, chosen: Chosen, output: Linear, tables: tuple[F32, F32]
) -> tuple[Linear, Linear, F32 | None]:
    """Value and output layers between which the context is counted from its means and damped, and its rows [S, N·D].

    Both changes of the value's rows pass the softmax, whose weights sum to 1, and so cost nothing.
    """
    value, (q, k, v) = chosen.layers[2], chosen.outputs
    if w.rehearsal is None or q is None or k is None or v is None:
        return value, output, None
    context = w.rehearsal.attention(q, k, v, tables)
    middle = centre(context)
    context, value, output = context - middle, value.shifted(-middle), output.shifted(_through(middle, output))
    damping = w.rehearsal.damping(context, output.matrix)
    return value.divided(damping), replace(output, matrix=output.matrix * damping[:, None]), context / damping


def _relative_table(c: DebertaConfig, frame: _Frame, projection: Linear, sign: int) -> F32:
    """Projected position rows [2B + 1, N, D]; row m is bucket sign · (m - B): PQ is looked up by i - j, PK by j - i."""
    reach = c.position_buckets
    buckets = sign * (np.arange(2 * reach + 1) - reach) + reach
    rows = np.minimum(buckets, 2 * reach - 1)  # the model has no row of its own for the farthest positive bucket
    projected = exact.fine_product(frame.relations, projection.matrix) + projection.bias
    table = projected[rows].astype(np.float32)
    return table.reshape(len(rows), c.heads, c.head_size)


def _reachable(w: _Writer, name: str, table: F32, frame: _Frame) -> Value:
    """The rows of a table that S tokens can reach, by relative position: [W, N, D]."""
    stored = w.const(name, table.astype(w.table_type))
    gathered = w.graph.op("Gather", stored, frame.buckets, axis=0)
    return gathered if w.table_type == np.float32 else w.graph.op("Cast", gathered, to=_FLOAT)


def _skewed(g: Graph, x: Value, relative: Value, frame: _Frame) -> Value:
    """x [S, N, D] times relative rows [W, N, D], shifted so that column j of row i is their position: [N, S, S].

    In the product [N, S, W], row i holds relative position j - i in column j - i + S. Read as one line, that is place
    S + i·(W - 1) + j: without its first S numbers the line is a matrix of width W - 1 that begins with the S columns
    of the result.
    """
    products = g.op("FusedMatMul", x, relative, domain=_CONTRIB, **_BY_HEAD, transB=1)
    line = g.op("Slice", g.op("Reshape", products, frame.by_position), g.const([1]), g.const([_TO_END]), g.const([1]))
    matrix = g.op("Reshape", line, frame.by_token)  # [N, S, W - 1]
    return g.op("Slice", matrix, g.const([0]), frame.length, g.const([2]))


def _convolution(w: _Writer, embeddings: _Stream, x: _Stream, centred: bool) -> _Stream:
    """LN(x + GELU(conv(embeddings))): the convolution as one product over K neighbouring rows, zero beyond the ends."""
    c, g = w.config, w.graph
    half, kernel, hidden = c.conv_kernel // 2, c.conv_kernel, c.hidden_size
    taps = (
        w.take("encoder.conv.conv.weight", hidden, hidden, kernel).transpose(2, 1, 0).reshape(kernel * hidden, hidden)
    )
    padded = g.op("Pad", embeddings.value, g.const([half, 0, half, 0]))
    ends = [g.const([i + 1 - kernel]) if i + 1 < kernel else g.const([_TO_END]) for i in range(kernel)]
    shifted = [g.op("Slice", padded, g.const([i]), ends[i], g.const([0])) for i in range(kernel)]
    rows = None
    if w.rehearsal is not None and embeddings.rows is not None:
        rows = w.rehearsal.neighbours(embeddings.rows, kernel)
    layer = Linear("encoder.conv.conv", taps, w.take("encoder.conv.conv.bias", hidden))
    y = _projected(w, g.op("Concat", *shifted, axis=1), rows, layer, Known())  # [S, K·H] → [S, H]
    gelu = _Stream(g.op("Gelu", y.value, domain=_CONTRIB), _gelu(y.rows))
    return _add_and_norm(w, "encoder.conv.LayerNorm", gelu, x, centred)
