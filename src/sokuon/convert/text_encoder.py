"""Text encoder: phones, tones, languages, BERT rows, style and speaker → hidden states and the prior.

Source: spec model-synthesizer section 3. The factor sqrt(C) is folded into every term of the embedding sum, and the
BERT projection runs on characters before they are repeated over their phone slots.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from sokuon.convert.graph import Value
from sokuon.convert.layers import Scope, StackShape, columns, encoder_stack, linear
from sokuon.formats.contracts import LANGUAGES, STYLE_WIDTH, TONES
from sokuon.storage.tensors import F32
from sokuon.text.tables import SYMBOLS


@dataclass(frozen=True)
class Prior:
    """`hidden`, `mean` and `log_std`, each [T, C]."""

    hidden: Value
    mean: Value
    log_std: Value


def text_encoder(s: Scope, speaker: Value, shape: StackShape) -> Prior:
    """Emit `enc_p`."""
    x = _embedding(s, shape.channels)
    hidden = encoder_stack(s.at("encoder"), x, speaker, shape)
    c = shape.channels
    stats = linear(s.at("proj"), hidden, c, 2 * c)  # [T, 2C]
    return Prior(hidden, columns(s.graph, stats, 0, c), columns(s.graph, stats, c, 2 * c))


def _embedding(s: Scope, c: int) -> Value:
    """emb[phones] + tone_emb[tones] + language_emb[languages] + bert_proj(bert)[characters] + style_proj(style)."""
    g, scale = s.graph, float(c) ** 0.5
    tables = (("phones", "emb", len(SYMBOLS)), ("tones", "tone_emb", TONES), ("languages", "language_emb", LANGUAGES))
    terms = [
        g.op("Gather", s.weight(f"{table}.weight", partial(_scaled, s, table, (rows, c))), g.input(name))
        for name, table, rows in tables
    ]
    projected = linear(s.at("bert_proj"), g.input("bert"), None, c, scale=scale)  # [S, C]
    terms.append(g.op("Gather", projected, g.input("characters")))
    terms.append(linear(s.at("style_proj"), g.input("style"), STYLE_WIDTH, c, scale=scale))
    return g.op("Sum", *terms)


def _scaled(s: Scope, table: str, shape: tuple[int, int]) -> F32:
    return np.asarray(float(shape[1]) ** 0.5 * s.take(f"{table}.weight", shape))
