"""What `sokuon voices` shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from sokuon.errors import VoiceError, VoiceNotFoundError, printable
from sokuon.formats.voice import MANIFEST
from sokuon.voices.builtin import BUILTIN
from sokuon.voices.voice import Voice


@dataclass(frozen=True)
class VoiceSummary:
    """One voice folder; `megabytes` on disk, `converted` if it is ready to load, `problem` if it cannot be used."""

    folder: Path
    name: str
    speakers: tuple[str, ...]
    styles: tuple[str, ...]
    sample_rate: int
    megabytes: float
    converted: bool
    licence: str | None
    problem: str | None = None


def summaries(folder: Path | None) -> list[VoiceSummary]:
    """The voice at `folder`, or each voice directly below it. Raises VoiceNotFoundError where there is none."""
    root = folder or BUILTIN / "voice"
    if not root.is_dir():
        raise VoiceNotFoundError(f"{root} is not a folder; give a voice folder or a folder of voices.")
    found = [path for path in [root, *sorted(root.iterdir())] if _is_voice(path)]
    if not found:
        raise VoiceNotFoundError(
            f"{root} holds no voice; a voice has a voice.json, or a config.json beside .safetensors."
        )
    return [_summary(root)] if found == [root] else [_listed(path) for path in found]


def voice_table(folder: Path | None) -> Table:
    """`summaries` as a table for the terminal."""
    table = Table("voice", "speakers", "styles", "rate", "size", "state", "licence", "folder")
    for s in summaries(folder):
        state = s.problem or ("converted" if s.converted else "as published")
        lists = ", ".join(s.speakers), ", ".join(s.styles)
        numbers = f"{s.sample_rate} Hz" if s.sample_rate else "", f"{s.megabytes:.0f} MB"
        cells = (s.name, *lists, *numbers, state, s.licence or "", str(s.folder))
        table.add_row(*(escape(printable(cell)) for cell in cells))  # a voice's own words: no control of the terminal
    return table


def _is_voice(path: Path) -> bool:
    return (path / MANIFEST).is_file() or ((path / "config.json").is_file() and (path / "style_vectors.npy").is_file())


def _listed(folder: Path) -> VoiceSummary:
    """One of several: a voice that cannot be used does not hide the others."""
    try:
        return _summary(folder)
    except VoiceError as error:
        return VoiceSummary(folder, folder.name, (), (), 0, _megabytes(folder), False, None, str(error))


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) / 1e6


def _summary(folder: Path) -> VoiceSummary:
    size = _megabytes(folder)
    if (folder / MANIFEST).is_file():
        m = Voice.open(folder).manifest
        rate = m.decoder.sample_rate
        return VoiceSummary(folder, m.name, tuple(m.speakers), tuple(m.styles), rate, size, True, m.licence)
    from sokuon.voices.licence import read_licence
    from sokuon.voices.published import read_config

    c = read_config(folder / "config.json")
    rate = c.decoder.sample_rate
    return VoiceSummary(folder, c.name, tuple(c.speakers), tuple(c.styles), rate, size, False, read_licence(folder))
