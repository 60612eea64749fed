"""Two decoders of one contract: `decoder.onnx` on ONNX Runtime, and the native kernel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from sokuon.formats.contracts import DECODER
from sokuon.formats.decoder_config import DecoderConfig
from sokuon.native import decoder as native_decoder
from sokuon.networks.runtime import Runtime
from sokuon.networks.session import Session
from sokuon.storage.tensors import F32, TensorFile
from sokuon.voices.voice import Voice

_PREFIX = "dec."  # of the decoder's tensors in the weights file
_MOST_FRAMES_PER_RUN = 768  # memory of ONNX Runtime grows with the chunk: about 0.1 MB a frame at full size


class Decoder(Protocol):
    """z [F, C] and speaker [G] → samples, in pieces of the frames asked for; joined they equal decoding at once."""

    def stream(self, z: F32, speaker: F32, chunks: Sequence[int]) -> Iterator[F32]: ...


class OnnxDecoder:
    """`decoder.onnx`, chunk by chunk with the exact margin on either side, so memory does not grow with length."""

    def __init__(self, folder: Path, config: DecoderConfig, runtime: Runtime) -> None:
        self._session = Session(folder / "decoder.onnx", DECODER, runtime.threads)
        self._config = config

    def stream(self, z: F32, speaker: F32, chunks: Sequence[int]) -> Iterator[F32]:
        """See Decoder; a chunk beyond the memory bound leaves in several pieces."""
        begin, margin, hop = 0, self._config.margin, self._config.hop
        for size in _bounded(chunks):
            left, end = max(0, begin - margin), begin + size
            audio = self._session.run(z=z[left : end + margin], speaker=speaker)[0]
            yield audio[(begin - left) * hop : (end - left) * hop]
            begin = end


class NativeDecoder:
    """The native kernel behind the same contract."""

    def __init__(self, folder: Path, config: DecoderConfig, runtime: Runtime) -> None:
        self._threads = runtime.threads
        file = TensorFile(folder / "decoder.weights")
        self._kernel = native_decoder.NativeDecoder(config, decoder_tensors(file), runtime.weights)
        file.release()

    def stream(self, z: F32, speaker: F32, chunks: Sequence[int]) -> Iterator[F32]:
        """See Decoder."""
        yield from self._kernel.stream(z.T, speaker, self._threads, chunks)


def open_decoder(voice: Voice, runtime: Runtime) -> Decoder:
    """The decoder of a voice."""
    kind = NativeDecoder if runtime.native() else OnnxDecoder
    return kind(voice.folder, voice.manifest.decoder, runtime)


def decoder_tensors(file: TensorFile) -> dict[str, F32]:
    """The folded decoder tensors of a converted voice: views of `decoder.weights`, which decoder.onnx reads too."""
    return {name.removeprefix(_PREFIX): file[name] for name in file}


def _bounded(chunks: Sequence[int]) -> Iterator[int]:
    for size in chunks:
        while size > _MOST_FRAMES_PER_RUN:
            yield _MOST_FRAMES_PER_RUN
            size -= _MOST_FRAMES_PER_RUN
        if size > 0:
            yield size
