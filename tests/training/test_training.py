"""What training builds on: exact inverses, the latent map, the alignment, and a random voice's tensors."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")
sys.path.insert(0, str(Path(__file__).parents[2] / "training"))

from sokuon_training import ModelConfig, random_model, spline  # noqa: E402
from sokuon_training.alignment import align, settle_pauses, slot_frames  # noqa: E402
from sokuon_training.latents import fit  # noqa: E402
from sokuon_training.prosody import contour  # noqa: E402

SMALL = ModelConfig(
    channels=16,
    filter_channels=32,
    gin_channels=8,
    upsample_initial_channel=32,
    transformer_flow=False,
    bert_width=24,
    n_layers=3,
)


def test_the_spline_undoes_itself_and_knows_its_slope() -> None:
    generator = torch.Generator().manual_seed(0)
    raw = tuple(2 * torch.randn(500, n, generator=generator, dtype=torch.float64) for n in (10, 10, 9))
    x = torch.linspace(-7, 7, 500, dtype=torch.float64, requires_grad=True)  # both tails and the middle
    y, log_slope = spline.forward(x, raw)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert (spline.inverse(y, raw) - x).abs().max() < 1e-8  # float64; steep bins lose a few digits
    assert (slope.log() - log_slope).abs().max() < 1e-10


@pytest.mark.parametrize("transformer", [False, True])
def test_the_flow_undoes_itself(transformer: bool) -> None:
    model = random_model(ModelConfig(**{**SMALL.__dict__, "transformer_flow": transformer, "flow_layers": 3}), seed=1)
    z, mask, g = torch.randn(2, 16, 20), torch.ones(2, 1, 20), torch.randn(2, 8, 1)
    with torch.no_grad():
        back = model.flow.inverse(model.flow(z, mask, g), mask, g)
    assert (back - z).abs().max() < 1e-4  # float32, four couplings


def test_a_standard_voice_has_the_tensors_of_the_format() -> None:
    with torch.device("meta"):
        from sokuon_training.synthesizer import Synthesizer

        tensors = Synthesizer(ModelConfig()).state_dict()
    assert len(tensors) == 1164
    assert sum(v.numel() for v in tensors.values()) == 62_756_657


def test_f0_survives_the_latent_map() -> None:
    rng = np.random.default_rng(0)
    latents = fit(rng.standard_normal((400, 60)).astype(np.float32), rng.standard_normal((400, 3)), channels=96)
    f0 = np.where(np.arange(50) % 7 < 5, 200.0 + np.arange(50), 0.0).astype(np.float32)
    z = latents(np.zeros((50, 60), np.float32), np.zeros((50, 3), np.float32), f0)
    assert z.shape == (96, 50)
    np.testing.assert_allclose(latents.f0_of(z), f0, rtol=1e-5)  # float32 logarithm and back
    np.testing.assert_array_equal(latents.pitch_of(f0), z[latents.pitch_channels])
    assert not z[latents.empty_channels].any()


def test_alignment_follows_the_reading() -> None:
    phones = ("_", "e", "q", "u", "s", "o", "d", "e", "sh", "o", ".", "_")
    frames = [13, 4, 3, 3, 3, 2, 1, 2, 4, 4, 21, 10, 1]
    aligned = align("eʔɯso deɕo.", frames, phones)
    assert aligned.cost == 0
    assert aligned.phone.tolist() == [26, 8, 6, 6, 6, 4, 4, 8, 8, 42, 20, 2]
    assert aligned.gap[5] == 2  # the space after "so"
    loudness = np.full(142, -18.0, np.float32)
    loudness[26:90] = -3.0
    settled = settle_pauses(aligned, phones, loudness)
    assert settled.phone[9] == 90 - 78  # the final vowel ends where the sound does
    assert settled.phone[9] + settled.phone[10] == 62


def test_every_slot_has_a_frame_and_none_is_lost() -> None:
    aligned = align("kʲoː.", [3, 2, 1, 2, 2, 3, 2], ("_", "ky", "o", "o", ".", "_"))
    slots = slot_frames(aligned)
    assert (slots >= 1).all()
    assert slots.sum() == aligned.phone.sum() + aligned.gap.sum()


def test_the_contour_is_higher_on_high_tones() -> None:
    phones, tones = ("_", "h", "a", "sh", "i", "g", "a", "_"), (0, 1, 1, 0, 0, 0, 0, 0)
    frames = np.array([8, 6, 10, 6, 10, 6, 10, 8])
    line = contour(phones, tones, frames, np.full(64, 250.0, np.float32))
    f0 = line.f0(np.ones(64, bool))
    assert f0[19:22].mean() > f0[36:38].mean() * 2 ** (2.5 / 12)
