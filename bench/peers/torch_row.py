"""Rows (a) and (b): PyTorch, the whole text at once; variant fp32, or int8 (`quantize_dynamic` on the BERT alone).

The network, the text front end and the driving are the peer's (`hayakoe.models.infer`), the BERT is `transformers`'.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from typing import Any

from common import Job, Spoken, Voice, run

sys.tracebacklimit = 0  # a failure names its cause without printing lines of the package


def load(job: Job) -> Voice:
    import numpy as np
    from hayakoe.models.hyper_parameters import HyperParameters
    from hayakoe.models.infer import get_net_g, infer

    voice = job.models / "voice"
    parameters = HyperParameters(**json.loads((voice / "config.json").read_text(encoding="utf-8")))
    network = get_net_g(str(next(voice.glob("*.safetensors"))), parameters.version, "cpu", parameters)
    style = np.load(voice / "style_vectors.npy")[0]
    clock = BertClock(load_bert(job))

    def speak(text: str) -> Spoken:
        begin = time.perf_counter()
        audio, *_ = infer(text, style, 0.2, 0.6, 0.8, 1.0, 0, parameters, network, "cpu")
        bert = clock.take()
        rest = time.perf_counter() - begin - bert
        return Spoken(audio.size / parameters.data.sampling_rate, {"bert": bert, "synthesizer": rest})

    return Voice(speak)


def load_bert(job: Job) -> Any:
    import torch
    from hayakoe.nlp import bert_models

    bert_models.load_tokenizer(str(job.models / "bert"))
    model = bert_models.load_model(str(job.models / "bert"), "cpu")
    if job.variant == "int8":
        with warnings.catch_warnings():  # it is deprecated, and it is what this row is about
            warnings.simplefilter("ignore")
            torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8, inplace=True)
    return model


class BertClock:
    """Seconds inside the forward pass of a model."""

    def __init__(self, model: Any) -> None:
        self._begin = self._spent = 0.0
        model.register_forward_pre_hook(self._before)
        model.register_forward_hook(self._after)

    def take(self) -> float:
        """Seconds since the last call."""
        spent, self._spent = self._spent, 0.0
        return spent

    def _before(self, *_: Any) -> None:
        self._begin = time.perf_counter()

    def _after(self, *_: Any) -> None:
        self._spent += time.perf_counter() - self._begin


if __name__ == "__main__":
    run(load)
