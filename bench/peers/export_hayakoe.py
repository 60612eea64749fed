"""Export the benchmark's weights to HayaKoe's own layout, by its own torch network (spec voice-files section 2).

    python bench/peers/export_hayakoe.py MODELS TARGET

MODELS holds voice/ and bert/ (bench/models.py). TARGET gets bert/tokenizer/, onnx/bert/q8/bert_q8.onnx,
onnx/speakers/bench/…, and for the other rows of the comparison bert/fp32.onnx and bert/q4.onnx. Runs in an environment
of its own that holds hayakoe 1.3.1, torch, transformers, onnx. The network is a black box: only its constructor and the
call signatures of its parts are used.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

sys.tracebacklimit = 0  # a failure names its cause without printing lines of the package

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime as ort  # noqa: E402
import torch  # noqa: E402
from hayakoe.models.models_jp_extra import SynthesizerTrn  # noqa: E402
from onnxruntime.quantization import quantize_dynamic  # noqa: E402
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn.utils import parametrize  # noqa: E402
from transformers import DebertaV2Model  # noqa: E402

SPEAKER = "bench"
OPSET = 17
UNUSED_LAYERS = 2  # hidden state -3 is the last but two
SYMBOLS, SPECTRUM_BINS = 112, 1025
EXAMPLE_SLOTS = 61
TOKENIZER_FILES = ("config.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json")
SCALARS = {"noise_scale": 0.6, "length_scale": 1.0, "noise_scale_w": 0.8, "sdp_ratio": 0.2}
NAMES = ("x", "x_lengths", "sid", "tone", "language", "bert", "style_vec")
TOLERANCE = 1e-3  # of the mean of the durations and of the audio, without noise, graph against torch


def main(models: Path, target: Path) -> None:
    export_bert(models / "bert", target)
    folder = target / "onnx" / "speakers" / SPEAKER
    folder.mkdir(parents=True)
    for name in ("config.json", "style_vectors.npy"):
        shutil.copy(models / "voice" / name, folder)
    network = load_network(models / "voice")
    export_voice(network, folder)
    check_voice(network, folder / "synthesizer.onnx")


def export_bert(source: Path, target: Path) -> None:
    """FP32 by tracing, then its dynamic int8 and 4-bit forms."""
    tokenizer = target / "bert" / "tokenizer"
    tokenizer.mkdir(parents=True)
    for name in TOKENIZER_FILES:
        shutil.copy(source / name, tokenizer)
    fp32, q8 = target / "bert" / "fp32.onnx", target / "onnx" / "bert" / "q8" / "bert_q8.onnx"
    q8.parent.mkdir(parents=True)
    model = DebertaV2Model.from_pretrained(source, dtype=torch.float32, attn_implementation="eager").eval()
    model.encoder.layer = model.encoder.layer[:-UNUSED_LAYERS]
    ids = torch.randint(5, 1000, (1, 20))
    _export(
        BertGraph(model),
        (ids, torch.ones_like(ids)),
        fp32,
        inputs=("input_ids", "attention_mask"),
        outputs=("output",),
        axes={"input_ids": {0: "b", 1: "s"}, "attention_mask": {0: "b", 1: "s"}, "output": {0: "b", 1: "s"}},
    )
    quantize_dynamic(fp32, q8)
    logging.getLogger("onnxruntime.quantization").setLevel(logging.WARNING)  # a line per node otherwise
    four_bit = MatMulNBitsQuantizer(onnx.load(fp32), bits=4, block_size=32, is_symmetric=True, accuracy_level=4)
    four_bit.process()
    four_bit.model.save_model_to_file(str(target / "bert" / "q4.onnx"))


class BertGraph(nn.Module):
    """Character ids and mask [b, s] to features [b, s, 1024]."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        features: Tensor = self.model(input_ids, attention_mask).last_hidden_state
        return features


def load_network(voice: Path) -> Any:
    """The package's synthesizer with the voice's weights, weight norm folded."""
    config = json.loads((voice / "config.json").read_text(encoding="utf-8"))
    network = SynthesizerTrn(
        n_vocab=SYMBOLS,
        spec_channels=SPECTRUM_BINS,
        segment_size=32,
        n_speakers=config["data"]["n_speakers"],
        **config["model"],
    ).eval()
    tensors = {_respelled(name): tensor for name, tensor in load_file(next(voice.glob("*.safetensors"))).items()}
    missing, unknown = network.load_state_dict(tensors, strict=False)
    lost = [name for name in missing if not name.startswith(("enc_q.", "sdp.post_", "sdp.flows.1."))]
    if lost or unknown:
        raise SystemExit(f"weights that do not fit: missing {lost[:5]}, unknown {unknown[:5]}")
    for module in list(network.modules()):
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
    return network


def _respelled(name: str) -> str:
    new = "parametrizations.weight.original"
    return name.replace("weight_g", f"{new}0").replace("weight_v", f"{new}1")


