"""A tiny JP-Extra voice with random weights, in the layout its authors publish, made from a seed without torch.

`python tests/tiny_voice.py` writes the committed folder tests/data/tiny (voice, BERT and the golden sound).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sokuon.formats.contracts import LANGUAGES, STYLE_WIDTH, TONES
from sokuon.storage.tensors import TensorFileWriter
from sokuon.text.tables import SYMBOLS

Shapes = Iterator[tuple[str, tuple[int, ...]]]


@dataclass(frozen=True)
class TinyVoice:
    """Sizes of a random voice. `spelling` is that of weight norm: g_v, parametrized or plain."""

    channels: int = 8
    filters: int = 12
    layers: int = 3
    heads: int = 2
    kernel: int = 3
    speaker: int = 6
    bert: int = 32
    speakers: int = 2
    styles: int = 2
    wavenet: bool = False
    resblock: int = 1
    rates: tuple[int, ...] = (4, 2)
    upsample_kernels: tuple[int, ...] = (8, 4)
    initial: int = 16
    kernels: tuple[int, ...] = (3, 5)
    dilations: tuple[tuple[int, ...], ...] = ((1, 3), (1, 3))
    spelling: str = "g_v"
    training_tensors: bool = False

    def config(self) -> dict[str, Any]:
        """The Style-Bert-VITS2 config.json."""
        return {
            "model_name": "Tiny",
            "version": "2.7.0-JP-Extra",
            "data": {
                "sampling_rate": 8000,
                "hop_length": int(np.prod(self.rates)),
                "add_blank": True,
                "n_speakers": self.speakers,
                "spk2id": {f"Speaker{i}": i for i in range(self.speakers)},
                "num_styles": self.styles,
                "style2id": {name: i for i, name in zip(range(self.styles), ("Neutral", "Happy", "Sad"), strict=False)},
            },
            "model": {
                "use_spk_conditioned_encoder": True,
                "inter_channels": self.channels,
                "hidden_channels": self.channels,
                "filter_channels": self.filters,
                "n_heads": self.heads,
                "n_layers": self.layers,
                "kernel_size": self.kernel,
                "resblock": str(self.resblock),
                "resblock_kernel_sizes": self.kernels,
                "resblock_dilation_sizes": self.dilations,
                "upsample_rates": self.rates,
                "upsample_kernel_sizes": self.upsample_kernels,
                "upsample_initial_channel": self.initial,
                "gin_channels": self.speaker,
            },
        }


def make_tiny_voice(folder: Path, seed: int, shape: TinyVoice | None = None) -> None:
    """Write config.json, model.safetensors and style_vectors.npy of a random voice into `folder`."""
    shape = shape or TinyVoice()
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(shape.config(), indent=1) + "\n", encoding="utf-8")
    np.save(folder / "style_vectors.npy", rng.standard_normal((shape.styles, STYLE_WIDTH)).astype(np.float32))
    with TensorFileWriter(folder / "model.safetensors", header_bytes=65536) as file:
        for name, size in tensor_shapes(shape):
            file.add(name, _random(rng, name, size))


def tensor_shapes(v: TinyVoice) -> Shapes:
    """Every tensor of the voice (spec model-synthesizer section 10)."""
    yield "emb_g.weight", (v.speakers, v.speaker)
    yield from _prefixed("enc_p.", _text_encoder(v))
    yield from _prefixed("dp.", _duration_predictor(v))
    yield from _prefixed("sdp.", _stochastic_predictor(v))
    for i in (0, 2, 4, 6):
        yield from _prefixed(f"flow.flows.{i}.", _coupling(v))
    yield from _prefixed("dec.", _decoder(v))
    if v.training_tensors:
        yield "enc_q.pre.weight", (v.channels, 5, 1)
        yield "iteration", (1,)


def _text_encoder(v: TinyVoice) -> Shapes:
    for name, rows in (("emb", len(SYMBOLS)), ("tone_emb", TONES), ("language_emb", LANGUAGES)):
        yield f"{name}.weight", (rows, v.channels)
    yield from _dense("bert_proj", v.channels, v.bert, 1)
    yield from _dense("style_proj", v.channels, STYLE_WIDTH)
    yield from _dense("proj", 2 * v.channels, v.channels, 1)
    yield from _prefixed("encoder.", _stack(v, v.layers, v.kernel))


def _stack(v: TinyVoice, layers: int, kernel: int) -> Shapes:
    c = v.channels
    yield from _dense("spk_emb_linear", c, v.speaker)
    for i in range(layers):
        for part in "qkvo":
            yield from _dense(f"attn_layers.{i}.conv_{part}", c, c, 1)
        for part in "kv":
            yield f"attn_layers.{i}.emb_rel_{part}", (1, 9, c // v.heads)
        yield from _dense(f"ffn_layers.{i}.conv_1", v.filters, c, kernel)
        yield from _dense(f"ffn_layers.{i}.conv_2", c, v.filters, kernel)
        yield from _norm(f"norm_layers_1.{i}", c)
        yield from _norm(f"norm_layers_2.{i}", c)


def _duration_predictor(v: TinyVoice) -> Shapes:
    yield from _dense("cond", v.channels, v.speaker, 1)
    yield from _dense("conv_1", 10, v.channels, 3)
    yield from _dense("conv_2", 10, 10, 3)
    yield from _norm("norm_1", 10)
    yield from _norm("norm_2", 10)
    yield from _dense("proj", 1, 10, 1)


def _stochastic_predictor(v: TinyVoice) -> Shapes:
    c = v.channels
    yield from _dense("pre", c, c, 1)
    yield from _dense("proj", c, c, 1)
    yield from _dense("cond", c, v.speaker, 1)
    yield from _prefixed("convs.", _dds(c))
    yield "flows.0.m", (2, 1)
    yield "flows.0.logs", (2, 1)
    for i in (1, 3, 5, 7):
        yield from _dense(f"flows.{i}.pre", c, 1, 1)
        yield from _dense(f"flows.{i}.proj", 29, c, 1)
        yield from _prefixed(f"flows.{i}.convs.", _dds(c))
    if v.training_tensors:
        yield from _dense("post_pre", c, 1, 1)


def _dds(c: int) -> Shapes:
    for i in range(3):
        yield from _dense(f"convs_sep.{i}", c, 1, 3)
        yield from _dense(f"convs_1x1.{i}", c, c, 1)
        yield from _norm(f"norms_1.{i}", c)
        yield from _norm(f"norms_2.{i}", c)


def _coupling(v: TinyVoice) -> Shapes:
    c = v.channels
    yield from _dense("pre", c, c // 2, 1)
    yield from _dense("post", c // 2, c, 1)
    if not v.wavenet:
        yield from _prefixed("enc.", _stack(v, 2, 5))
        return
    yield from _normed("enc.cond_layer", v.spelling, 2 * c * 4, v.speaker, 1)
    for i in range(4):
        yield from _normed(f"enc.in_layers.{i}", v.spelling, 2 * c, c, 5)
        yield from _normed(f"enc.res_skip_layers.{i}", v.spelling, c if i == 3 else 2 * c, c, 1)


def _decoder(v: TinyVoice) -> Shapes:
    yield from _dense("conv_pre", v.initial, v.channels, 7)
    yield from _dense("cond", v.initial, v.speaker, 1)
    for stage, kernel in enumerate(v.upsample_kernels):
        c = v.initial >> (stage + 1)
        yield from _normed(f"ups.{stage}", v.spelling, 2 * c, c, kernel)
        for j, (size, dilations) in enumerate(zip(v.kernels, v.dilations, strict=True)):
            block = f"resblocks.{stage * len(v.kernels) + j}"
            for m in range(len(dilations)):
                for convs in ("convs1", "convs2") if v.resblock == 1 else ("convs",):
                    yield from _normed(f"{block}.{convs}.{m}", v.spelling, c, c, size)
    yield "conv_post.weight", (1, v.initial >> len(v.rates), 7)


def _dense(name: str, *weight: int) -> Shapes:
    yield f"{name}.weight", weight
    yield f"{name}.bias", (weight[0],)


def _normed(name: str, spelling: str, *weight: int) -> Shapes:
    gain = (weight[0], 1, 1)
    bias = weight[1] if ".ups." in f".{name}" else weight[0]
    if spelling == "plain":
        yield f"{name}.weight", weight
    elif spelling == "parametrized":
        yield f"{name}.parametrizations.weight.original0", gain
        yield f"{name}.parametrizations.weight.original1", weight
    else:
        yield f"{name}.weight_g", gain
        yield f"{name}.weight_v", weight
    yield f"{name}.bias", (bias,)


def _norm(name: str, channels: int) -> Shapes:
    yield f"{name}.gamma", (channels,)
    yield f"{name}.beta", (channels,)


def _prefixed(prefix: str, shapes: Shapes) -> Shapes:
    for name, shape in shapes:
        yield prefix + name, shape


def _random(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Random values that keep activations near unit size, and durations at a few frames."""
    if name == "iteration":
        return np.array([7], np.int64)
    noise = rng.standard_normal(shape)
    if name.endswith(("gamma", "weight_g", "original0")):
        return (1 + 0.1 * noise).astype(np.float32)
    if name == "dp.proj.bias":
        return np.full(shape, 0.8, np.float32)
    if len(shape) == 1 or name.startswith("sdp.flows.0"):
        return (0.1 * noise).astype(np.float32)
    fan_in = np.prod(shape[1:]) if "emb" not in name else 4
    return (0.5 * noise / np.sqrt(fan_in)).astype(np.float32)


def main(folder: Path) -> None:
    """Write the committed folder."""
    from tiny import make_tiny_bert

    import sokuon

    make_tiny_voice(folder / "voice", seed=1)
    make_tiny_bert(folder / "bert", seed=2)
    engine = sokuon.load(folder / "voice", bert=folder / "bert", threads=1, precision="fp32", backend="onnx")
    audio = engine.speak(GOLDEN_TEXT, seed=3, style="Happy", speaker="Speaker1")
    np.savez_compressed(folder / "golden.npz", samples=audio.samples, starts=[t.start for t in audio.timings])


GOLDEN_TEXT = "こんにちは、世界。今日はいい天気ですね！"

if __name__ == "__main__":
    main(Path(__file__).parent / "data" / "tiny")
