"""Labelled recordings as batches for the acoustic model, with random styles."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from sokuon_training.config import STYLE_WIDTH
from sokuon_training.dataset import Recording
from sokuon_training.deberta import SPECIALS, UNK_ID, tokens
from sokuon_training.encoder import TextInput
from sokuon_training.latents import LatentMap
from sokuon_training.prepare import Label
from sokuon_training.prosody import Contour

RARE = 2  # characters seen less often share [UNK], which so learns to stand for any
UNKNOWN_SHARE = 0.03  # of characters replaced by [UNK] in training


@dataclass(frozen=True)
class Style:
    """How a style differs from Neutral at weight 1."""

    accent_range: float
    shift_st: float
    tempo: float  # factor on durations


STYLES = {"Neutral": Style(1.0, 0.0, 1.0), "Calm": Style(0.55, -1.2, 1.15), "Lively": Style(1.4, 1.2, 0.88)}


def style_vectors() -> npt.NDArray[np.float32]:
    """[styles, STYLE_WIDTH]: Neutral is the origin, the others fixed random directions of length 4."""
    directions = np.random.default_rng(1).standard_normal((len(STYLES) - 1, STYLE_WIDTH))
    directions *= 4 / np.linalg.norm(directions, axis=1, keepdims=True)
    return np.concatenate([np.zeros((1, STYLE_WIDTH)), directions]).astype(np.float32)


def random_style(rng: np.random.Generator) -> tuple[npt.NDArray[np.float32], Style]:
    """(vector, style): mostly Neutral, else another one with a weight up to 1.2."""
    if rng.random() < 0.5:
        return style_vectors()[0], STYLES["Neutral"]
    row = int(rng.integers(1, len(STYLES)))
    weight, full = float(rng.uniform(0.2, 1.2)), list(STYLES.values())[row]
    style = Style(1 + weight * (full.accent_range - 1), weight * full.shift_st, full.tempo**weight)
    return weight * style_vectors()[row], style


def read_labels(work: Path) -> list[Label]:
    """What prepare.py wrote."""
    return [Label(**entry) for entry in json.loads((work / "labels.json").read_text(encoding="utf-8"))]


def vocabulary_of(labels: Sequence[Label]) -> list[str]:
    """The BERT's entries: specials, then the characters of the texts, frequent ones first."""
    counts = Counter(c for x in labels for c in x.text)
    return [*SPECIALS, *(c for c, n in counts.most_common() if n >= RARE)]


@dataclass(frozen=True)
class Batch:
    """B sentences, T slots, S tokens, F frames."""

    text: TextInput  # without bert
    ids: Tensor  # [B, S]
    id_mask: Tensor  # [B, S]
    spread: Tensor  # [B, T] token of each slot
    frames: Tensor  # [B, T] as the style's tempo wants them, fractions allowed; 0 where padded
    z: Tensor  # [B, C, F]
    slot: Tensor  # [B, F] slot of each frame
    z_mask: Tensor  # [B, 1, F]

    def to(self, device: torch.device) -> Batch:
        moved = {k: v.to(device) for k, v in self.__dict__.items() if isinstance(v, Tensor)}
        text = TextInput(**{k: v.to(device) for k, v in self.text.__dict__.items()})
        return Batch(text, **moved)


@dataclass(frozen=True)
class Item:
    """One labelled recording, ready."""

    label: Label
    z: npt.NDArray[np.float32]  # [C, F]; pitch channels are replaced by the style's
    contour: Contour
    voiced: npt.NDArray[np.bool_]  # [F]
    ids: list[int]

    @classmethod
    def of(cls, label: Label, recording: Recording, latents: LatentMap, vocabulary: dict[str, int]) -> Item:
        part = slice(label.first, label.first + sum(label.frames))
        f = recording.features
        z = latents(f.envelope[part], f.aperiodicity[part], f.f0[part])
        line = Contour(np.array(label.accent, np.float32), np.array(label.base, np.float32))
        return cls(label, z, line, f.f0[part] > 0, tokens(label.text, vocabulary))


