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
_BAR, _ROW, _WIDTH, _FIGURE = 16, 40, 480, 90  # of a plot, in pixels: a label above each bar, a figure behind it
_TICK_PX = 60  # an axis has about one tick in so many pixels
_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:900px;margin:2em auto;padding:0 1em}
table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #ddd}
.wide{overflow-x:auto}audio{width:100%}svg{display:block;max-width:760px}
svg text{font:14px system-ui,sans-serif}svg .axis{font-size:13px;fill:#555}image{image-rendering:pixelated}"""


def page(machine: dict[str, str], results: Sequence[Result]) -> str:
    """The HTML document."""
    facts = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in machine.items())
    parts = [
        "<h1>Sokuon on this machine</h1>",
        f'<div class="wide"><table>{facts}</table></div>',
        "<h2>Seconds of sound per second of computing</h2>",
        _speed_plot(results),
        "<h2>Milliseconds by stage, for each second of sound</h2>",
        _stage_plot(results),
        "<h2>Loading and memory</h2>",
        _cost_table(results),
        f"<h2>Listen</h2><p>{escape(TEXTS[SAMPLE_TEXT])} Same seed everywhere.</p>",
        *(_player(result.setup.label, result.sample) for result in _once_each(results)),
    ]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>sokuon bench</title><style>{_STYLE}</style>"
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
            shares = [1000 * timing.stages[stage] / timing.audio_s for stage in STAGES]
            bars.append((f"{result.setup.label}, {timing.text}", shares, f"{sum(shares):.0f} ms"))
    names = zip(STAGES, _HUES, strict=True)
    legend = " ".join(f'<span style="color:{hue}">■</span> {name.replace("_", " ")}' for name, hue in names)
    return f"<p>{legend}</p>{_bars(bars)}"


def _bars(bars: Sequence[tuple[str, Sequence[float], str]]) -> str:
    """Horizontal stacked bars, each with a label above and a figure behind it."""
    longest = max(sum(parts) for _, parts, _ in bars)
    scale = (_WIDTH - _FIGURE) / longest  # pixels per unit
    drawn = []
    for row, (label, parts, figure) in enumerate(bars):
        x, y = 0.0, row * _ROW + 20
        drawn.append(f'<text x="0" y="{y - 5}">{escape(label)}</text>')
        for part, hue in zip(parts, _HUES, strict=False):
            drawn.append(f'<rect x="{x:.1f}" y="{y}" width="{part * scale:.1f}" height="{_BAR}" fill="{hue}"/>')
            x += part * scale
        drawn.append(f'<text x="{x + 6:.1f}" y="{y + 13}">{escape(figure)}</text>')
    return f'<svg viewBox="0 0 {_WIDTH} {len(bars) * _ROW}" width="100%" role="img">{"".join(drawn)}</svg>'


def _cost_table(results: Sequence[Result]) -> str:
    rows = ["<tr><th>setup</th><th>load</th><th>memory</th><th>peak</th></tr>"]
    for r in results:
        memory = ("-" if mb is None else f"{mb:.0f} MB" for mb in (r.resident_mb, r.peak_mb))
        cells = (escape(r.setup.label), f"{r.load_s:.1f} s", *memory)
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f'<div class="wide"><table>{"".join(rows)}</table></div>'


def _player(label: str, audio: Audio) -> str:
    sound = _data_uri("audio/wav", audio.to_bytes("wav"))
    return f'<h3>{escape(label)}</h3>{_spectrogram_plot(label, audio)}<audio controls src="{sound}"></audio>'


def _spectrogram_plot(label: str, audio: Audio) -> str:
    """The picture with its axes: seconds below, kHz at the left."""
    top_hz = min(_TOP_HZ, audio.sample_rate / 2)
    left, width, height = 44, _WIDTH - 60, _HEIGHT
    picture = _data_uri("image/png", png(spectrogram(audio.samples, audio.sample_rate)))
    drawn = [
        f'<image href="{picture}" x="{left}" y="8" width="{width}" height="{height}" preserveAspectRatio="none">'
        f"<title>Spectrogram, {escape(label)}</title></image>"
    ]
    for second in _ticks(audio.duration, width // _TICK_PX):
        x = left + second / audio.duration * width
        drawn.append(f'<path d="M{x:.1f} {height + 8}v5" stroke="#555"/>')
        drawn.append(f'<text class="axis" x="{x:.1f}" y="{height + 27}" text-anchor="middle">{second:g} s</text>')
    for khz in _ticks(top_hz / 1000, height // _TICK_PX):
        y = 8 + height - khz * 1000 / top_hz * height
        drawn.append(f'<path d="M{left - 5} {y:.1f}h5" stroke="#555"/>')
        drawn.append(f'<text class="axis" x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{khz:g}</text>')
    drawn.append('<text class="axis" x="0" y="20">kHz</text>')
    return f'<svg viewBox="0 0 {_WIDTH} {height + 34}" width="100%" role="img">{"".join(drawn)}</svg>'


def _ticks(end: float, most: int) -> list[float]:
    """Round numbers from 0 to `end`, about `most` of them."""
    rough = max(end, 1e-9) / max(1, most)
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * round_one for round_one in (1, 2, 5, 10) if power * round_one >= rough * (1 - 1e-9))
    return [round(float(step * i), 9) for i in range(int(end / step + 1e-9) + 1)]


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
