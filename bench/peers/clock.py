"""Time spent inside ONNX Runtime, by kind of graph, for rows whose code is not ours."""

from __future__ import annotations

import time
from typing import Any

import onnxruntime as ort


class SessionClock:
    """Adds up the seconds of every `InferenceSession.run` from its making on: BERT graphs and all others."""

    def __init__(self) -> None:
        self._spent = {"bert": 0.0, "synthesizer": 0.0}
        original = ort.InferenceSession.run

        def run(session: Any, names: Any, feed: Any, options: Any = None) -> Any:
            begin = time.perf_counter()
            try:
                return original(session, names, feed, options)
            finally:
                kind = "bert" if "input_ids" in feed else "synthesizer"
                self._spent[kind] += time.perf_counter() - begin

        ort.InferenceSession.run = run

    def take(self) -> dict[str, float]:
        """Seconds by kind since the last call."""
        spent, self._spent = self._spent, dict.fromkeys(self._spent, 0.0)
        return spent
