"""A published config.json: defaults, refusals, damage."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_voice import TinyVoice

from sokuon.errors import VoiceError, VoiceNotFoundError
from sokuon.voices.published import read_config

VERSION = {"version": "2.7.0-JP-Extra"}


def write(folder: Path, config: Any, encoding: str = "utf-8") -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(config, ensure_ascii=False), encoding=encoding)
    return path


def test_missing_keys_have_the_defaults_of_the_format(tmp_path: Path) -> None:
    """Spec voice-files section 1.1."""
    config = read_config(write(tmp_path, {}))
    assert (config.name, config.add_blank) == ("Dummy", True)
    assert (dict(config.speakers), dict(config.styles)) == ({"Dummy": 0}, {"Neutral": 0})
    assert (config.hidden_channels, config.filter_channels, config.heads, config.layers) == (192, 768, 2, 6)
    assert (config.kernel, config.speaker_channels) == (3, 512)
    decoder = config.decoder
    assert (decoder.hop, decoder.sample_rate, decoder.initial_channels, decoder.resblock) == (512, 44100, 512, 1)
    assert decoder.upsample_rates == (8, 8, 2, 2, 2)
    assert decoder.upsample_kernels == (16, 16, 8, 2, 2)
    assert decoder.resblock_kernels == (3, 7, 11)
    assert decoder.resblock_dilations == ((1, 3, 5),) * 3


def test_keys_that_do_not_matter_are_ignored(tmp_path: Path) -> None:
    config = TinyVoice().config() | {"train": {"seed": 1}, "spk": None}
    config["model"] |= {"use_spectral_norm": False, "slm": {"model": "x"}, "n_layers_q": 3, "p_dropout": 0.1}
    assert read_config(write(tmp_path, config)).heads == 2


def test_names_in_any_script_and_a_byte_order_mark(tmp_path: Path) -> None:
    config = TinyVoice().config()
    config["data"]["spk2id"] = {"話者": 0}
    assert list(read_config(write(tmp_path, config, "utf-8-sig")).speakers) == ["話者"]


@pytest.mark.parametrize("version", ["2.7.0", "1.3", "", "2.0-JP-extra"])
def test_other_models_are_refused(tmp_path: Path, version: str) -> None:
    path = write(tmp_path, {"version": version})
    with pytest.raises(VoiceError, match=rf"config\.json: version {version} is not a JP-Extra voice; only JP-Extra"):
        read_config(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"use_spk_conditioned_encoder": False}}, "use_spk_conditioned_encoder is false"),
        ({"model": {"hidden_channels": 191, "inter_channels": 191}}, "must be one even number"),
        ({"model": {"hidden_channels": 128}}, "hidden_channels 128 and inter_channels 192"),
        ({"model": {"n_heads": 5}}, "cannot be split over n_heads 5"),
        ({"model": {"n_heads": 0}}, "n_heads is 0; it must be 1 or more"),
        ({"model": {"upsample_rates": [8, 8, 2, 2, 0]}}, "dilation is not within 1 to 1024"),
        ({"model": {"upsample_rates": [], "upsample_kernel_sizes": []}}, "list is empty"),
        ({"data": {"sampling_rate": 0}}, "sampling_rate is 0"),
        ({"model": {"resblock": "3"}}, 'resblock "3" is unknown'),
        ({"model": {"upsample_rates": [8, 8, 2, 2]}}, "lists differ in length"),
        ({"model": {"resblock_kernel_sizes": [3, 7]}}, "lists differ in length"),
        ({"model": {"resblock_kernel_sizes": [3, 7, 10]}}, "resblock kernels must be odd"),
        ({"model": {"upsample_kernel_sizes": [16, 16, 8, 2, 3]}}, "exceed its rate by an even number"),
        ({"model": {"upsample_initial_channel": 500}}, "500 cannot be halved 5 times"),
        ({"data": {"hop_length": 256}}, "hop_length 256 is not the product 512"),
        ({"data": {"spk2id": {}}}, "spk2id must name at least one"),
        ({"data": {"style2id": {"Neutral": -1}}}, "style2id must name at least one entry, numbered from 0"),
        ({"data": {"style2id": [1]}}, "not a Style-Bert-VITS2 configuration"),
        ({"model": {"n_layers": "six"}}, "not a Style-Bert-VITS2 configuration"),
        ({"model": None}, "not a Style-Bert-VITS2 configuration"),
    ],
)
def test_inconsistent_configuration_is_said_with_its_file(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = write(tmp_path, VERSION | changes)
    with pytest.raises(VoiceError, match=message) as raised:
        read_config(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe{}", b"3"])
def test_what_is_no_configuration_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(VoiceError, match=r"not a Style-Bert-VITS2 configuration .*take the file its author published"):
        read_config(tmp_path / "config.json")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(VoiceNotFoundError, match=r"config\.json does not exist"):
        read_config(tmp_path / "config.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 20) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=6,
)
KEYS = [("data", key) for key in TinyVoice().config()["data"]] + [
    ("model", key) for key in TinyVoice().config()["model"]
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(KEYS), value=JSON)
def test_any_value_is_read_or_refused(tmp_path: Path, place: tuple[str, str], value: Any) -> None:
    config = copy.deepcopy(TinyVoice().config())
    config[place[0]][place[1]] = value
    try:
        read = read_config(write(tmp_path, config))
    except VoiceError:
        return
    assert read.decoder.hop >= 1
    assert read.decoder.margin >= 0
    assert read.decoder.sample_rate >= 1
