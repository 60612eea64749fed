"""The files of a voice as its author published it, whatever its form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sokuon.errors import VoiceError, VoiceNotFoundError
from sokuon.voices.fetch.listing import CONFIG, CONTAINERS, STYLES, WEIGHTS


@dataclass(frozen=True)
class VoiceFiles:
    """Where the parts of a voice lie: `config` and `styles` are None where `weights` holds them too."""

    name: str
    weights: Path
    config: Path | None
    styles: Path | None

    @property
    def all(self) -> list[Path]:
        """Every file that a conversion depends on."""
        data = self.weights.with_name(f"{self.weights.name}.data")  # external data of a graph
        return [path for path in (self.weights, self.config, self.styles) if path] + ([data] if data.is_file() else [])


def voice_files(source: Path) -> VoiceFiles:
    """The files of a voice folder, a weights file, or a file that holds a whole voice. Raises VoiceNotFoundError."""
    if source.is_dir():
        return VoiceFiles(source.resolve().name, find_weights(source), source / CONFIG, source / STYLES)
    if not source.is_file():
        raise VoiceNotFoundError(f"{source} does not exist; give the folder or file of a voice.")
    suffix = source.suffix.lower()
    if suffix in CONTAINERS:
        return VoiceFiles(source.stem, source, None, None)
    if suffix not in WEIGHTS:
        raise VoiceError(f"{source} is no voice; voices are folders, or {', '.join((*CONTAINERS, *WEIGHTS))} files.")
    config, styles = source.with_name(CONFIG), source.with_name(STYLES)
    beside = config.is_file() or styles.is_file()
    return VoiceFiles(source.stem, source, config if beside else None, styles if beside else None)


def find_weights(folder: Path) -> Path:
    """The newest weights that are not hidden (spec voice-files section 1): tensors before graphs of them."""
    for suffix in WEIGHTS:
        found = [path for path in folder.glob(f"*{suffix}") if _is_weights(path)]
        if found:
            return max(found, key=lambda path: (path.stat().st_mtime_ns, path.name))
    raise VoiceNotFoundError(
        f"{folder} holds no weights (.safetensors, .pth or .onnx files); put those of the voice there."
    )


def _is_weights(path: Path) -> bool:
    hidden, durations = path.name.startswith("."), path.name.startswith("duration_predictor")
    return path.is_file() and not hidden and not durations  # HayaKoe's durations graph is a part of the other one
