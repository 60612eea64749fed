"""Row (d): HayaKoe 1.3.1 as its users run it, through its public TTS object."""

from __future__ import annotations

import sys

from common import Job, Spoken, Voice, run

sys.tracebacklimit = 0  # a failure names its cause without printing lines of the package

SPEAKER = "bench"


def load(job: Job) -> Voice:
    from clock import SessionClock
    from hayakoe import TTS

    clock = SessionClock()
    source = str(job.models / "hayakoe")
    tts = TTS(device="cpu", bert_source=source).load(SPEAKER, source=source).prepare()
    speaker = tts.speakers[SPEAKER]

    def speak(text: str) -> Spoken:
        result = speaker.generate(text)
        return Spoken(len(result.data) / result.sr, clock.take())

    def begin(text: str) -> None:
        next(speaker.stream(text))
        clock.take()

    return Voice(speak, begin)


if __name__ == "__main__":
    run(load)
