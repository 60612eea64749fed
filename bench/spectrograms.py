"""Recordings of one sentence as spectrograms in a PNG: a teacher and its pupils, a voice before and after.

    python bench/spectrograms.py OUT.png NAME=FILE ... [--to-khz 8] [--seconds 3]   (needs matplotlib)

FILE is a WAV or FLAC. Windows of 30 ms, so that the harmonics of F0 stand apart; each recording is scaled to the same
power and begins just before its sound. The first one's length is drawn unless `--seconds` says another.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

F64 = npt.NDArray[np.float64]

WINDOW_S, HOP_S = 0.030, 0.004
RANGE_DB = 65.0
QUIET_DB = -35.0  # of a window's power beside the loudest one's: before it there is no sound
LEAD_S = 0.05  # drawn before the sound
SHADES = 32


def decibels(samples: F64, rate: int) -> F64:
    """Power spectrogram [bins, windows] of the recording scaled to unit mean power, in dB."""
    size, hop = round(WINDOW_S * rate), round(HOP_S * rate)
    scaled = samples / (np.sqrt(np.mean(samples**2)) + 1e-12)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(scaled, size // 2), size)[::hop]
    spectrum = np.fft.rfft(windows * np.hanning(size))
    return np.asarray(20 * np.log10(np.abs(spectrum).T * (2 / size) + 1e-6))


def from_its_sound(samples: F64, rate: int) -> F64:
    """The recording without the silence before it."""
    hop = round(HOP_S * rate)
    power = np.square(samples[: len(samples) // hop * hop]).reshape(-1, hop).mean(1)
    first = int(np.argmax(power > power.max() * 10 ** (QUIET_DB / 10))) * hop
    return samples[max(0, first - round(LEAD_S * rate)) :]


def draw(out: Path, recordings: dict[str, Path], to_khz: float, seconds: float | None) -> None:
    """One row a recording."""
    import matplotlib
    from PIL import Image

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(recordings), 1, figsize=(9, 2.1 * len(recordings)), sharex=True, squeeze=False)
    for axis, (name, path) in zip(axes[:, 0], recordings.items(), strict=True):
        samples, rate = soundfile.read(path, dtype="float64")
        samples = from_its_sound(samples, rate)
        seconds = seconds or len(samples) / rate
        picture = decibels(samples[: round(seconds * rate)], rate)
        top = min(len(picture), round(to_khz * 1000 * WINDOW_S) + 1)
        extent = (0.0, picture.shape[1] * HOP_S, 0.0, (top - 1) / WINDOW_S / 1000)
        most = float(np.percentile(picture[:top], 99.8))
        axis.imshow(picture[:top], origin="lower", aspect="auto", cmap="gray_r", extent=extent, vmin=most - RANGE_DB)
        axis.set_ylabel(f"{name}\nkHz")
        axis.set_xlim(0, seconds)
    axes[-1, 0].set_xlabel("s")
    figure.tight_layout()
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=80)
    Image.open(buffer).convert("L").quantize(SHADES).save(out, format="PNG", optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("recordings", nargs="+", help="NAME=FILE")
    parser.add_argument("--to-khz", type=float, default=8.0)
    parser.add_argument("--seconds", type=float)
    args = parser.parse_args()
    pairs = [pair.partition("=") for pair in args.recordings]
    draw(args.out, {name: Path(file) for name, _, file in pairs}, args.to_khz, args.seconds)


if __name__ == "__main__":
    main()