class Batches:
    """Random batches of items of similar length."""

    def __init__(self, items: list[Item], latents: LatentMap, seed: int, crop: int, styled: bool = True) -> None:
        self.items = sorted(items, key=lambda x: len(x.label.symbols))
        self.latents, self.rng, self.crop = latents, np.random.default_rng(seed), crop
        self.styled = styled

    def draw(self, size: int) -> Batch:
        """A random batch."""
        return self.collate(self.some(size))

    def some(self, size: int) -> list[Item]:
        """Sentences from a random window of the length-sorted list, so that little is padding."""
        window = 4 * size
        start = int(self.rng.integers(-window // 2, len(self.items) - window // 2))
        pool = np.clip(np.arange(start, start + window), 0, len(self.items) - 1)
        return [self.items[i] for i in self.rng.choice(np.unique(pool), size)]

    def collate(self, items: list[Item], drawn: list[tuple[npt.NDArray[np.float32], Style]] | None = None) -> Batch:
        """These items, in the styles that were drawn for them, or in random ones."""
        rng = self.rng
        if drawn is None:
            drawn = [random_style(rng) if self.styled else (style_vectors()[0], STYLES["Neutral"]) for _ in items]
        slots = [torch.tensor(x.label.symbols) for x in items]
        mask = pad_sequence([torch.ones(len(s)) for s in slots], batch_first=True).unsqueeze(1)
        width = min(self.crop, max(x.z.shape[1] for x in items))
        crops = [self._crop(x, style, width) for x, (_, style) in zip(items, drawn, strict=True)]
        frames = [torch.tensor(x.label.frames) * s.tempo for x, (_, s) in zip(items, drawn, strict=True)]
        ids = [_forget(torch.tensor(x.ids), rng) for x in items]
        text = TextInput(
            pad_sequence(slots, batch_first=True),
            pad_sequence([torch.tensor(x.label.tones) for x in items], batch_first=True),
            pad_sequence([torch.tensor(x.label.languages) for x in items], batch_first=True),
            torch.empty(0),
            torch.from_numpy(np.stack([vector for vector, _ in drawn])),
            mask,
        )
        return Batch(
            text,
            pad_sequence(ids, batch_first=True),
            pad_sequence([torch.ones(len(i)) for i in ids], batch_first=True),
            pad_sequence([_spread(x.label.counts) for x in items], batch_first=True),
            pad_sequence(frames, batch_first=True),
            torch.stack([c[0] for c in crops]),
            torch.stack([c[1] for c in crops]),
            torch.stack([c[2] for c in crops]).unsqueeze(1),
        )

    def _crop(self, item: Item, style: Style, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """(z [C, width], slot of each frame, mask) of a random part, with the style's F0."""
        total = item.z.shape[1]
        start = int(self.rng.integers(0, max(1, total - width + 1)))
        part, count = slice(start, start + width), min(width, total)
        z = np.zeros((item.z.shape[0], width), np.float32)
        z[:, :count] = item.z[:, part]
        f0 = item.contour.f0(item.voiced, style.accent_range, style.shift_st)
        z[self.latents.pitch_channels, :count] = self.latents.pitch_of(f0)[:, part]
        slot, mask = np.zeros(width, np.int64), np.zeros(width, np.float32)
        slot[:count] = np.repeat(np.arange(len(item.label.frames)), item.label.frames)[part]
        mask[:count] = 1
        return torch.from_numpy(z), torch.from_numpy(slot), torch.from_numpy(mask)


def _spread(counts: list[int]) -> Tensor:
    """Token of each slot from slots per token."""
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))


def _forget(ids: Tensor, rng: np.random.Generator) -> Tensor:
    """A few inner ids become [UNK]."""
    drop = torch.from_numpy(rng.random(len(ids)) < UNKNOWN_SHARE)
    drop[0] = drop[-1] = False
    return torch.where(drop, torch.tensor(UNK_ID), ids)
