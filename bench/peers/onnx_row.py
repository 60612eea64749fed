"""Row (c): ONNX, the whole text at once, ONNX Runtime's defaults; BERT fp32, q8 (dynamic int8) or q4 by variant.

The text front end and the driving of the two graphs are the peer's (`hayakoe.models.infer_onnx`), its boundary pauses
and its splitting into sentences left out, as Style-Bert-VITS2 does.
"""

from __future__ import annotations

import json
import sys

from common import Job, Spoken, Voice, run

sys.tracebacklimit = 0  # a failure names its cause without printing lines of the package

BERT_FILES = {"fp32": "bert/fp32.onnx", "q8": "onnx/bert/q8/bert_q8.onnx", "q4": "bert/q4.onnx"}


def load(job: Job) -> Voice:
    import numpy as np
    import onnxruntime as ort
    from clock import SessionClock
    from hayakoe.models.hyper_parameters import HyperParameters
    from hayakoe.models.infer_onnx import infer_onnx
    from hayakoe.nlp.bert_models import load_tokenizer

    clock = SessionClock()
    folder = job.models / "hayakoe"
    voice = folder / "onnx" / "speakers" / "bench"
    load_tokenizer(str(folder / "bert" / "tokenizer"))
    parameters = HyperParameters(**json.loads((voice / "config.json").read_text(encoding="utf-8")))
    bert = ort.InferenceSession(folder / BERT_FILES[job.variant])
    synthesizer = ort.InferenceSession(voice / "synthesizer.onnx")
    style = np.load(voice / "style_vectors.npy")[0]

    def speak(text: str) -> Spoken:
        audio, *_ = infer_onnx(text, style, 0.2, 0.6, 0.8, 1.0, 0, parameters, bert, synthesizer)
        return Spoken(audio.size / parameters.data.sampling_rate, clock.take())

    return Voice(speak)


if __name__ == "__main__":
    run(load)
