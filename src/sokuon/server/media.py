"""The formats of the server's replies: their media types and rates."""

from __future__ import annotations

MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
PCM_HZ = 24000  # by the OpenAI contract: clients read no header
OPUS_HZ = 48000
_RATES = {
    "pcm": (PCM_HZ,),
    "opus": (OPUS_HZ, 24000, 16000, 12000, 8000),
    "mp3": (44100, 48000, 32000, 24000, 22050, 16000, 12000, 11025, 8000),
    "aac": (44100, 48000, 32000, 24000, 22050, 16000, 12000, 11025, 8000),
}


def output_rate(format: str, rate: int, wanted: int | None = None) -> int:
    """The rate a format is written in: `wanted` or the voice's own where the format can hold it, else a near one."""
    own = wanted or rate
    rates = _RATES.get(format)
    return own if rates is None or own in rates else rates[0]
