"""A Style-Bert-VITS2 config.json, read strictly where inference depends on it and with its defaults elsewhere.

Source: spec voice-files section 1.1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sokuon.errors import VoiceError, VoiceNotFoundError
from sokuon.formats.decoder_config import DecoderConfig

_NOT_OURS = "{} is not a Style-Bert-VITS2 configuration ({}); take the file its author published."


@dataclass(frozen=True)
class SourceConfig:
    """What the converter needs to know of a voice that its tensors do not tell."""

    name: str
    add_blank: bool
    speakers: Mapping[str, int]
    styles: Mapping[str, int]
    hidden_channels: int
    filter_channels: int
    heads: int
    layers: int
    kernel: int
    speaker_channels: int
    decoder: DecoderConfig


def read_config(path: Path) -> SourceConfig:
    """Read config.json. Raises VoiceError for a voice that is not JP-Extra or not consistent."""
    if not path.is_file():
        raise VoiceNotFoundError(f"{path} does not exist; a voice folder needs its config.json beside the weights.")
    try:
        config = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise VoiceError(_NOT_OURS.format(path, error)) from error
    return source_config(config, path)


def source_config(config: Any, path: Path) -> SourceConfig:
    """The configuration that a JSON document holds; errors name `path`. Raises VoiceError."""
    try:
        _refuse_other_models(config)
        return _source_config(config)
    except VoiceError as error:
        raise VoiceError(f"{path}: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise VoiceError(_NOT_OURS.format(path, repr(error))) from error


def _refuse_other_models(config: dict[str, Any]) -> None:
    version = str(config.get("version", "2.0-JP-Extra"))
    if not version.endswith("JP-Extra"):
        raise VoiceError(f"version {version} is not a JP-Extra voice; only JP-Extra voices can be converted.")
    if not config.get("model", {}).get("use_spk_conditioned_encoder", True):
        raise VoiceError("use_spk_conditioned_encoder is false; no JP-Extra voice can be built so.")


def _source_config(config: dict[str, Any]) -> SourceConfig:
    data, model = config.get("data", {}), config.get("model", {})
    hidden = _size(model, "hidden_channels", 192)
    inter = _size(model, "inter_channels", 192)
    if hidden != inter or hidden % 2:
        raise VoiceError(f"hidden_channels {hidden} and inter_channels {inter} must be one even number.")
    heads = _size(model, "n_heads", 2)
    if hidden % heads:
        raise VoiceError(f"hidden_channels {hidden} cannot be split over n_heads {heads}.")
    return SourceConfig(
        name=str(config.get("model_name", "Dummy")),
        add_blank=bool(data.get("add_blank", True)),
        speakers=_ids(data.get("spk2id", {"Dummy": 0}), "spk2id"),
        styles=_ids(data.get("style2id", {"Neutral": 0}), "style2id"),
        hidden_channels=hidden,
        filter_channels=_size(model, "filter_channels", 768),
        heads=heads,
        layers=_size(model, "n_layers", 6),
        kernel=_size(model, "kernel_size", 3),
        speaker_channels=_size(model, "gin_channels", 512),
        decoder=_decoder_config(model, data, hidden),
    )


def _decoder_config(model: dict[str, Any], data: dict[str, Any], latent: int) -> DecoderConfig:
    config = DecoderConfig(
        latent_channels=latent,
        speaker_channels=_size(model, "gin_channels", 512),
        initial_channels=_size(model, "upsample_initial_channel", 512),
        upsample_rates=_integers(model.get("upsample_rates", (8, 8, 2, 2, 2))),
        upsample_kernels=_integers(model.get("upsample_kernel_sizes", (16, 16, 8, 2, 2))),
        resblock=int(model.get("resblock", "1")),
        resblock_kernels=_integers(model.get("resblock_kernel_sizes", (3, 7, 11))),
        resblock_dilations=tuple(_integers(row) for row in model.get("resblock_dilation_sizes", [(1, 3, 5)] * 3)),
        sample_rate=_size(data, "sampling_rate", 44100),
    )
    _check_decoder(config, int(data.get("hop_length", config.hop)))
    return config


def _check_decoder(config: DecoderConfig, hop: int) -> None:
    stages = len(config.upsample_rates)
    if len(config.upsample_kernels) != stages or len(config.resblock_dilations) != len(config.resblock_kernels):
        raise VoiceError("upsample or resblock lists differ in length.")
    if not stages or not config.resblock_kernels or not all(config.resblock_dilations):
        raise VoiceError("an upsample or resblock list is empty.")
    if config.resblock not in (1, 2):
        raise VoiceError(f'resblock "{config.resblock}" is unknown; "1" and "2" exist.')
    if config.initial_channels % 2**stages:
        raise VoiceError(f"upsample_initial_channel {config.initial_channels} cannot be halved {stages} times.")
    if any((k - r) % 2 or k < r for r, k in zip(config.upsample_rates, config.upsample_kernels, strict=True)):
        raise VoiceError("an upsample kernel must exceed its rate by an even number (or equal it).")
    if any(k % 2 == 0 for k in config.resblock_kernels):
        raise VoiceError("resblock kernels must be odd.")
    if config.hop != hop:
        raise VoiceError(f"hop_length {hop} is not the product {config.hop} of upsample_rates.")


def _ids(table: Mapping[str, Any], key: str) -> dict[str, int]:
    ids = {str(name): int(number) for name, number in table.items()}
    if not ids or min(ids.values()) < 0:
        raise VoiceError(f"{key} must name at least one entry, numbered from 0.")
    return ids


def _size(table: Mapping[str, Any], key: str, default: int) -> int:
    return _positive(table.get(key, default), key)


def _integers(values: Sequence[Any]) -> tuple[int, ...]:
    return tuple(_positive(v, "an entry of an upsample or resblock list") for v in values)


def _positive(value: Any, name: str) -> int:
    number = int(value)
    if number < 1:
        raise VoiceError(f"{name} is {value}; it must be 1 or more.")
    return number


def find_bert_weights(source: Path) -> Path:
    """Of a BERT in Hugging Face layout: safetensors preferred."""
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (source / name).is_file():
            return source / name
    raise VoiceNotFoundError(f"{source} holds neither model.safetensors nor pytorch_model.bin.")
