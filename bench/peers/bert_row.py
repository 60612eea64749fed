"""A BERT alone: variant sokuon-PRECISION, onnx-PRECISION (traced graph, ONNX Runtime's defaults) or torch-PRECISION."""

from __future__ import annotations

from common import Job, Spoken, Voice, run


def load(job: Job) -> Voice:
    kind, precision = job.variant.split("-", 1)
    read = {"sokuon": load_sokuon, "onnx": load_onnx, "torch": load_torch}[kind](job, precision)

    def speak(text: str) -> Spoken:
        read(text)
        return Spoken(0.0)

    return Voice(speak)


def load_sokuon(job: Job, precision: str):
    from sokuon.networks.bert import Bert
    from sokuon.networks.threads import thread_count

    return Bert.open(job.models / "sokuon" / f"bert-{precision}", thread_count(None)).features


def load_onnx(job: Job, precision: str):
    import numpy as np
    import onnxruntime as ort
    from onnx_row import BERT_FILES

    session = ort.InferenceSession(job.models / "hayakoe" / BERT_FILES[precision])
    ids_of = vocabulary(job)

    def read(text: str) -> object:
        ids = np.array([ids_of(text)])
        return session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})

    return read


def load_torch(job: Job, precision: str):
    import torch
    from torch_row import load_bert

    model = load_bert(Job(job.models, precision, {}, {}))
    ids_of = vocabulary(job)

    def read(text: str) -> object:
        with torch.no_grad():
            return model(torch.tensor([ids_of(text)]), output_hidden_states=True).hidden_states[-3]

    return read


def vocabulary(job: Job):
    """Text → ids with the two marks around it (spec model-bert section 2, for text in normal form)."""
    tokens = (job.models / "bert" / "vocab.txt").read_text(encoding="utf-8").split("\n")
    numbers = {token: number for number, token in enumerate(tokens)}
    return lambda text: [1, *(numbers.get(character, 3) for character in text), 2]


if __name__ == "__main__":
    run(load)
