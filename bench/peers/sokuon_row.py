"""Row (e): Sokuon; the variant is PRECISION-BACKEND-WEIGHTS, as q8-native-q16."""

from __future__ import annotations

import time
from collections import Counter
from itertools import count

from common import Job, Spoken, Voice, run

PROFILED = 1  # time of a text at which its stages are taken, by speaking it once more


def load(job: Job) -> Voice:
    import sokuon

    precision, backend, weights = job.variant.rsplit("-", 2)
    folder = job.models / "sokuon"
    backend = "auto" if precision == "fp32" and backend == "native" else backend  # the FP32 BERT has no native form
    engine = sokuon.load(folder / "voice", bert=folder / f"bert-{precision}", backend=backend, weights=weights)
    seeds, seen = count(), Counter[str]()

    def speak(text: str) -> Spoken:
        begin = time.perf_counter()
        audio = engine.speak(text, seed=next(seeds))
        seconds = time.perf_counter() - begin
        seen[text] += 1
        return Spoken(audio.duration, stages(text) if seen[text] == PROFILED else {}, seconds)

    def stages(text: str) -> dict[str, float]:
        spent = engine.profile(text)
        return spent | {"synthesizer": spent["encoder"] + spent["flow"] + spent["decoder"]}

    def begin(text: str) -> None:
        next(engine.stream(text, seed=next(seeds)))

    return Voice(speak, begin)


if __name__ == "__main__":
    run(load)
