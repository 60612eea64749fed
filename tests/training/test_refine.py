"""What the decoder's later training rests on: discriminators that hear from the start, a loss that leaves noise free,
and a decoder with a phase that is taken as it is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")
pytest.importorskip("pyworld")
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "training"))

from sokuon_training import losses, published  # noqa: E402
from sokuon_training.critic import Critics  # noqa: E402
from sokuon_training.latents import LatentMap  # noqa: E402
from sokuon_training.loop import Run, half_convolutions  # noqa: E402
from sokuon_training.phases import CARRIER_CHANNELS, PHASE_CHANNELS  # noqa: E402
from sokuon_training.refine import prepared, train_critics  # noqa: E402

BUILTIN = ROOT / "training" / "builtin"


def test_new_discriminators_keep_the_power_of_what_they_hear() -> None:
    torch.manual_seed(0)
    critics = Critics()
    for turn in range(3):
        with torch.no_grad():
            _, inner = critics(0.1 * torch.randn(4, 8400), turn)
        for layers in inner:  # as torch draws weights, the last is a fifth of the first
            assert 0.4 < float(layers[-1].std() / layers[0].std()) < 2.5


def test_discriminators_ask_what_separate_passes_would() -> None:
    torch.manual_seed(0)
    critics = Critics()
    heard, made = 0.1 * torch.randn(2, 2, 4200)
    leaf = made.clone().requires_grad_()
    _, real_inner = critics(heard, 1)
    scores, inner = critics(leaf, 1)
    (losses.fooling_loss(scores) + 2 * losses.matching_loss(real_inner, inner)).backward()
    before = [p.clone() for p in critics.parameters()]
    optimizer = torch.optim.SGD(critics.parameters(), 1e-3)
    _, asked = train_critics(critics, optimizer, heard, made, 1, matching=2.0)
    torch.testing.assert_close(asked, leaf.grad)
    assert any(not torch.equal(p, old) for p, old in zip(critics.parameters(), before, strict=True))


def test_the_decoder_in_bf16_gives_fp32_sound_close_to_its_own() -> None:
    torch.manual_seed(0)
    decoder = published.decoder(BUILTIN)
    z, speaker = torch.randn(1, 96, 12), torch.zeros(1, 32, 1)
    with torch.no_grad():
        wanted = decoder(z, speaker)
        with half_convolutions(torch.device("cpu"), True):
            made = decoder(z, speaker)
    assert made.dtype == torch.float32
    assert float((made - wanted).square().mean() / wanted.square().mean()) < 0.01


def test_the_map_to_latents_of_the_published_voice_lies_beside_it() -> None:
    latents = LatentMap.load(BUILTIN / "latents.npz")
    assert latents.channels == 96
    assert not set(PHASE_CHANNELS + CARRIER_CHANNELS) - set(latents.empty_channels.tolist())


def test_mel_bands_forgive_another_noise_and_not_another_colour() -> None:
    torch.manual_seed(0)
    first, second = 0.1 * torch.randn(2, 4, 24_000)
    duller = torch.nn.functional.avg_pool1d(second, 3, 1, 1)
    forgiven = float(losses.mel(second, first)) / float(losses.spectral(second, first))
    assert forgiven < 0.95
    assert float(losses.mel(duller, first)) > 1.2 * float(losses.mel(second, first))
    assert float(losses.mel(first, first)) < 1e-4


def test_a_decoder_with_a_phase_is_taken_as_it_is() -> None:
    decoder, wanted = prepared(BUILTIN), published.tensors(BUILTIN, "dec.")
    for name, value in decoder.state_dict().items():
        assert torch.equal(value, wanted[name]), name


def test_a_decoder_without_a_phase_is_made_deaf_to_the_carriers(monkeypatch: pytest.MonkeyPatch) -> None:
    hearing = published.decoder(BUILTIN)
    with torch.no_grad():
        hearing.conv_pre.weight[:, list(CARRIER_CHANNELS)] = 0.1
        hearing.conv_pre.weight[:, list(PHASE_CHANNELS)] = 0
    monkeypatch.setattr(published, "decoder", lambda _folder: hearing)
    weight = prepared(BUILTIN).conv_pre.weight
    assert not weight[:, list(CARRIER_CHANNELS)].any()
    assert bool(weight[:, list(PHASE_CHANNELS)].any())


def test_a_run_tells_what_its_checkpoint_held(tmp_path: Path) -> None:
    first = Run(tmp_path / "some.pt", minutes=1)
    first.keep(decoder=torch.nn.Linear(2, 2))
    first.save()
    again = Run(tmp_path / "some.pt", minutes=1)
    again.keep(decoder=torch.nn.Linear(2, 2), critics=torch.nn.Linear(2, 2))
    assert again.resume()
    assert "decoder" in again.found
    assert "critics" not in again.found
    assert 0 < again.minutes_left <= 1
