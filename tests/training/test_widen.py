"""A wider decoder must make the sound of the one it came from, and its new channels must learn."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")
pytest.importorskip("pyworld")
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "training"))

from sokuon_training import published  # noqa: E402
from sokuon_training.decoder import Decoder  # noqa: E402
from sokuon_training.phases import CARRIER_CHANNELS  # noqa: E402
from sokuon_training.refine import knows_phase  # noqa: E402
from sokuon_training.widen import widened  # noqa: E402

BUILTIN = ROOT / "training" / "builtin"


@pytest.fixture(scope="module")
def narrow() -> Decoder:
    return published.decoder(BUILTIN)


@pytest.fixture(scope="module")
def wide(narrow: Decoder) -> Decoder:
    config = published.config(BUILTIN)
    config = dataclasses.replace(config, upsample_initial_channel=config.upsample_initial_channel * 3 // 2)
    return widened(narrow, Decoder(config), torch.Generator().manual_seed(0))


def latents(channels: int) -> torch.Tensor:
    return 0.7 * torch.randn(2, channels, 20, generator=torch.Generator().manual_seed(1))


def test_a_wider_decoder_makes_the_same_sound(narrow: Decoder, wide: Decoder) -> None:
    z, g = latents(narrow.conv_pre.in_channels), torch.zeros(2, narrow.cond.in_channels, 1)
    with torch.no_grad():
        torch.testing.assert_close(wide(z, g), narrow(z, g), rtol=0, atol=1e-5)
    assert knows_phase(wide)
    assert not wide.conv_pre.weight[:, list(CARRIER_CHANNELS)].any()


def test_its_new_channels_are_heard_and_learn_from_the_first_step(narrow: Decoder, wide: Decoder) -> None:
    z, g = latents(narrow.conv_pre.in_channels), torch.zeros(2, narrow.cond.in_channels, 1)
    wide.zero_grad()
    wide(z, g).square().mean().backward()
    for old, new in zip(narrow.ups, wide.ups, strict=True):
        speaking, reading = new.weight[len(old.weight) :], new.weight_v.grad[:, old.weight.shape[1] :]
        assert float(speaking.abs().mean()) > 0.1 * float(old.weight.abs().mean())
        assert bool((reading.flatten(2).norm(dim=2).sum(0) > 0).all())
