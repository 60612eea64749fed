"""The voice's three networks as functions: encode, durations, latent frames, samples.

Letters: T phone slots, F frames, C latent channels, S characters + 2, B BERT width, G speaker width.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sokuon.errors import VoiceError
from sokuon.networks.decoder import Decoder, Sound, open_decoder
from sokuon.networks.encoder import Encoder, open_encoder
from sokuon.networks.flow import Flow, open_flow, run_bounded
from sokuon.networks.runtime import Runtime
from sokuon.options import SynthesisOptions
from sokuon.storage.tensors import F32
from sokuon.text import Slots
from sokuon.voices.voice import Voice

I64 = npt.NDArray[np.int64]
Chunking = Callable[[int], list[int]]  # frames → sizes that sum to it
_log = logging.getLogger("sokuon.networks")
_FIRST_CHUNK_FRAMES = 16  # 0.19 s at the standard hop: the first sound leaves early
_GROWTH = 2  # each chunk twice as long as the one before: the margin is paid ever more rarely
_LARGEST_CHUNK_FRAMES = 384
MOST_FRAMES = 100_000  # of a sentence, 19 minutes: 200 characters at speed 0.1 stay below
_MOST_FRAMES_PER_SLOT = 2000  # 23 s: only a damaged voice gets here, and it must not eat all memory


@dataclass(frozen=True)
class Utterance:
    """What the encoder reads for one sentence: slots, BERT rows [S, B], style [256], speaker [G]."""

    slots: Slots
    features: F32
    style: F32
    speaker: F32


@dataclass(frozen=True)
class Encoded:
    """Prior `mean` and `log_std` [T, C]; `log_duration` and `log_duration_sampled` [T], log frames."""

    mean: F32
    log_std: F32
    log_duration: F32
    log_duration_sampled: F32


class Synthesizer:
    """One voice, ready to speak. Thread-safe."""

    def __init__(self, encoder: Encoder, flow: Flow, decoder: Decoder) -> None:
        self._encoder, self._flow, self._decoder = encoder, flow, decoder

    @classmethod
    def open(cls, voice: Voice, runtime: Runtime) -> Synthesizer:
        """The networks of a converted voice. Raises VoiceError, OptionError."""
        networks = open_encoder(voice.folder, runtime), open_flow(voice.folder, runtime), open_decoder(voice, runtime)
        _log.info("%s: %s", voice.manifest.name, ", ".join(type(network).__name__ for network in networks))
        return cls(*networks)

    @property
    def weight_bytes(self) -> int:
        """Memory of the weights of what runs natively; 0 where nothing does."""
        return sum(int(getattr(part, "weight_bytes", 0)) for part in (self._encoder, self._flow, self._decoder))

    def encode(self, utterance: Utterance, duration_noise: F32, threads: int | None = None) -> Encoded:
        """Run the encoder; `duration_noise` [2, T] is already scaled by noise_w."""
        slots = utterance.slots
        characters = np.repeat(np.arange(len(slots.counts)), slots.counts)  # [T]
        outputs = self._encoder.run(
            threads,
            phones=slots.ids,
            tones=slots.tones,
            languages=slots.languages,
            characters=characters,
            bert=utterance.features,
            style=utterance.style,
            speaker=utterance.speaker,
            duration_noise=duration_noise,
        )
        return Encoded(*outputs)

    def latent(self, encoded: Encoded, frames: I64, noise: F32, speaker: F32, threads: int | None = None) -> F32:
        """Expand the prior over `frames` [T], add `noise` [F, C] (scaled), run the flow: z [F, C]."""
        mean = _expand(encoded.mean, frames)
        z_prior = mean + noise * np.exp(_expand(encoded.log_std, frames))
        return run_bounded(self._flow, z_prior, speaker, threads)

    def sound(self, z: F32, speaker: F32) -> Sound:
        """z [F, C], ready to be decoded part by part. A part raises VoiceError where samples are no numbers."""
        decoded = self._decoder.open(z, speaker)

        def part(frames: slice, threads: int | None = None) -> F32:
            return _numbers(decoded(frames, threads))

        return part

    def decode(self, z: F32, speaker: F32, chunks: Sequence[int]) -> Iterator[F32]:
        """Samples of z [F, C] in pieces of `chunks` frames, which sum to F."""
        sound = self.sound(z, speaker)
        for part in parts(chunks):
            yield sound(part)


def _numbers(samples: F32) -> F32:
    if not np.isfinite(samples).all():
        raise VoiceError("the voice's samples are no numbers; its weights are damaged, download them again.")
    return samples


def durations(encoded: Encoded, options: SynthesisOptions) -> I64:
    """Whole frames per slot [T]: ceil(exp(mixed log durations) / speed) (spec model-synthesizer section 6).

    Raises VoiceError where a damaged voice gives NaN or sound without end.
    """
    ratio = np.float32(options.sdp_ratio)
    log_frames = encoded.log_duration
    if ratio > 0:
        log_frames = ratio * encoded.log_duration_sampled + (1 - ratio) * log_frames
    if np.isnan(log_frames).any():
        raise VoiceError("the voice's durations are no numbers; its weights are damaged, download them again.")
    frames = np.ceil(np.exp(np.minimum(log_frames, 20.0)) * np.float32(1.0 / options.speed))
    whole_frames = np.asarray(np.clip(frames, 0, _MOST_FRAMES_PER_SLOT), np.int64)
    if (total := int(whole_frames.sum())) > MOST_FRAMES:
        raise VoiceError(
            f"one sentence would last {total} frames, and {MOST_FRAMES} is the most; raise speed or cut the sentence, "
            "or download the voice again if its weights may be damaged."
        )
    return whole_frames


def parts(chunks: Sequence[int]) -> Iterator[slice]:
    """Sizes → the frames of each chunk."""
    begin = 0
    for size in chunks:
        if size > 0:
            yield slice(begin, begin + size)
        begin += size


def whole(frames: int) -> list[int]:
    """One chunk: no frame is decoded twice."""
    return [frames]


def growing_chunks(frames: int) -> list[int]:
    """Chunk sizes that sum to `frames`: small first for an early sound, doubling up to a bound.

    Every boundary costs two margins of frames decoded twice.
    """
    sizes: list[int] = []
    size = _FIRST_CHUNK_FRAMES
    while frames > 0:
        sizes.append(min(size, frames))
        frames -= sizes[-1]
        size = min(size * _GROWTH, _LARGEST_CHUNK_FRAMES)
    return sizes


def _expand(rows: F32, frames: I64) -> F32:
    """Repeat row t `frames[t]` times: [T, C] → [F, C]; one row of zeros where nothing lasts."""
    expanded = np.repeat(rows, frames, axis=0)
    return expanded if len(expanded) else np.zeros((1, rows.shape[1]), np.float32)
