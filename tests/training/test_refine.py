"""What the decoder's later training rests on: discriminators that hear from the start, a loss that leaves noise free,
and a decoder with a phase that is taken as it is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
pytest.importorskip("scipy")
pytest.importorskip("pyworld")
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "training"))

from sokuon_training import losses, published  # noqa: E402
from sokuon_training.balance import Balance  # noqa: E402
from sokuon_training.critic import Critics  # noqa: E402
from sokuon_training.latents import LatentMap  # noqa: E402
from sokuon_training.loop import Run, half_convolutions  # noqa: E402
from sokuon_training.phases import CARRIER_CHANNELS, PHASE_CHANNELS  # noqa: E402
from sokuon_training.refine import (  # noqa: E402
    OPENING_LEAD,
    OPENING_LOUD,
    Pairs,
    openings_of,
    prepared,
    train_critics,
)
from sokuon_training.vocoder import CROP_FRAMES, QUIET  # noqa: E402

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


@pytest.mark.parametrize(("asked", "wanted"), [(50.0, 0.2), (2.0, 1.0)])
def test_discriminators_are_held_to_their_share_and_never_raised(asked: float, wanted: float) -> None:
    weight = torch.ones(1, requires_grad=True)
    made = weight * 1.0
    balance = Balance(share=1.0)
    balance.backward(10 * weight.sum(), made, torch.tensor([asked]), [weight])
    assert balance.scale == pytest.approx(wanted)
    assert weight.grad is not None
    assert float(weight.grad) == pytest.approx(10 + wanted * asked)


def test_one_measurement_moves_the_balance_only_a_part_of_the_way() -> None:
    weight = torch.ones(1, requires_grad=True)
    balance = Balance(share=1.0)
    for step in range(21):
        balance.backward(10 * weight.sum(), weight * 1.0, torch.tensor([50.0 if step < 20 else 500.0]), [weight])
    assert 0.05 < balance.scale < 0.15


def test_frames_weigh_in_mel_bands_at_their_time() -> None:
    torch.manual_seed(0)
    target = 0.1 * torch.randn(2, 28 * 300)
    wrong = target.clone()
    wrong[:, : 4 * 300] = 0  # the first four frames
    first, last = torch.ones(2, 28), torch.ones(2, 28)
    first[:, :4], last[:, -4:] = 3.0, 3.0
    plain = float(losses.mel(wrong, target))
    assert float(losses.mel(wrong, target, torch.ones(2, 28))) == pytest.approx(plain, rel=1e-5)
    assert float(losses.mel(wrong, target, first)) > 1.5 * plain
    assert float(losses.mel(wrong, target, last)) == pytest.approx(plain, rel=0.02)


def test_openings_are_cropped_with_the_silence_before_them() -> None:
    silent, loud = np.full(20, QUIET - 5), np.full(60, QUIET + 5)
    quiet, short = np.full(40, QUIET - 5), np.concatenate([silent[:6], loud[: CROP_FRAMES - 6]])
    starts, opens = openings_of([np.concatenate([silent, loud]), quiet, short])
    assert starts.tolist() == [*range(20 - OPENING_LEAD + 1), 120]  # the last recording is one crop long
    first = np.flatnonzero(opens)
    assert first[: OPENING_LEAD + OPENING_LOUD].tolist() == list(range(20 - OPENING_LEAD, 20 + OPENING_LOUD))
    assert first[-1] == 120 + 6 + OPENING_LOUD - 1
    assert len(opens) == 80 + 40 + CROP_FRAMES


def test_a_batch_says_which_of_its_frames_open_a_sentence() -> None:
    loud = np.concatenate([np.full(20, QUIET - 5), np.full(100, QUIET + 5)])
    openings, opens = openings_of([loud])
    z, samples = torch.arange(120.0).expand(96, 120), torch.zeros(120 * 300, dtype=torch.int16)
    inner, rng = np.array([60]), np.random.default_rng(0)
    empty, heard = torch.tensor([2]), torch.from_numpy(loud > QUIET)
    pairs = Pairs(z, -z, samples, inner, openings, torch.from_numpy(opens), empty, rng, heard, [120])
    drawn, sound, marked = pairs.batch(6, real_part=3, opening_share=0.0)
    assert sound.shape == (6, CROP_FRAMES * 300)
    assert not marked.any()
    assert bool((drawn[:2, 0] > 0).all())  # two of six are real
    assert torch.equal(drawn[2:, 0], -z[:4, 60 : 60 + CROP_FRAMES])
    drawn, _, marked = pairs.batch(6, real_part=3, opening_share=1.0)
    assert marked.sum(1).tolist() == [OPENING_LEAD + OPENING_LOUD] * 6
    first = -drawn[2:, 0][marked[2:]].reshape(4, -1)[:, 0]
    assert first.tolist() == [20.0 - OPENING_LEAD] * 4
