"""Full-size models with random weights, made once: what every row of the comparison speaks with.

    python bench/models.py FOLDER [--bert-config FOLDER] [--peer-python PYTHON] [--small]

writes under FOLDER
    voice/      a Style-Bert-VITS2 voice folder of the standard sizes (spec voice-files section 1)
    bert/       the BERT in Hugging Face layout, fp16 as upstream publishes it
    hayakoe/    the same weights in HayaKoe's layout (spec voice-files section 2), and bert/{fp32,q4}.onnx
Finished parts are kept. `hayakoe/` is exported by the interpreter PYTHON, an environment of its own that holds hayakoe,
torch, transformers and onnx; without it that part is left out.

With --small the models have few layers and channels: a check that every row works, in little time, and no figures.

Random weights have the speed and the size of trained ones, but not their sound: the durations are calibrated, so that
the texts last as long as a person needs for them; quality figures say which weights they rest on.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from shared import ROOT, once, read_texts

sys.path[:0] = [str(ROOT / "src"), str(ROOT / "training")]

from sokuon_training.config import STYLE_WIDTH, ModelConfig  # noqa: E402
from sokuon_training.encoder import TextInput  # noqa: E402
from sokuon_training.export import VoiceInfo, random_model, save_voice  # noqa: E402

from sokuon.text import FrontEnd, Slots  # noqa: E402

BERT_CONFIG = ROOT.parent / "shared" / "data" / "deberta-v2-large-japanese-char-wwm"
TOKENIZER_FILES = ("vocab.txt", "tokenizer_config.json", "special_tokens_map.json")
FEATURE_LAYER = -3  # hidden state the voices read (spec model-bert section 4)
SMALL_BERT = {"num_hidden_layers": 4, "intermediate_size": 1024}  # the width is that of every voice
SMALL_VOICE = ModelConfig(channels=32, filter_channels=64, n_layers=3, upsample_initial_channel=64, gin_channels=32)
MORAE_PER_SECOND = 6.5
VOWELS = frozenset("aiueoAIUEONq")  # phones that make a mora
LOG_DURATION_STD = 0.45  # of real voices: a slot is two to four frames, seldom ten
SAMPLE_RMS = 0.08  # speech
SDP_RATIO, NOISE_W = 0.2, 0.8  # the options' defaults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--bert-config", type=Path, default=BERT_CONFIG, help="folder of config.json and the vocabulary"
    )
    parser.add_argument("--small", action="store_true", help="small models, to try the programs out")
    parser.add_argument("--peer-python", type=Path, help="interpreter of the environment that holds hayakoe")
    arguments = parser.parse_args()
    folder: Path = arguments.folder.resolve()
    once(
        folder / "bert", lambda target: make_bert(arguments.bert_config, target, SMALL_BERT if arguments.small else {})
    )
    sizes = SMALL_VOICE if arguments.small else ModelConfig()
    once(folder / "voice", lambda target: make_voice(folder / "bert", target, sizes))
    if arguments.peer_python:
        script = ROOT / "bench" / "peers" / "export_hayakoe.py"
        once(folder / "hayakoe", lambda t: subprocess.run([arguments.peer_python, script, folder, t], check=True))


def make_bert(source: Path, target: Path, changes: dict[str, int]) -> None:
    """A DeBERTa-v2 as `transformers` initialises it, saved in fp16; `changes` to the config of `source`."""
    from transformers import DebertaV2Config, DebertaV2Model

    torch.manual_seed(0)
    config = json.loads((source / "config.json").read_text(encoding="utf-8")) | changes
    DebertaV2Model(DebertaV2Config(**config)).half().save_pretrained(target)
    # as published, not as this version of transformers writes it
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    for name in TOKENIZER_FILES:
        shutil.copy(source / name, target)


def make_voice(bert: Path, target: Path, sizes: ModelConfig) -> None:
    """A voice that speaks `texts.txt` at MORAE_PER_SECOND."""
    info = VoiceInfo(name="bench", styles=("Neutral", "Happy"))
    styles = np.random.default_rng(0).standard_normal((len(info.styles), STYLE_WIDTH)).astype(np.float32)
    model = random_model(sizes, seed=0)
    with torch.no_grad():
        calibrate(model, bert, torch.from_numpy(styles[:1]))
    save_voice(dict(model.state_dict()), model.config, target, info, styles)


def calibrate(model: Any, bert: Path, style: torch.Tensor) -> None:
    """Give both duration predictors a natural spread and mean, and the decoder the loudness of speech."""
    sentences = [s.phonemes for text in read_texts().values() for s in FrontEnd().sentences(text)]
    slots = [phonemes.slots() for phonemes in sentences]
    features = bert_features(bert, [phonemes.text for phonemes in sentences])
    g = model.speaker(torch.tensor([0]))
    hidden = [model.enc_p(text_input(s, f, style), g)[0] for s, f in zip(slots, features, strict=True)]
    calibrate_durations(model, hidden, g, wanted_frames(sentences))
    z = torch.randn(1, model.config.channels, 200)
    model.dec.conv_post.weight.mul_(SAMPLE_RMS / model.dec(z, g).square().mean().sqrt())


def calibrate_durations(model: Any, hidden: Sequence[torch.Tensor], g: torch.Tensor, frames: int) -> None:
    """Scale `dp.proj` and `sdp.flows.0`, both affine, so that all slots together last `frames`."""
    ones = [torch.ones(1, 1, h.shape[2]) for h in hidden]
    fixed = torch.cat([model.dp(h, m, g)[0] for h, m in zip(hidden, ones, strict=True)], -1).flatten()
    noise = [torch.randn(1, 2, h.shape[2]) * NOISE_W for h in hidden]
    drawn = torch.cat([model.sdp.sample(h, m, g, n)[0] for h, m, n in zip(hidden, ones, noise, strict=True)], -1)
    unit_fixed, unit_drawn = _standard(fixed), _standard(drawn.flatten())
    mixed = LOG_DURATION_STD * (SDP_RATIO * unit_drawn + (1 - SDP_RATIO) * unit_fixed)
    mean = mean_for(mixed, frames)
    scale = LOG_DURATION_STD / fixed.std()
    model.dp.proj.bias.copy_((model.dp.proj.bias - fixed.mean()) * scale + mean)
    model.dp.proj.weight.mul_(scale)
    affine = model.sdp.flows[0]  # row 0 of (z - m)·exp(-logs)
    before = drawn * torch.exp(affine.logs[0]) + affine.m[0]
    affine.logs[0] = torch.log(before.std() / LOG_DURATION_STD)
    affine.m[0] = before.mean() - mean * torch.exp(affine.logs[0])


def mean_for(logarithms: torch.Tensor, frames: int) -> float:
    """The shift of `logarithms` after which the rounded-up durations sum to `frames`; by bisection."""
    low, high = -5.0, 5.0
    for _ in range(40):
        middle = (low + high) / 2
        total = torch.ceil(torch.exp(logarithms + middle)).sum()
        low, high = (low, middle) if total > frames else (middle, high)
    return low


def wanted_frames(sentences: Sequence[Any]) -> int:
    morae = sum(symbol in VOWELS for phonemes in sentences for symbol in phonemes.symbols)
    return math.ceil(morae / MORAE_PER_SECOND * 44100 / 512)


def _standard(values: torch.Tensor) -> torch.Tensor:
    return (values - values.mean()) / values.std()


def bert_features(bert: Path, texts: Sequence[str]) -> list[torch.Tensor]:
    """[C + 2, 1024] per text of C characters, by `transformers`."""
    from transformers import DebertaV2Model

    model = DebertaV2Model.from_pretrained(bert, dtype=torch.float32).eval()
    vocabulary = {token: i for i, token in enumerate((bert / "vocab.txt").read_text(encoding="utf-8").split("\n"))}
    found = []
    for text in texts:
        ids = torch.tensor([[1, *(vocabulary.get(character, 3) for character in text), 2]])
        found.append(model(ids, output_hidden_states=True).hidden_states[FEATURE_LAYER][0])
    return found


def text_input(slots: Slots, features: torch.Tensor, style: torch.Tensor) -> TextInput:
    """One utterance for the torch model: T slots, `features` [C + 2, 1024], `style` [1, 256]."""
    counts = torch.tensor(slots.counts)
    ids = [torch.from_numpy(array)[None] for array in (slots.ids, slots.tones, slots.languages)]
    return TextInput(*ids, features.repeat_interleave(counts, 0).T[None], style, torch.ones(1, 1, len(slots.ids)))


if __name__ == "__main__":
    main()
