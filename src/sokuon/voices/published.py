"""A Style-Bert-VITS2 config.json, read strictly where inference depends on it and with its defaults elsewhere.

Source: spec voice-files section 1.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sokuon.errors import VoiceError, VoiceNotFoundError
from sokuon.formats.decoder_config import DecoderConfig
from sokuon.formats.manifest import check_rows
from sokuon.storage.records import build, read_record

_MOST = 1 << 20  # of any size
_NOT_OURS = "{} is not a Style-Bert-VITS2 configuration ({}); take the file its author published."
_KINDS = {"1": 1, "2": 2}  # resblock, as text or as a number


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


@dataclass(frozen=True)
class _Data:
    """Its part `data`, with the defaults of the original."""

    sampling_rate: int = 44100
    hop_length: int | None = None
    add_blank: bool = True
    spk2id: Mapping[str, int] = field(default_factory=lambda: {"Dummy": 0})
    style2id: Mapping[str, int] = field(default_factory=lambda: {"Neutral": 0})


@dataclass(frozen=True)
class _Model:
    """Its part `model`, with the defaults of the original."""

    use_spk_conditioned_encoder: bool = True
    hidden_channels: int = 192
    inter_channels: int = 192
    filter_channels: int = 768
    n_heads: int = 2
    n_layers: int = 6
    kernel_size: int = 3
    gin_channels: int = 512
    upsample_initial_channel: int = 512
    upsample_rates: tuple[int, ...] = (8, 8, 2, 2, 2)
    upsample_kernel_sizes: tuple[int, ...] = (16, 16, 8, 2, 2)
    resblock: str | int = "1"
    resblock_kernel_sizes: tuple[int, ...] = (3, 7, 11)
    resblock_dilation_sizes: tuple[tuple[int, ...], ...] = ((1, 3, 5),) * 3


@dataclass(frozen=True)
class _Published:
    """config.json as far as inference depends on it."""

    version: str = "2.0-JP-Extra"
    model_name: str = "Dummy"
    data: _Data = _Data()
    model: _Model = _Model()


def read_config(path: Path) -> SourceConfig:
    """Read config.json. Raises VoiceError for a voice that is not JP-Extra or not consistent."""
    if not path.is_file():
        raise VoiceNotFoundError(f"{path} does not exist; a voice folder needs its config.json beside the weights.")
    try:
        config = read_record(path)
    except (OSError, ValueError) as error:
        raise VoiceError(_NOT_OURS.format(path, error)) from error
    return source_config(config, path)


def source_config(config: Any, path: Path) -> SourceConfig:
    """The configuration that a JSON document holds; errors name `path`. Raises VoiceError."""
    try:
        published = build(_Published, config, strict=False)
        _refuse_other_models(published)
        return _source_config(published)
    except VoiceError as error:
        raise VoiceError(f"{path}: {error}") from error
    except ValueError as error:
        raise VoiceError(_NOT_OURS.format(path, error)) from error


def _refuse_other_models(config: _Published) -> None:
    if not config.version.endswith("JP-Extra"):
        raise VoiceError(
            f"version {config.version[:40]} is not a JP-Extra voice; only JP-Extra voices can be converted."
        )
    if not config.model.use_spk_conditioned_encoder:
        raise VoiceError("use_spk_conditioned_encoder is false; no JP-Extra voice can be built so.")


def _source_config(config: _Published) -> SourceConfig:
    data, model = config.data, config.model
    _check_sizes(model)
    check_rows(data.spk2id, "spk2id")
    check_rows(data.style2id, "style2id")
    return SourceConfig(
        name=config.model_name,
        add_blank=data.add_blank,
        speakers=data.spk2id,
        styles=data.style2id,
        hidden_channels=model.hidden_channels,
        filter_channels=model.filter_channels,
        heads=model.n_heads,
        layers=model.n_layers,
        kernel=model.kernel_size,
        speaker_channels=model.gin_channels,
        decoder=_decoder_config(model, data),
    )


def _check_sizes(model: _Model) -> None:
    sizes = {
        key: getattr(model, key)
        for key in ("hidden_channels", "filter_channels", "n_heads", "n_layers", "kernel_size", "gin_channels")
    }
    for key, size in sizes.items():
        if not 1 <= size <= _MOST:
            raise VoiceError(f"{key} is {size}; it must be 1 or more, and below {_MOST}.")
    hidden, heads = model.hidden_channels, model.n_heads
    if hidden != model.inter_channels or hidden % 2:
        raise VoiceError(f"hidden_channels {hidden} and inter_channels {model.inter_channels} must be one even number.")
    if hidden % heads:
        raise VoiceError(f"hidden_channels {hidden} cannot be split over n_heads {heads}.")


def _decoder_config(model: _Model, data: _Data) -> DecoderConfig:
    config = DecoderConfig(
        latent_channels=model.inter_channels,
        speaker_channels=model.gin_channels,
        initial_channels=model.upsample_initial_channel,
        upsample_rates=model.upsample_rates,
        upsample_kernels=model.upsample_kernel_sizes,
        resblock=_KINDS.get(str(model.resblock), 0),
        resblock_kernels=model.resblock_kernel_sizes,
        resblock_dilations=model.resblock_dilation_sizes,
        sample_rate=data.sampling_rate,
    )
    if not config.resblock:
        raise VoiceError(f'resblock "{str(model.resblock)[:20]}" is unknown; "1" and "2" exist.')
    config.check()
    if data.hop_length not in (None, config.hop):
        raise VoiceError(f"hop_length {data.hop_length} is not the product {config.hop} of upsample_rates.")
    return config


def find_bert_weights(source: Path) -> Path:
    """Of a BERT in Hugging Face layout: safetensors preferred."""
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (source / name).is_file():
            return source / name
    raise VoiceNotFoundError(f"{source} holds neither model.safetensors nor pytorch_model.bin.")
