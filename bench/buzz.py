"""How much a voice buzzes at its frame rate, and up to where the harmonics of its F0 can be seen.

A decoder that repeats its excitation in every frame puts power at the multiples of the frame rate, whatever F0 it is
given. Two numbers a folder of recordings, and one table:

* `lines_db`: mean height of the lines at k * frame rate over the valleys between them, from 1.6 to 11.5 kHz, in the
  power spectrum averaged over all recordings (each scaled to equal power). 0 to 1 dB for a person or an HTS voice.
* `harmonics_khz`: up to where a harmonic of F0 stands on average at least 3 dB above the middle between two, in voiced
  frames; measured with a window of five periods, so that a slow glide does not blur it. `contrast_db` holds the bands.

    python bench/buzz.py NAME=FOLDER_OF_WAV_OR_FLAC ... [--frame-rate 80] [--most 40]   (needs pyworld)

The last line printed is JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

F64 = npt.NDArray[np.float64]

LINES_FROM_HZ, LINES_TO_HZ = 1600.0, 11_500.0
RESOLUTION_HZ = 4.0
BAND_HZ, BANDS = 500, 16
VISIBLE_DB = 3.0
PERIODS = 5
STEP_S = 0.010
STEADY = 0.01
"""Most that F0 may change from one point of 5 ms to the next: beyond it a window of five periods is blurred."""


def recordings(folder: Path, most: int) -> Iterator[tuple[F64, int]]:
    """(samples, rate) of the folder's first files by name."""
    for path in sorted(p for p in folder.iterdir() if p.suffix in {".wav", ".flac"})[:most]:
        samples, rate = soundfile.read(path, dtype="float64")
        yield samples, rate


def mean_spectrum(samples: F64, rate: int) -> F64:
    """Power spectrum with bins of RESOLUTION_HZ, averaged over the recording, scaled to unit mean."""
    size = round(rate / RESOLUTION_HZ)
    if len(samples) < size:
        samples = np.pad(samples, (0, size - len(samples)))
    starts = range(0, len(samples) - size + 1, size // 4)
    window = np.blackman(size)
    power = np.mean([np.abs(np.fft.rfft(samples[s : s + size] * window)) ** 2 for s in starts], 0)
    return np.asarray(power / (power.mean() + 1e-20))


def lines_db(spectra: Sequence[F64], frame_rate: float) -> float:
    """Mean height in dB of the lines at k * frame_rate over the valleys between."""
    decibels = 10 * np.log10(np.mean(spectra, 0) + 1e-12)

    def level(hz: float, reach_hz: float) -> float:
        low, high = round((hz - reach_hz) / RESOLUTION_HZ), round((hz + reach_hz) / RESOLUTION_HZ)
        return float(np.mean(decibels[low : high + 1]))

    numbers = range(int(np.ceil(LINES_FROM_HZ / frame_rate)), int(LINES_TO_HZ / frame_rate) + 1)
    heights = [
        level(k * frame_rate, 4.0) - (level((k - 0.5) * frame_rate, 12.0) + level((k + 0.5) * frame_rate, 12.0)) / 2
        for k in numbers
        if (k + 1) * frame_rate / RESOLUTION_HZ < len(decibels)
    ]
    return float(np.mean(heights))


def contrasts(samples: F64, rate: int) -> Iterator[tuple[float, float]]:
    """(Hz, dB of a harmonic over the middle between it and the next) for every harmonic of steady voiced frames."""
    import pyworld

    f0, times = pyworld.dio(samples, rate, f0_floor=80.0, f0_ceil=600.0)
    f0 = pyworld.stonemask(samples, f0, times, rate)
    every = round(STEP_S / (times[1] - times[0]))
    for place in range(every, len(f0) - 1, every):
        around = f0[place - 1 : place + 2]
        if around.min() <= 0 or np.abs(np.diff(np.log(around))).max() > STEADY:
            continue
        half = round(PERIODS * rate / f0[place] / 2)
        centre = round(times[place] * rate)
        piece = samples[max(0, centre - half) : centre + half]
        if len(piece) == 2 * half:
            yield from _contrasts(piece * np.hanning(2 * half), rate, f0[place])


def _contrasts(piece: F64, rate: int, f0: float) -> Iterator[tuple[float, float]]:
    top = min(BAND_HZ * BANDS, rate / 2 - f0)
    halves = np.arange(2, int(2 * top / f0)) * f0 / 2  # f0, 1.5 f0, 2 f0 ...
    turns = np.exp(-2j * np.pi * halves[:, None] * np.arange(len(piece)) / rate)
    decibels = 20 * np.log10(np.abs(turns @ piece) + 1e-9)
    for i in range(0, len(halves) - 2, 2):
        yield float(halves[i]), float((decibels[i] + decibels[i + 2]) / 2 - decibels[i + 1])


def measure(folder: Path, frame_rate: float, most: int) -> dict[str, object]:
    """All numbers of one folder."""
    spectra, pairs = [], []
    for samples, rate in recordings(folder, most):
        spectra.append(mean_spectrum(samples, rate))
        pairs += list(contrasts(samples, rate))
    if not spectra:
        raise SystemExit(f"{folder} holds no .wav or .flac file.")
    hz, decibels = np.array(pairs).T
    bands = [float(np.mean(decibels[(hz >= b * BAND_HZ) & (hz < (b + 1) * BAND_HZ)])) for b in range(BANDS)]
    visible = next((b for b in range(1, BANDS) if bands[b] < VISIBLE_DB), BANDS)
    return {
        "recordings": len(spectra),
        "lines_db": round(lines_db(spectra, frame_rate), 1),
        "harmonics_khz": visible * BAND_HZ / 1000,
        "contrast_db": [round(b, 1) for b in bands],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", help="NAME=FOLDER")
    parser.add_argument("--frame-rate", type=float, default=80.0)
    parser.add_argument("--most", type=int, default=40, help="recordings of each folder, the first by name")
    args = parser.parse_args()
    results = {}
    for pair in args.folders:
        name, _, folder = pair.rpartition("=")
        results[name or folder] = measure(Path(folder), args.frame_rate, args.most)
    for name, result in results.items():
        print(f"{name:12} lines {result['lines_db']:5} dB   harmonics to {result['harmonics_khz']} kHz")
        print(f"{'':12} contrast in bands of {BAND_HZ} Hz: {result['contrast_db']}")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
