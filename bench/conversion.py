"""Full-size conversions: seconds, peak memory, and whether every published form speaks as the folder does.

    python bench/conversion.py MODELS [--bert]

Of MODELS (bench/models.py) the folder `voice` is exported to each layout and converted back, in processes of their own;
`.sbv2` is packed here. Peak: resident memory of the conversion and of the process that compares, at the same moment.
Spoken with the same seed, durations must be equal and samples within 1e-4 of those of the folder read directly. With
--bert the BERT is converted to Q8, too. Linux.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
from shared import ROOT, table

sys.path.insert(0, str(ROOT / "src"))

import sokuon
from sokuon.convert.sbv2_archive import zstd
from sokuon.export.voice import Layout, export_voice

TEXT = "旅の途中で不思議な街に辿り着きました。"
TOLERANCE = 1e-4  # of samples in [-1, 1]
VOICE = "from sokuon.convert.voice import convert_voice; convert_voice({source!r}, {target!r})"
BERT = "from sokuon.convert.bert import *; convert_bert({source!r}, {target!r}, Precision.Q8)"
POLL_S = 0.005


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("--bert", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = voices(arguments.models, Path(folder))
        if arguments.bert:
            seconds, peak = converted(BERT, arguments.models / "bert", Path(folder) / "bert")
            rows.append(["BERT to Q8", "", f"{seconds:.1f} s", f"{peak:.0f} MB", "", "", ""])
    print(table(["from", "file", "time", "peak", "of the file", "durations", "samples differ by"], rows))


def voices(models: Path, folder: Path) -> list[list[str]]:
    """A row for each form of the voice."""
    expected, rows = None, []
    for name, source in published(models / "voice", folder).items():
        size = max(path.stat().st_size for path in ([source] if source.is_file() else source.iterdir())) / 1e6
        seconds, peak = converted(VOICE, source, folder / "converted" / name)
        spoken = speak(folder / "converted" / name, models / "sokuon" / "bert-q8")
        expected = expected or spoken
        same = [p.duration for p in spoken.timings] == [p.duration for p in expected.timings]
        error = float(np.abs(spoken.samples - expected.samples).max()) if same else float("inf")
        verdict = "equal" if same else "differ"
        ratio = f"{peak / size:.2f}"
        rows.append([name, f"{size:.0f} MB", f"{seconds:.1f} s", f"{peak:.0f} MB", ratio, verdict, f"{error:.1e}"])
        if not same or error > TOLERANCE:
            print(table(["from"], rows))
            raise SystemExit(f"{name} speaks otherwise than the folder: durations {verdict}, samples {error:.1e}")
    return rows


def published(voice: Path, folder: Path) -> dict[str, Path]:
    """The voice in every form, the folder first."""
    forms = {"folder": voice, "AIVMX": folder / "voice.aivmx", "SBV2's ONNX": folder / "onnx"}
    forms |= {"HayaKoe's folder": folder / "hayakoe", ".sbv2": folder / "voice.sbv2"}
    export_voice(voice, forms["AIVMX"], Layout.AIVMX)
    export_voice(voice, forms["SBV2's ONNX"], Layout.SBV2_ONNX)
    export_voice(voice, forms["HayaKoe's folder"], Layout.HAYAKOE)
    pack(forms["SBV2's ONNX"] / "onnx.onnx", np.load(voice / "style_vectors.npy"), forms[".sbv2"])
    return forms


def pack(graph: Path, styles: np.ndarray, target: Path) -> None:  # type: ignore[type-arg]
    """An archive as sbv2-api has it (spec voice-files section 4)."""
    vectors = json.dumps({"shape": styles.shape, "data": styles.tolist()}).encode()
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        parts = {"version.txt": b"1", "model.onnx": graph.read_bytes(), "style_vectors.json": vectors}
        for name, content in parts.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    target.write_bytes(zstd().compress(data.getvalue()))


def converted(code: str, source: Path, target: Path) -> tuple[float, float]:
    """Seconds, and the peak in megabytes of the process and its children together."""
    target.parent.mkdir(exist_ok=True)
    line = "from pathlib import *; from sokuon.convert.products import Precision; " + code.format(
        source=source, target=target
    )
    start, peak = time.perf_counter(), 0
    process = subprocess.Popen([sys.executable, "-c", line], env={**os.environ, "PYTHONPATH": str(ROOT / "src")})
    while process.poll() is None:
        peak = max(peak, resident(process.pid))
        time.sleep(POLL_S)
    if process.returncode:
        raise SystemExit(f"{source} cannot be converted")
    return time.perf_counter() - start, peak / 1e6


def resident(pid: int) -> int:
    """Bytes of a process and its children; 0 for one that has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, IndexError):
        return 0
    return pages * 4096 + sum(resident(int(child)) for child in children)


def speak(voice: Path, bert: Path) -> sokuon.Audio:
    return sokuon.load(voice, bert=bert, threads=2, weights="fp32").speak(TEXT, seed=1)


if __name__ == "__main__":
    main()
