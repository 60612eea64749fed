"""Decoding in chunks is exact, and the margin is what exactness needs: no frame less."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_voice import TinyVoice, make_tiny_voice

from sokuon.convert.voice import convert_voice
from sokuon.formats.decoder_config import DecoderConfig
from sokuon.native import library as native
from sokuon.networks.decoder import NativeDecoder, OnnxDecoder, _bounded, decoder_tensors
from sokuon.networks.runtime import Runtime
from sokuon.networks.synthesizer import parts
from sokuon.storage.tensors import F32, TensorFile
from sokuon.voices.voice import Voice

ROUNDING = 1e-6  # absolute: a chunk's sums are the same, but convolutions of another length may be blocked otherwise
ONE = Runtime(1)
NATIVE = native.available()[0]
KINDS = (OnnxDecoder, NativeDecoder) if NATIVE else (OnnxDecoder,)

SHAPES = {
    "tiny": TinyVoice(),
    "resblock 2": TinyVoice(resblock=2, kernels=(3, 7), dilations=((1, 3), (1, 2))),
    "three stages": TinyVoice(rates=(3, 2, 2), upsample_kernels=(9, 2, 4), initial=16, kernels=(3,), dilations=((1,),)),
    "kernel equals rate": TinyVoice(rates=(4, 2), upsample_kernels=(4, 2), kernels=(3, 5), dilations=((1,), (2,))),
    "wide kernels": TinyVoice(rates=(2, 2), upsample_kernels=(8, 6), kernels=(11,), dilations=((1, 3, 5),)),
    "one stage": TinyVoice(rates=(5,), upsample_kernels=(7,), kernels=(3,), dilations=((1, 1),)),
    "no resblock reach": TinyVoice(rates=(2,), upsample_kernels=(4,), kernels=(1,), dilations=((1,),)),
}


@pytest.fixture(scope="module", params=SHAPES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Voice:
    folder = tmp_path_factory.mktemp("decoder")
    make_tiny_voice(folder / "source", seed=5, shape=SHAPES[request.param])
    convert_voice(folder / "source", folder / "voice")
    return Voice.open(folder / "voice")


def latent(config: DecoderConfig, frames: int, seed: int = 0) -> tuple[F32, F32]:
    """Random z [F, C] and speaker [G]."""
    rng = np.random.default_rng(seed)
    z, speaker = rng.standard_normal((frames, config.latent_channels)), rng.standard_normal(config.speaker_channels)
    return z.astype(np.float32), speaker.astype(np.float32)


def decode(decoder: OnnxDecoder | NativeDecoder, z: F32, speaker: F32, chunks: list[int] | None = None) -> F32:
    return np.concatenate(stream(decoder, z, speaker, chunks or [len(z)]))


def stream(decoder: OnnxDecoder | NativeDecoder, z: F32, speaker: F32, chunks: list[int]) -> list[F32]:
    sound = decoder.open(z, speaker)
    return [sound(part) for part in parts(chunks)]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 60), max_size=8), frames=st.integers(1, 60))
def test_any_chunks_join_to_the_whole(
    made: Voice, kind: type[OnnxDecoder | NativeDecoder], cuts: list[int], frames: int
) -> None:
    config = made.manifest.decoder
    decoder = kind(made.folder, config, ONE)
    z, speaker = latent(config, frames)
    places = sorted({0, frames, *(cut for cut in cuts if cut < frames)})
    chunks = [b - a for a, b in pairwise(places)]
    pieces = stream(decoder, z, speaker, chunks)
    assert [len(piece) for piece in pieces] == [size * config.hop for size in chunks]
    np.testing.assert_allclose(np.concatenate(pieces), decode(decoder, z, speaker), atol=ROUNDING)


Reached = npt.NDArray[np.bool_]


def reached_by(config: DecoderConfig, frame: int, frames: int) -> Reached:
    """Which samples one frame of z can reach, by walking every path of the network with truth values."""
    reached = np.zeros(frames, np.bool_)
    reached[frame] = True
    reached = widened(reached, 7)  # conv_pre
    for rate, kernel in zip(config.upsample_rates, config.upsample_kernels, strict=True):
        reached = upsampled(reached, rate, kernel)
        blocks = [
            resblock(reached, kernel, dilations, config.resblock)
            for kernel, dilations in zip(config.resblock_kernels, config.resblock_dilations, strict=True)
        ]
        reached = np.logical_or.reduce(blocks)
    return widened(reached, 7)  # conv_post


def widened(x: Reached, kernel: int, dilation: int = 1) -> Reached:
    pad = (kernel - 1) // 2 * dilation
    padded = np.pad(x, pad)
    return np.logical_or.reduce([padded[k * dilation : k * dilation + len(x)] for k in range(kernel)])


def upsampled(x: Reached, rate: int, kernel: int) -> Reached:
    full = np.zeros((len(x) - 1) * rate + kernel, np.bool_)
    for place in np.flatnonzero(x):
        full[place * rate : place * rate + kernel] = True
    pad = (kernel - rate) // 2
    return full[pad : pad + len(x) * rate]


def resblock(x: Reached, kernel: int, dilations: tuple[int, ...], kind: int) -> Reached:
    for dilation in dilations:
        x = widened(x, kernel, dilation)
        x = widened(x, kernel) if kind == 1 else x
    return x


def test_margin_is_the_reach_of_a_frame_and_no_frame_more(made: Voice) -> None:
    config = made.manifest.decoder
    frame, frames = config.margin + 2, 2 * config.margin + 5
    samples = np.flatnonzero(reached_by(config, frame, frames))
    assert max(frame - samples[0] // config.hop, samples[-1] // config.hop - frame) == config.margin


def changed_samples(made: Voice, frame: int, frames: int) -> list[int]:
    """Which samples change when one frame of z does."""
    decoder = OnnxDecoder(made.folder, made.manifest.decoder, ONE)
    z, speaker = latent(made.manifest.decoder, frames)
    other = z.copy()
    other[frame] += 10.0
    return np.flatnonzero(decode(decoder, z, speaker) != decode(decoder, other, speaker)).tolist()


def test_the_network_reaches_no_further_than_the_margin(made: Voice) -> None:
    """Far away a change may be smaller than what float32 resolves, so the network's own reach can seem shorter."""
    margin, hop = made.manifest.decoder.margin, made.manifest.decoder.hop
    frame, frames = margin + 2, 2 * margin + 5
    changed = changed_samples(made, frame, frames)
    reachable = np.flatnonzero(reached_by(made.manifest.decoder, frame, frames))
    assert set(changed) <= set(reachable.tolist())
    assert margin - 1 <= max(frame - changed[0] // hop, changed[-1] // hop - frame) <= margin


@pytest.mark.parametrize("name", ["three stages", "kernel equals rate", "one stage"])
def test_one_frame_less_of_margin_would_be_heard(name: str, tmp_path: Path) -> None:
    make_tiny_voice(tmp_path / "source", seed=5, shape=SHAPES[name])
    convert_voice(tmp_path / "source", tmp_path / "voice")
    voice = Voice.open(tmp_path / "voice")
    decoder = OnnxDecoder(voice.folder, voice.manifest.decoder, ONE)
    z, speaker = latent(voice.manifest.decoder, 80)
    z *= 100  # large, so that little is lost to rounding
    for margin, exact in ((voice.manifest.decoder.margin, True), (voice.manifest.decoder.margin - 1, False)):
        decoder._config = Narrower(margin, voice.manifest.decoder.hop)  # type: ignore[assignment]
        difference = np.abs(decode(decoder, z, speaker, [20, 20, 20, 20]) - decode(decoder, z, speaker)).max()
        assert (difference < ROUNDING) == exact


@dataclass(frozen=True)
class Narrower:
    """A decoder configuration that claims another margin."""

    margin: int
    hop: int


def test_margin_of_the_standard_decoder() -> None:
    """By hand, from the end: 3; +60 (kernel 11: 5 · (1+1+3+1+5+1)), three upsamplings by 2, two by 8, conv_pre 3."""
    config = DecoderConfig(
        192, 512, 512, (8, 8, 2, 2, 2), (16, 16, 8, 2, 2), 1, (3, 7, 11), ((1, 3, 5),) * 3, 44100
    )  # fmt: skip
    reach = 3
    for rate, extra in ((2, 1), (2, 1), (2, 4), (8, 11), (8, 11)):
        reach = (reach + 60 + extra) // rate
    assert config.hop == 512
    assert config.margin == reach + 3


def test_decoder_tensors_are_folded_and_named_as_in_the_checkpoint(voice: Voice) -> None:
    tensors = decoder_tensors(TensorFile(voice.folder / "decoder.weights"))
    assert {"conv_pre.weight", "cond.bias", "ups.0.weight", "resblocks.0.convs1.0.weight", "conv_post.weight"} <= set(
        tensors
    )
    assert not [name for name in tensors if "weight_" in name or name.startswith("dec.")]
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float32)}


def test_no_run_is_longer_than_the_memory_bound() -> None:
    runs = list(_bounded(slice(5, 10_005)))
    assert (runs[0].start, runs[-1].stop) == (5, 10_005)
    assert all(a.stop == b.start for a, b in pairwise(runs))
    assert max(run.stop - run.start for run in runs) <= 768
