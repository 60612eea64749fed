"""Step 1: WORLD features of every recording. `python -m sokuon_training.analyse AUDIO_FOLDER WORK_FOLDER`."""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from rich.progress import track

from sokuon_training.features import analyse_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("audio", type=Path, help="folder of 24 kHz mono FLAC or WAV files")
    parser.add_argument("work", type=Path, help="folder for everything training writes")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    target = args.work / "features"
    target.mkdir(parents=True, exist_ok=True)
    sources = sorted(p for p in args.audio.iterdir() if p.suffix in {".flac", ".wav"})
    with ProcessPoolExecutor(args.processes) as pool:
        jobs = pool.map(analyse_file, sources, [target / f"{p.stem}.npz" for p in sources], chunksize=8)
        frames = sum(track(jobs, "WORLD analysis", total=len(sources)))
    print(f"{len(sources)} recordings, {frames} new frames")


if __name__ == "__main__":
    main()
