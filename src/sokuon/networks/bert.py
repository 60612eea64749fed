"""Character features: text → one row per character (and the two marks around it) from a converted BERT folder.

Folder: bert.json, vocab.txt, bert.weights (safetensors format: embedding table and weights), and bert.onnx on these
weights once ONNX Runtime ran it. All of it is mapped, not loaded: a sentence touches a few of the 22,012 embeddings,
and the native network reads the packed weights of precisions q8 and q4 where they lie, and packs those of fp32.

Letters: C characters, S = C + 2 tokens ([CLS], the characters, [SEP]), H hidden width, W = 2·S relative positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sokuon.errors import TextError, VoiceError, VoiceNotFoundError
from sokuon.formats import contracts
from sokuon.formats.bert import EMBEDDINGS, I64, VOCABULARY, WEIGHTS, Manifest, Vocabulary, relative_rows
from sokuon.formats.packed import unpack
from sokuon.native.bert import NativeBert
from sokuon.networks.runtime import Backend, Runtime
from sokuon.networks.session import Session
from sokuon.storage.tensors import F32, TensorFile

MAX_CHARACTERS = 2000  # attention needs memory by the square: about 1 GB here
_ROWS_PER_RUN = 128  # of several sentences together
_USUAL_ROWS = 256  # a longer run gives its memory back
_OTHER_SENTENCE = np.float32(-1e9)  # added to a score: exp() of it is 0


class Network(Protocol):
    """Embedding rows of sentences [S, H] each → their features [S, H] each; `threads` (None: as opened) if native."""

    def run(self, sentences: list[F32], threads: int | None = None) -> list[F32]: ...


class Bert:
    """A converted BERT, opened. Thread-safe."""

    def __init__(self, folder: Path, threads: int, backend: Backend = "auto") -> None:
        self.manifest = Manifest.read(folder)
        self.hidden_size = self.manifest.hidden_size
        self._vocabulary = Vocabulary(folder / VOCABULARY)
        weights = _weights(folder / WEIGHTS)
        self._embeddings = _embeddings(weights, self.manifest)
        if len(self._vocabulary) > self.manifest.vocab_size:
            raise VoiceError(f"{folder / VOCABULARY} has more tokens than the BERT has rows; convert it again.")
        self._network = _open_network(folder, weights, self.manifest, threads, backend)

    @classmethod
    def open(cls, folder: Path, threads: int, backend: Backend = "auto") -> Bert:
        """Open a converted folder. `backend` auto is native where it runs, else ONNX Runtime.

        Raises VoiceNotFoundError, VoiceError, WeightError, or OptionError where native is asked for and cannot be.
        """
        return cls(folder, threads, backend)

    @property
    def native(self) -> bool:
        """Whether it runs natively."""
        return isinstance(self._network, _Native)

    def encode(self, text: str) -> I64:
        """Token ids [C + 2]."""
        return self._vocabulary.encode(text)

    def features(self, text: str, threads: int | None = None) -> F32:
        """Features [C + 2, H] of the C characters of `text`. Raises TextError if it is longer than MAX_CHARACTERS."""
        return self.features_batch([text], threads)[0]

    def features_batch(self, texts: Sequence[str], threads: int | None = None) -> list[F32]:
        """Features of several texts; short ones share a run, and come out as they would alone.

        `threads` are those of a native network; None: as many as it was opened with.
        """
        ids = [self._checked(text) for text in texts]
        rows = [self._embeddings[sentence].astype(np.float32) for sentence in ids]
        groups = _groups([len(sentence) for sentence in ids])
        return [features for group in groups for features in self._network.run([rows[i] for i in group], threads)]

    def _checked(self, text: str) -> I64:
        if len(text) > MAX_CHARACTERS:
            raise TextError(f"a sentence of {len(text)} characters is too long; split it below {MAX_CHARACTERS}.")
        return self.encode(text)


class _Native:
    """The native network behind `Network`."""

    def __init__(self, weights: TensorFile, manifest: Manifest, threads: int) -> None:
        self._kernel = NativeBert(weights, manifest)
        self._manifest, self._threads = manifest, threads

    def run(self, sentences: list[F32], threads: int | None = None) -> list[F32]:
        """See Network."""
        lengths = [len(rows) for rows in sentences]
        positions = relative_rows(max(lengths), self._manifest).astype(np.int32)
        features = self._kernel.run(np.concatenate(sentences), lengths, positions, threads or self._threads)
        return np.split(features, np.cumsum(lengths)[:-1])


class _Graph:
    """`bert.onnx` behind `Network`: sentences under each other, empty rows between them for the convolution."""

    def __init__(self, folder: Path, weights: TensorFile, manifest: Manifest, threads: int) -> None:
        self._manifest = manifest
        graph = folder / f"{contracts.BERT.name}.onnx"
        self._session = Session(graph, contracts.BERT, threads, arena=True, constants=unpack(weights))
        weights.release()

    def run(self, sentences: list[F32], threads: int | None = None) -> list[F32]:  # noqa: ARG002
        """See Network; a session has the threads it was opened with."""
        gap = self._manifest.conv_kernel // 2
        starts = np.cumsum([0, *(len(rows) + gap for rows in sentences)])
        rows = np.zeros((starts[-1] - gap, self._manifest.hidden_size), np.float32)
        for sentence, start in zip(sentences, starts, strict=False):
            rows[start : start + len(sentence)] = sentence
        buckets = relative_rows(len(rows), self._manifest)
        inputs = {"embeddings": rows, "mask": _mask(starts, gap), "buckets": buckets}
        features = self._session.run(**inputs, shrink=len(rows) > _USUAL_ROWS)[0]
        return [features[start : start + len(own)] for own, start in zip(sentences, starts, strict=False)]


def _open_network(folder: Path, weights: TensorFile, manifest: Manifest, threads: int, backend: Backend) -> Network:
    """The native network where the model and the machine allow it, else the graph."""
    return Runtime(threads, backend).choose(
        f"the BERT in {folder}",
        lambda: _Native(weights, manifest, threads),
        lambda: _Graph(folder, weights, manifest, threads),
    )


def _groups(lengths: Sequence[int]) -> list[list[int]]:
    """Consecutive sentences, by number, that run together: attention costs the square, so not more than a few rows."""
    groups: list[list[int]] = []
    filled = 0
    for i, length in enumerate(lengths):
        if not groups or filled + length > _ROWS_PER_RUN:
            groups.append([])
            filled = 0
        groups[-1].append(i)
        filled += length
    return groups


def _mask(starts: I64, gap: int) -> F32:
    """What is added to the scores: [1, 1] zero for one sentence, else [S, S] with 0 within a sentence."""
    if len(starts) == 2:
        return np.zeros((1, 1), np.float32)
    sentence = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    for end in starts[1:]:
        sentence[end - gap : end] = -1  # the empty rows belong to none
    sentence = sentence[: starts[-1] - gap]
    mask: F32 = np.where(sentence[:, None] == sentence, np.float32(0), _OTHER_SENTENCE)
    return mask


def _weights(path: Path) -> TensorFile:
    if not path.is_file():
        raise VoiceNotFoundError(f"{path} does not exist; convert the BERT again.")
    return TensorFile(path)


def _embeddings(weights: TensorFile, manifest: Manifest) -> npt.NDArray[Any]:
    table = weights.get(EMBEDDINGS)
    if table is None or table.shape != (manifest.vocab_size, manifest.hidden_size):
        raise VoiceError(f"{weights.path} holds no embedding table of the manifest's shape; convert the BERT again.")
    return table
