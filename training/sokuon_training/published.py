"""A published voice folder back into the training modules, to go on from it where no checkpoint is left."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

from sokuon_training import config as configs
from sokuon_training.acoustic import Acoustic
from sokuon_training.builtin import CONFIG
from sokuon_training.config import ModelConfig
from sokuon_training.deberta import BertConfig
from sokuon_training.decoder import Decoder

TENSORS = "voice/model.safetensors"


def tensors(folder: Path, prefix: str) -> dict[str, Tensor]:
    """The voice's tensors under `prefix`, without it, in FP32."""
    whole = load_file(str(folder / TENSORS))
    return {k.removeprefix(prefix): v.float() for k, v in whole.items() if k.startswith(prefix)}


def vocabulary(folder: Path) -> list[str]:
    """The BERT's entries."""
    return (folder / "bert" / "vocab.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")


def acoustic(folder: Path) -> tuple[Acoustic, list[str]]:
    """Text encoder, durations, flow and BERT, and the BERT's vocabulary. The decoder in it is not the published one;
    what only training needs (sdp.post_) is as it was drawn."""
    entries = vocabulary(folder)
    model = Acoustic(BertConfig(len(entries)))
    missing, unexpected = model.synthesizer.load_state_dict(
        {k: v for k, v in tensors(folder, "").items() if not k.startswith("dec.")}, strict=False
    )
    if unexpected or any(not k.startswith(("sdp.post_", "dec.")) for k in missing):
        raise ValueError(f"{folder} is not a built-in voice: missing {missing}, unexpected {unexpected}")
    bert = {k: v.float() for k, v in load_file(str(folder / "bert" / "model.safetensors")).items()}
    model.bert.load_state_dict(bert, strict=False)
    return model.eval(), entries


def config(folder: Path) -> ModelConfig:
    """The sizes of the built-in voice's folder: its decoder may be wider than builtin.py's (widen.py)."""
    width = configs.read(folder / "voice" / "config.json").upsample_initial_channel
    return dataclasses.replace(CONFIG, upsample_initial_channel=width)


def decoder(folder: Path) -> Decoder:
    """The decoder of the built-in voice's folder; the speaker's part is 0, as it was trained."""
    net = Decoder(config(folder))
    net.load_state_dict(tensors(folder, "dec."))
    nn.init.zeros_(net.cond.weight)
    return net
