"""Writing voices in the format every JP-Extra voice has: config.json, model.safetensors, style_vectors.npy."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sokuon_training.config import STYLE_WIDTH, ModelConfig, voice_config
from sokuon_training.synthesizer import Synthesizer

LATER_SPELLING = {".weight_g": ".parametrizations.weight.original0", ".weight_v": ".parametrizations.weight.original1"}


@dataclass(frozen=True)
class VoiceInfo:
    """What config.json says beside the sizes."""

    name: str = "Random"
    styles: tuple[str, ...] = ("Neutral",)
    sample_rate: int = 44_100


def save_voice(
    tensors: dict[str, Tensor], config: ModelConfig, folder: Path, info: VoiceInfo, styles: npt.NDArray[np.float32]
) -> None:
    """Write a voice folder; `styles` is [len(info.styles), STYLE_WIDTH]."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = voice_config(config, info.styles, info.sample_rate, info.name)
    (folder / "config.json").write_text(json.dumps(contents, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    write_tensors(tensors, folder / "model.safetensors")
    np.save(folder / "style_vectors.npy", styles.astype(np.float32))


def write_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """A safetensors file anyone may read (the library makes it private to its owner)."""
    save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, path, metadata={"format": "pt"})
    path.chmod(0o644)


def randomise(module: nn.Module, seed: int) -> None:
    """Give every parameter a random value, the usual zeros and ones too, so that a test sees each of them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in module.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if name.endswith(("gamma", "weight_g", "LayerNorm.weight")):
                p.copy_(p.abs().clamp_min(0.1) * (1 + 0.2 * noise))
            elif p.dim() < 2 or name.endswith((".m", ".logs")):
                p.copy_(0.1 * noise)
            else:
                p.copy_(noise * _spread(p))


def _spread(p: Tensor) -> float:
    """Standard deviation that keeps activations near unit size."""
    if p.dim() == 2 and p.shape[0] > 2 * p.shape[1]:
        return 0.5  # an embedding table
    return float((p.numel() / p.shape[0]) ** -0.5)


def random_model(config: ModelConfig, seed: int) -> Synthesizer:
    """A synthesizer with random weights, in evaluation mode; durations of a few frames a slot."""
    torch.manual_seed(seed)
    model = Synthesizer(config).eval()
    randomise(model, seed)
    with torch.no_grad():
        model.dp.proj.bias.fill_(0.7)
        model.emb_g.weight.normal_()
        model.enc_p.proj.weight[config.channels :] *= 0.3  # log standard deviations near 0
        model.dec.conv_post.weight *= 0.2 / _loudness(model)
    return model


def _loudness(model: Synthesizer) -> float:
    """Root mean square of what the decoder makes of noise."""
    z = torch.randn(1, model.config.channels, 50)
    return float(model.dec(z, model.speaker(torch.tensor([0]))).square().mean().sqrt())


def random_voice(
    config: ModelConfig, folder: Path, seed: int = 0, info: VoiceInfo | None = None, later_spelling: bool = False
) -> Synthesizer:
    """Save a random voice as a folder and return the model behind it. `later_spelling` writes weight norm under the
    names of newer torch versions."""
    model = random_model(config, seed)
    info = info or VoiceInfo()
    styles = np.random.default_rng(seed).standard_normal((len(info.styles), STYLE_WIDTH)).astype(np.float32)
    tensors = dict(model.state_dict())
    if later_spelling:
        tensors = {_respell(k): v for k, v in tensors.items()}
    save_voice(tensors, config, folder, info, styles)
    return model


def _respell(key: str) -> str:
    for old, new in LATER_SPELLING.items():
        if key.endswith(old):
            return key.removesuffix(old) + new
    return key