class Durations(nn.Module):
    """Text encoder and both duration predictors."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def hidden(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        x, x_lengths, sid, tone, language, bert, style = inputs
        g = self.network.emb_g(sid).unsqueeze(-1)
        return (*self.network.enc_p(x, x_lengths, tone, language, bert, style, g=g), g)

    def frames(self, h: Tensor, mask: Tensor, g: Tensor, scalars: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        length, noise_w, ratio = scalars
        sampled = self.network.sdp(h, mask, g=g, reverse=True, noise_scale=noise_w)
        logarithm = sampled * ratio + self.network.dp(h, mask, g=g) * (1 - ratio)
        return torch.ceil(torch.exp(logarithm) * mask * length)[:, 0]  # [1, T]

    def forward(self, *inputs: Tensor) -> Tensor:
        h, _mean, _log_std, mask, g = self.hidden(inputs[:7])
        return self.frames(h, mask, g, inputs[7:])


class Speech(Durations):
    """The whole synthesizer, its noise drawn inside."""

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        noise, length, noise_w, ratio = inputs[7:]
        h, mean, log_std, mask, g = self.hidden(inputs[:7])
        frames = self.frames(h, mask, g, (length, noise_w, ratio))  # [1, T]
        ends = frames.cumsum(1)[:, None]  # [1, 1, T]
        at = torch.arange(frames.sum().clamp_min(1).long(), dtype=frames.dtype)[None, :, None]  # [1, F, 1]
        path = ((at < ends) & (at >= ends - frames[:, None])).to(mean.dtype)  # [1, F, T]
        mean, log_std = (torch.matmul(path, rows.transpose(1, 2)).transpose(1, 2) for rows in (mean, log_std))
        z = mean + torch.randn_like(mean) * torch.exp(log_std) * noise  # [1, C, F]
        z = self.network.flow(z, torch.ones_like(z[:, :1]), g=g, reverse=True)
        return self.network.dec(z, g=g), frames


def export_voice(network: Any, folder: Path) -> None:
    inputs = example_inputs(EXAMPLE_SLOTS)
    phones = {name: {1: "phone_len"} for name in ("x", "tone", "language")} | {"bert": {2: "phone_len"}}
    speech = tuple(torch.from_numpy(array) for array in inputs.values())
    axes = {**phones, "audio": {2: "samples"}, "durations": {1: "phone_len"}}
    names = tuple(inputs)
    _export(Speech(network), speech, folder / "synthesizer.onnx", names, ("audio", "durations"), axes)
    del inputs["noise_scale"]
    only = tuple(torch.from_numpy(array) for array in inputs.values())
    axes = {**phones, "durations": {1: "phone_len"}}
    _export(Durations(network), only, folder / "duration_predictor.onnx", tuple(inputs), ("durations",), axes)


def example_inputs(slots: int) -> dict[str, np.ndarray]:
    """Random inputs of the graphs, by name, in their order."""
    draw = np.random.default_rng(slots)
    whole = (np.int64, (1, slots))
    arrays = {
        "x": draw.integers(0, SYMBOLS, whole[1], whole[0]),
        "x_lengths": np.array([slots], np.int64),
        "sid": np.zeros(1, np.int64),
        "tone": draw.integers(0, 12, whole[1], whole[0]),
        "language": draw.integers(0, 3, whole[1], whole[0]),
        "bert": draw.standard_normal((1, 1024, slots), np.float32),
        "style_vec": draw.standard_normal((1, 256), np.float32),
    }
    return arrays | {name: np.array([value], np.float32) for name, value in SCALARS.items()}


def _export(
    module: nn.Module,
    example: tuple[Tensor, ...],
    path: Path,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    axes: dict[str, dict[int, str]],
) -> None:
    module.eval()  # else the exporter puts the network behind it back into training mode when it is done
    with warnings.catch_warnings():  # tracing warns of every constant it sees; `check_voice` is the proof it may
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            example,
            path,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )


def check_voice(network: Any, graph: Path) -> None:
    """The graph follows the network at other lengths than the one it was traced at (noise off)."""
    session = ort.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    for slots in (5, EXAMPLE_SLOTS, 143):
        inputs = example_inputs(slots) | {name: np.zeros(1, np.float32) for name in ("noise_scale", "noise_scale_w")}
        audio, frames = session.run(["audio", "durations"], inputs)
        with torch.no_grad():
            expected, alignment, *_ = network.infer(
                *(torch.from_numpy(inputs[name]) for name in NAMES),
                noise_scale=0.0,
                noise_scale_w=0.0,
                sdp_ratio=SCALARS["sdp_ratio"],
            )
        if not np.array_equal(frames[0], alignment[0, 0].sum(0)):
            raise SystemExit(f"{graph}: durations differ from the network's at {slots} slots")
        error = float(np.abs(audio - expected.numpy()).max())
        print(f"{graph.name}: {slots} slots, {audio.shape[2]} samples, largest difference {error:.1e}", file=sys.stderr)
        if error > TOLERANCE:
            raise SystemExit(f"{graph}: audio differs from the network's")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
