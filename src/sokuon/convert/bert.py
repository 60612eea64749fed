"""DeBERTa-v2: Hugging Face folder → converted BERT folder, the weights that the networks read (`bert_graph` has the
graph that ONNX Runtime runs on them).

Only what hidden state -3 needs is written: no heads, not the last two layers. The host gathers rows of the normalised
embedding table, and the relative projections PQ and PK, which depend on weights alone, are computed here once.
Equations: spec model-bert section 3.

Letters: S tokens, H hidden width, N heads, D head width, B position buckets.
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
            writer = _Writer(weights, checkpoint, config, products_for(precision), table_type(precision), rehearsal)
            _write_encoder(writer, rows, progress)
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
    """Everything the parts share."""

    weights: TensorFileWriter
    checkpoint: Checkpoint
    config: DebertaConfig
    products: Products
    table_type: npt.DTypeLike
    rehearsal: Rehearsal | None

    def take(self, name: str, *shape: int) -> F32:
        return self.checkpoint.take(name, shape)

    def choose(self, rows: F32 | None, layers: Sequence[Linear], known: Known) -> Chosen:
        """Layers that read the same rows as they will be written, rounded where there is a rehearsal."""
        if self.rehearsal is None or rows is None:
            return Chosen(tuple(layers), known, (None,) * len(layers))
        chosen = self.rehearsal.choose(rows, layers, known)
        if not all(np.isfinite(output).all() for output in (rows, *chosen.outputs) if output is not None):
            raise self.checkpoint.overflow(layers[0].name)
        return chosen

    def write_damping(self, known: Known) -> None:
        """What the rows of a module are multiplied by, if anything."""
        if known.damping is not None:
            self.weights.add(f"{known.name}.damping", 1 / known.damping)

    def write(self, layer: Linear, known: Known) -> None:
        self.products.write(self.weights, layer, known)


@dataclass(frozen=True)
class _Stream:
    """Rows on their way through the network: those of the rehearsal [S, H] if there is one.

    `centre` [H] has been taken away from each row; who reads them adds what that changes to a bias of its own.
    """

    rows: F32 | None = None
    centre: F32 | None = None

    def read_by(self, layer: Linear) -> Linear:
        """The layer that gives for these rows what `layer` gives for the whole ones."""
        return layer if self.centre is None else layer.shifted(_through(self.centre, layer))

    def added_to(self, layer: Linear) -> Linear:
        """The layer to whose outputs these rows can be added in place of the whole ones."""
        return layer if self.centre is None else layer.shifted(self.centre)


def _write_encoder(w: _Writer, rehearsed: F32 | None, progress: Progress) -> None:
    """All layers; `rehearsed` are the embedding rows [S, H] of the rehearsal."""
    embeddings = _Stream(rehearsed)
    relations = _relations(w)
    x = embeddings
    for i in range(w.config.layers):
        last, convolved = i == w.config.layers - 1, i == 0 and w.config.conv_kernel > 0
        x = _layer(w, f"encoder.layer.{i}", x, relations, centred=not (last or convolved))
        if convolved:
            x = _convolution(w, embeddings, x, centred=not last)
        w.checkpoint.release()
        progress((i + 1) / (w.config.layers + 1))


def _relations(w: _Writer) -> F32:
    """The normed position table [2B, H]."""
    c = w.config
    table = w.take("encoder.rel_embeddings.weight", 2 * c.position_buckets, c.hidden_size)
    return exact.layer_norm(table, *_norm(w.checkpoint, "encoder.LayerNorm", c), c.norm_epsilon)


def _layer(w: _Writer, name: str, x: _Stream, relations: F32, centred: bool) -> _Stream:
    """x [S, H] → attention → + x, norm → feed forward → + , norm → [S, H]."""
    y = _attention(w, f"{name}.attention", x, relations)
    x = _add_and_norm(w, f"{name}.attention.output.LayerNorm", y, x, True)
    return _add_and_norm(w, f"{name}.output.LayerNorm", _feed_forward(w, name, x), x, centred)


def _feed_forward(w: _Writer, name: str, x: _Stream) -> _Stream:
    """narrow(GELU(widen(x))), to be added to x."""
    c = w.config
    widen = x.read_by(_take_linear(w, f"{name}.intermediate.dense", c.hidden_size, c.intermediate_size))
    wide = w.choose(x.rows, [widen], Known(name=f"{name}.intermediate"))
    w.write_damping(wide.known)
    w.write(wide.layers[0], wide.known)
    narrow = x.added_to(_take_linear(w, f"{name}.output.dense", c.intermediate_size, c.hidden_size))
    return _projected(w, _gelu(wide.outputs[0]), narrow, Known(floor=GELU_FLOOR))


def _projected(w: _Writer, rows: F32 | None, layer: Linear, known: Known) -> _Stream:
    """One product of rows that nothing else reads."""
    chosen = w.choose(rows, [layer], known)
    w.write(chosen.layers[0], chosen.known)
    return _Stream(chosen.outputs[0])


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
    w.weights.add(f"{name}.weight", gain)
    w.weights.add(f"{name}.bias", shift)
    return _Stream(rows, middle)


def _attention(w: _Writer, name: str, x: _Stream, relations: F32) -> _Stream:
    """Disentangled attention and its output projection, to be added to x: [S, H] → [S, H].

    1 / sqrt(3 D) is folded into the query projection, and so into PQ: each of the three terms has one factor of the
    two. The value's bias passes the softmax, whose rows sum to 1, unchanged: it is folded into the output's bias.
    """
    c = w.config
    query, key, value = (
        _take_linear(w, f"{name}.self.{part}_proj", c.hidden_size, c.attention_size)
        for part in ("query", "key", "value")
    )
    output = x.added_to(_take_linear(w, f"{name}.output.dense", c.attention_size, c.hidden_size))
    output, value = output.shifted(_through(value.bias, output)), value.shifted(-value.bias)
    query = query.scaled(1 / np.sqrt(_TERMS * c.head_size))
    pk, pq = _relative_table(c, relations, key, -1), _relative_table(c, relations, query, 1)
    chosen = w.choose(x.rows, [x.read_by(part) for part in (query, key, value)], Known(name=f"{name}.self"))
    w.write_damping(chosen.known)
    value, output, context = _rehearsed_context(w, chosen, output, (pk, pq))
    for part in (*chosen.layers[:2], value):
        w.write(part, chosen.known)
    w.weights.add(f"{name}.self.pk", pk.astype(w.table_type))
    w.weights.add(f"{name}.self.pq", pq.astype(w.table_type))
    return _projected(w, context, output, Known())


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


def _relative_table(c: DebertaConfig, relations: F32, projection: Linear, sign: int) -> F32:
    """Projected position rows [2B + 1, N, D]; row m is bucket sign · (m - B): PQ is looked up by i - j, PK by j - i."""
    reach = c.position_buckets
    buckets = sign * (np.arange(2 * reach + 1) - reach) + reach
    rows = np.minimum(buckets, 2 * reach - 1)  # the model has no row of its own for the farthest positive bucket
    projected = exact.fine_product(relations, projection.matrix) + projection.bias
    table = projected[rows].astype(np.float32)
    return table.reshape(len(rows), c.heads, c.head_size)


def _convolution(w: _Writer, embeddings: _Stream, x: _Stream, centred: bool) -> _Stream:
    """LN(x + GELU(conv(embeddings))): the convolution as one product over K neighbouring rows, zero beyond the ends."""
    kernel, hidden = w.config.conv_kernel, w.config.hidden_size
    taps = (
        w.take("encoder.conv.conv.weight", hidden, hidden, kernel).transpose(2, 1, 0).reshape(kernel * hidden, hidden)
    )
    rows = None
    if w.rehearsal is not None and embeddings.rows is not None:
        rows = w.rehearsal.neighbours(embeddings.rows, kernel)
    layer = Linear("encoder.conv.conv", taps, w.take("encoder.conv.conv.bias", hidden))
    gelu = _Stream(_gelu(_projected(w, rows, layer, Known()).rows))  # [S, K·H] → [S, H]
    return _add_and_norm(w, "encoder.conv.LayerNorm", gelu, x, centred)
