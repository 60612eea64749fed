"""What is measured, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sokuon.audio.sound import Audio

TEXTS = {
    "short": "今日はいい天気ですね。",
    "medium": "旅の途中で不思議な街に辿り着きました。少し寄り道していきましょう。",
    "long": "駅前の喫茶店で、温かい珈琲を飲みながら、昨日届いた手紙をゆっくり読み返していました。",
    "xlong": (
        "朝の光が窓から差し込むと、部屋の空気がゆっくりと暖まっていきます。"
        "台所では、お湯の沸く音が静かに聞こえていました。"
        "祖母はいつもの椅子に座り、古い写真を一枚ずつ眺めながら、若い頃の旅の話をしてくれます。"
        "海の見える町で働いていたこと、雪の日に汽車が止まってしまったこと、そして、祖父と初めて出会った日のこと。"
        "私は温かいお茶を飲みながら、時間を忘れて耳を傾けていました。"
    ),
}

SAMPLE_TEXT = "medium"  # the one to listen to


@dataclass(frozen=True)
class Setup:
    """What is measured: a voice with a BERT of some precision on so many threads; the rest as in `sokuon.load`."""

    name: str
    voice: Path | None
    bert: Path | None
    precision: str
    backend: str
    weights: str
    threads: int

    @property
    def label(self) -> str:
        """Name and threads, for people."""
        return f"{self.name}, {self.threads} thread{'s' if self.threads > 1 else ''}"


@dataclass(frozen=True)
class Timing:
    """One text: seconds of sound, median seconds to speak it, and seconds by stage."""

    text: str
    audio_s: float
    seconds: float
    stages: dict[str, float]

    @property
    def speed(self) -> float:
        """Seconds of sound per second of computing."""
        return self.audio_s / self.seconds


@dataclass(frozen=True, eq=False)  # it holds an array
class Result:
    """A setup measured. Memory in MB (10^6 bytes), after speaking and at its highest; None where nobody tells."""

    setup: Setup
    load_s: float
    resident_mb: float | None
    peak_mb: float | None
    timings: tuple[Timing, ...]
    sample: Audio
