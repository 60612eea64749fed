"""Two decoders of one contract: `decoder.onnx` on ONNX Runtime, and the native kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from sokuon.formats.contracts import DECODER
from sokuon.formats.decoder_config import DecoderConfig
from sokuon.native import decoder as native_decoder
from sokuon.networks.runtime import Runtime
from sokuon.networks.session import Session
from sokuon.storage.tensors import F32, TensorFile
from sokuon.voices.voice import Voice

_MOST_FRAMES_PER_RUN = 768  # memory of ONNX Runtime grows with the chunk: about 0.1 MB a frame at full size


class Sound(Protocol):
    """One utterance to be decoded: the samples of some of its frames, on `threads` (None: as opened) if native.

    Any parts joined equal the whole decoded at once.
    """

    def __call__(self, frames: slice, threads: int | None = None) -> F32: ...


class Decoder(Protocol):
    """z [F, C] and speaker [G] → what can be decoded part by part."""

    def open(self, z: F32, speaker: F32) -> Sound: ...


class OnnxDecoder:
    """`decoder.onnx`, part by part with the exact margin on either side, so memory does not grow with length."""

    def __init__(self, folder: Path, config: DecoderConfig, runtime: Runtime) -> None:
        self._session = Session(folder / "decoder.onnx", DECODER, runtime.threads)
        self._config = config

    def open(self, z: F32, speaker: F32) -> Sound:
        """See Decoder."""

        def part(frames: slice, threads: int | None = None) -> F32:  # noqa: ARG001 - a session has its own
            runs = [self._run(z, speaker, own) for own in _bounded(frames)]
            return runs[0] if len(runs) == 1 else np.concatenate(runs)

        return part

    def _run(self, z: F32, speaker: F32, frames: slice) -> F32:
        margin, hop = self._config.margin, self._config.hop
        left = max(0, frames.start - margin)
        audio = self._session.run(z=z[left : frames.stop + margin], speaker=speaker)[0]
        return audio[(frames.start - left) * hop : (frames.stop - left) * hop]


class NativeDecoder:
    """The native kernel behind the same contract."""

    def __init__(self, folder: Path, config: DecoderConfig, runtime: Runtime) -> None:
        self._threads = runtime.threads
        file = TensorFile(folder / "decoder.weights")
        codes = TensorFile(folder / "decoder.codes") if runtime.weights == "q16" else None
        self._kernel = native_decoder.NativeDecoder(config, decoder_tensors(file), runtime.weights, codes)
        file.release()

    @property
    def weight_bytes(self) -> int:
        """Memory of the weights, packed or in the mapped file."""
        return self._kernel.weight_bytes

    def open(self, z: F32, speaker: F32) -> Sound:
        """See Decoder."""
        columns = np.ascontiguousarray(z.T, np.float32)  # [C, F]

        def part(frames: slice, threads: int | None = None) -> F32:
            return self._kernel.part(columns, speaker, frames, threads or self._threads)

        return part


def open_decoder(voice: Voice, runtime: Runtime) -> Decoder:
    """The decoder of a voice."""
    folder, config = voice.folder, voice.manifest.decoder
    return runtime.choose(
        f"the decoder in {folder}",
        lambda: NativeDecoder(folder, config, runtime),
        lambda: OnnxDecoder(folder, config, runtime),
    )


def decoder_tensors(file: TensorFile) -> dict[str, F32]:
    """The folded decoder tensors of a converted voice: views of `decoder.weights`, which decoder.onnx reads too."""
    return {name.removeprefix(native_decoder.PREFIX): file[name] for name in file}


def _bounded(frames: slice) -> Iterator[slice]:
    for begin in range(frames.start, frames.stop, _MOST_FRAMES_PER_RUN):
        yield slice(begin, min(begin + _MOST_FRAMES_PER_RUN, frames.stop))
