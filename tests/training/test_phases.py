"""The phase of the fundamental, the loss against lines at the frame rate, and the proof that phases are needed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")
pytest.importorskip("pyworld")
sys.path.insert(0, str(Path(__file__).parents[2] / "training"))
sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

from buzz import lines_db, mean_spectrum  # noqa: E402
from sokuon_training import ModelConfig, losses  # noqa: E402
from sokuon_training.builtin import CONFIG  # noqa: E402
from sokuon_training.carry import carriers_for, deafen, target, turns  # noqa: E402
from sokuon_training.decoder import Decoder  # noqa: E402
from sokuon_training.features import HOP, SAMPLE_RATE  # noqa: E402
from sokuon_training.flow import Coupling, Flow  # noqa: E402
from sokuon_training.phases import CARRIER_CHANNELS, PHASE_CHANNELS, cycles, phasors  # noqa: E402

FRAMES = 60


def gliding_tone() -> tuple[np.ndarray, np.ndarray]:
    """A sum of ten harmonics from 180 to 260 Hz, and its F0 at the frames."""
    f0 = np.linspace(180, 260, FRAMES).astype(np.float32)
    centres = (np.arange(FRAMES) + 0.5) * HOP
    turn = 2 * np.pi * np.interp(np.arange(FRAMES * HOP), centres, cycles(f0))
    return sum(np.cos(k * turn) / k for k in range(1, 11)), f0


def test_phasors_follow_the_fundamental() -> None:
    sound, f0 = gliding_tone()
    expected = np.exp(2j * np.pi * cycles(f0))
    inner = slice(2, -2)  # at the ends the window has no sound beside it
    assert np.abs(np.angle(phasors(sound, f0) / expected))[inner].max() < 0.1


def test_unvoiced_frames_have_no_phase() -> None:
    sound, f0 = gliding_tone()
    f0[20:40] = 0
    assert not phasors(sound, f0)[20:40].any()


def test_a_decoder_repeats_equal_frames_with_the_frame_rate() -> None:
    """Why z needs a phase: steady frames, whatever they are, give sound of the frame's period and no other."""
    torch.manual_seed(0)
    config = ModelConfig(
        channels=16, gin_channels=8, upsample_initial_channel=64, resblock="2", resblock_kernel_sizes=(3,),
        resblock_dilation_sizes=((1, 3),), upsample_rates=(5, 5, 4, 3), upsample_kernel_sizes=(11, 11, 8, 7),
    )  # fmt: skip
    z = torch.randn(1, 16, 1).expand(1, 16, FRAMES)
    with torch.no_grad():
        sound = Decoder(config)(z, torch.zeros(1, 8, 1))[0, 0]
    frames = sound[20 * HOP : 40 * HOP].reshape(20, HOP)
    assert float((frames - frames[0]).abs().max()) < 1e-5 * float(sound.abs().max())


def test_lines_are_found_by_loss_and_measure() -> None:
    torch.manual_seed(0)
    plain = torch.randn(8, 28 * HOP)
    repeated = plain + 0.5 * torch.randn(8, 1, HOP).expand(-1, 28, -1).reshape(8, -1)
    assert float(losses.lines(plain, plain, HOP)) < 0.2
    assert float(losses.lines(repeated, plain, HOP)) > 0.8
    spectra = [[mean_spectrum(x.double().numpy(), SAMPLE_RATE) for x in batch] for batch in (plain, repeated)]
    heights = [lines_db(s, SAMPLE_RATE / HOP) for s in spectra]
    assert abs(heights[0]) < 1.5
    assert heights[1] > 3


def test_the_target_phase_runs_on_with_f0() -> None:
    """The flow's target turns from frame to frame by F0, and drifts slowly beside it."""
    torch.manual_seed(0)
    f0 = torch.full((4, 96), 230.0)
    made = target(torch.randn(4, 2, 96), f0)
    phasor = torch.complex(made[:, 0], made[:, 1])
    steps = (turns(f0)[:, 1:] - turns(f0)[:, :-1]).float()
    drift = (phasor[:, 1:] * phasor[:, :-1].conj() * torch.exp(-2j * torch.pi * steps)).angle()
    assert float(drift.abs().median()) < 0.3
    assert float((made.square().sum(1) - 1).abs().max()) < 1e-4


def test_coherent_loss_sees_phase_below_4_khz_only() -> None:
    time = torch.arange(8400) / SAMPLE_RATE
    low, high = (torch.sin(2 * torch.pi * hz * time)[None] for hz in (1000.0, 8000.0))
    turned = torch.cos(2 * torch.pi * 8000.0 * time)[None]
    assert float(losses.coherent(low, low)) < 1e-3
    assert float(losses.coherent(-low, low)) > 0.8
    assert float(losses.coherent(low + turned, low + high)) < 0.1


def test_a_deafened_flow_makes_the_other_channels_without_carriers_and_phases() -> None:
    torch.manual_seed(0)
    flow, own = Flow(CONFIG), [*PHASE_CHANNELS, *CARRIER_CHANNELS]
    for coupling in list(flow.flows)[::2]:
        assert isinstance(coupling, Coupling)
        torch.nn.init.normal_(coupling.post.weight, std=0.1)
    prior, mask, g = torch.randn(1, CONFIG.channels, 30), torch.ones(1, 1, 30), torch.randn(1, CONFIG.gin_channels, 1)
    changed = prior.clone()
    changed[:, own] = torch.randn(1, len(own), 30)
    others = [c for c in range(CONFIG.channels) if c not in own]
    with torch.no_grad():
        heard = (flow.inverse(prior, mask, g) - flow.inverse(changed, mask, g))[:, others]
        deafen(flow)
        deaf = (flow.inverse(prior, mask, g) - flow.inverse(changed, mask, g))[:, others]
    assert float(heard.abs().max()) > 1e-3
    assert not deaf.any()


def test_carriers_for_a_phase_have_it_as_their_target_and_are_white() -> None:
    """What the decoder hears of the flow's errors in training rests on it."""
    f0 = torch.linspace(180, 260, 400)
    f0[150:180] = 0
    drift = 0.3 * torch.sin(torch.arange(400) / 15)
    wanted = torch.polar(torch.ones(400), (2 * np.pi * turns(f0[None])[0]).float() + drift) * (f0 > 0)
    phase = torch.stack([wanted.real, wanted.imag])
    carriers = carriers_for(phase, f0, torch.Generator().manual_seed(0))
    made = target(carriers[None], f0[None])[0]
    assert float((made - phase).square().sum(0).mean()) < 0.05
    assert float(carriers.std()) == pytest.approx(1, abs=0.15)
    spectrum = torch.fft.fft(torch.complex(carriers[0], carriers[1])).abs().square()
    bands = spectrum.unflatten(0, (8, 50)).mean(1)
    assert float(bands.max() / bands.min()) < 3
