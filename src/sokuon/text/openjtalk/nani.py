"""Whether 何 is ナニ or ナン, by the binding's own random forest, run here: ONNX Runtime would be 34 MB for it.

The forest is two ONNX files: a one-hot code of six features of the word after 何, and trees over it. Of the protobuf
format only what these two hold is read; anything else is a ValueError, and the caller lets the binding run its files.
Sources: protobuf's encoding (protobuf.dev), the operators OneHotEncoder and TreeEnsembleClassifier of ONNX-ML.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

FEATURES = ("pos", "pos_group1", "pos_group2", "pron", "ctype", "cform")
_GRAPH, _NODE = 7, 1  # field numbers of onnx.proto
_OPERATOR, _ATTRIBUTE = 4, 5
_NAME, _FLOATS, _INTS, _STRINGS = 1, 7, 8, 9

Attributes = dict[str, list[Any]]
Tree = tuple[Any, ...]  # (feature, threshold, tree if ≤, tree if >), or a leaf: (votes for ナニ, votes for ナン)


class Forest:
    """The binding's predictor, read from the folder it lies in. Raises OSError or ValueError."""

    def __init__(self, folder: Path) -> None:
        categories = [a["cats_strings"] for kind, a in _nodes(folder / "nani_enc.onnx") if kind == "OneHotEncoder"]
        ((kind, trees),) = _nodes(folder / "nani_model.onnx")
        if len(categories) != len(FEATURES) or kind != "TreeEnsembleClassifier":
            raise ValueError("another kind of model")
        values = [(feature, value.decode()) for feature, names in enumerate(categories) for value in names]
        self._columns = {value: column for column, value in enumerate(values)}
        self._trees = _trees(trees)
        self.is_nan = lru_cache(maxsize=4096)(self._is_nan)

    def predict(self, following: Mapping[str, Any]) -> int:
        """1 if 何 before this word (an NJD feature of OpenJTalk) is ナン, 0 if it is ナニ."""
        return int(self.is_nan(tuple(following[name] for name in FEATURES)))

    def _is_nan(self, values: tuple[str, ...]) -> bool:
        ones = {self._columns.get(value) for value in enumerate(values)}
        nani = nan = 0.0
        for tree in self._trees:
            while len(tree) == 4:
                feature, threshold, low, high = tree
                tree = low if (feature in ones) <= threshold else high
            nani, nan = nani + tree[0], nan + tree[1]
        return nan > nani


def _trees(columns: Attributes) -> list[Tree]:
    """The roots, from the parallel lists of TreeEnsembleClassifier."""
    votes: dict[tuple[int, int], list[float]] = {}
    names = ("class_treeids", "class_nodeids", "class_ids", "class_weights")
    for tree, node, label, weight in zip(*(columns[name] for name in names), strict=True):
        votes.setdefault((tree, node), [0.0, 0.0])[label] += weight
    fields = ("treeids", "nodeids", "modes", "featureids", "values", "truenodeids", "falsenodeids")
    rows = {(row[0], row[1]): row[2:] for row in zip(*(columns[f"nodes_{name}"] for name in fields), strict=True)}
    if {row[0] for row in rows.values()} != {b"BRANCH_LEQ", b"LEAF"}:
        raise ValueError("branches of another kind")

    def build(tree: int, node: int) -> Tree:
        mode, feature, threshold, low, high = rows[tree, node]
        if mode == b"LEAF":
            return tuple(votes[tree, node])
        return feature, threshold, build(tree, low), build(tree, high)

    return [build(tree, node) for tree, node in rows if node == 0]


def _nodes(path: Path) -> list[tuple[str, Attributes]]:
    """Operators of an ONNX file with their lists of numbers and strings."""
    ((_, graph),) = [field for field in _fields(path.read_bytes()) if field[0] == _GRAPH]
    nodes = [list(_fields(node)) for number, node in _fields(graph) if number == _NODE]
    return [
        (
            b"".join(value for number, value in node if number == _OPERATOR).decode(),
            dict(_attribute(value) for number, value in node if number == _ATTRIBUTE),
        )
        for node in nodes
    ]


def _attribute(data: bytes) -> tuple[str, list[Any]]:
    name, values = "", []
    for number, value in _fields(data):
        if number == _NAME:
            name = value.decode()
        elif number == _STRINGS:
            values.append(value)
        elif number == _INTS:
            values += [value] if isinstance(value, int) else _integers(value)
        elif number == _FLOATS:
            values += struct.unpack(f"<{len(value) // 4}f", value)
    return name, values


def _integers(packed: bytes) -> Iterator[int]:
    position = 0
    while position < len(packed):
        value, position = _varint(packed, position)
        yield value


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Fields of a protobuf message: number, and an integer or bytes."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        if key & 7 == 0:
            value, position = _varint(data, position)
            yield key >> 3, value
            continue
        length = {1: 8, 5: 4}.get(key & 7)
        if key & 7 == 2:
            length, position = _varint(data, position)
        if length is None or position + length > len(data):
            raise ValueError("not a protobuf message")
        yield key >> 3, data[position : position + length]
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = shift = 0
    while True:
        if position >= len(data):
            raise ValueError("cut short")
        byte = data[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return value, position
