"""The page of `sokuon bench --html`: one file with figures, plots, spectrograms and players; nothing else to load."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from sokuon.audio.sound import Audio
from sokuon.measure.figures import SAMPLE_TEXT, TEXTS, Result
from sokuon.speaking import STAGES
from sokuon.storage.tensors import F32

U8 = npt.NDArray[np.uint8]

_WINDOW, _HOP = 2048, 512
_TOP_HZ, _RANGE_DB = 12000, 80
_HEIGHT = 220  # of a spectrogram, in pixels
_DARK_TO_LIGHT = ((0, 0, 12), (66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164))
_HUES = ("#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3", "#937860")  # one for each stage
_BAR, _GAP, _LEFT, _WIDTH = 16, 4, 240, 860  # of a plot, in pixels
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:900px;margin:2em auto;padding:0 1em}
table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #ddd}
img{width:100%;image-rendering:pixelated}audio{width:100%}text{font:12px system-ui,sans-serif}"""


def page(machine: dict[str, str], results: Sequence[Result]) -> str:
    """The HTML document."""
    facts = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in machine.items())
    parts = [
        "<h1>Sokuon on this machine</h1>",
        f"<table>{facts}</table>",
        "<h2>Seconds of sound per second of computing</h2>",
        _speed_plot(results),
        "<h2>Seconds by stage, for each second of sound</h2>",
        _stage_plot(results),
        "<h2>Loading and memory</h2>",
        _cost_table(results),
        f"<h2>Listen</h2><p>{escape(TEXTS[SAMPLE_TEXT])} Same seed everywhere.</p>",
        *(_player(result.setup.label, result.sample) for result in _once_each(results)),
    ]
    head = f'<meta charset="utf-8"><title>sokuon bench</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def _once_each(results: Sequence[Result]) -> list[Result]:
    """One result for each name: the thread count does not change the sound."""
    return list({result.setup.name: result for result in results}.values())


def _speed_plot(results: Sequence[Result]) -> str:
    bars = [
        (f"{result.setup.label}, {timing.text}", [timing.speed], f"{timing.speed:.2f}x")
        for result in results
        for timing in result.timings
    ]
    return _bars(bars)


def _stage_plot(results: Sequence[Result]) -> str:
    bars = []
    for result in results:
        for timing in result.timings:
            shares = [timing.stages[stage] / timing.audio_s for stage in STAGES]
            bars.append((f"{result.setup.label}, {timing.text}", shares, f"{sum(shares):.2f} s"))
    names = zip(STAGES, _HUES, strict=True)
    legend = " ".join(f'<span style="color:{hue}">■</span> {name.replace("_", " ")}' for name, hue in names)
    return f"<p>{legend}</p>{_bars(bars)}"


def _bars(bars: Sequence[tuple[str, Sequence[float], str]]) -> str:
    """Horizontal stacked bars, each with a label before and a figure behind it."""
    longest = max(sum(parts) for _, parts, _ in bars)
    scale = (_WIDTH - _LEFT - 60) / longest  # pixels per unit
    drawn = []
    for row, (label, parts, figure) in enumerate(bars):
        x, y = float(_LEFT), row * (_BAR + _GAP)
        drawn.append(f'<text x="{_LEFT - 6}" y="{y + 12}" text-anchor="end">{escape(label)}</text>')
        for part, hue in zip(parts, _HUES, strict=False):
            drawn.append(f'<rect x="{x:.1f}" y="{y}" width="{part * scale:.1f}" height="{_BAR}" fill="{hue}"/>')
            x += part * scale
        drawn.append(f'<text x="{x + 4:.1f}" y="{y + 12}">{escape(figure)}</text>')
    height = len(bars) * (_BAR + _GAP)
    return f'<svg viewBox="0 0 {_WIDTH} {height}" width="100%" role="img">{"".join(drawn)}</svg>'


def _cost_table(results: Sequence[Result]) -> str:
    rows = ["<tr><th>setup</th><th>load</th><th>memory</th><th>peak</th></tr>"]
    for r in results:
        memory = ("-" if mb is None else f"{mb:.0f} MB" for mb in (r.resident_mb, r.peak_mb))
        cells = (escape(r.setup.label), f"{r.load_s:.1f} s", *memory)
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f"<table>{''.join(rows)}</table>"


def _player(label: str, audio: Audio) -> str:
    picture = _data_uri("image/png", png(spectrogram(audio.samples, audio.sample_rate)))
    sound = _data_uri("audio/wav", audio.to_bytes("wav"))
    name = escape(label)
    return f'<h3>{name}</h3><img src="{picture}" alt="Spectrogram, {name}"><audio controls src="{sound}"></audio>'


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def spectrogram(samples: F32, sample_rate: int) -> U8:
    """A picture [height, width, 3] of the first _TOP_HZ, low frequencies at the bottom, _RANGE_DB below the maximum."""
    padded = np.pad(samples, _WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]  # [width, _WINDOW]
    level = 20 * np.log10(np.abs(np.fft.rfft(frames * np.hanning(_WINDOW))) + 1e-9)  # [width, bins] dB
    shown = min(level.shape[1], int(_TOP_HZ / sample_rate * _WINDOW))
    rows = np.linspace(shown - 1, 0, _HEIGHT).round().astype(int)
    brightness = np.clip(1 + (level - level.max()) / _RANGE_DB, 0, 1)[:, rows].T  # [height, width]
    return _colours(brightness)


def _colours(brightness: npt.NDArray[np.float64]) -> U8:
    """0…1 to colours: [height, width] → [height, width, 3]."""
    anchors = np.array(_DARK_TO_LIGHT, np.float64)
    at = np.linspace(0, 1, len(anchors))
    channels = [np.interp(brightness, at, anchors[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def png(pixels: U8) -> bytes:
    """An RGB picture [height, width, 3] as a PNG file (W3C PNG specification, filter 0)."""
    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
