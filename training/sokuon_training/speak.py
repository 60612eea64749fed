"""Speak from training checkpoints, without converting: `python -m sokuon_training.speak WORK OUT TEXTS.tsv`.

`copy` instead of a file of texts: the decoder alone on the held-out recordings' own features.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch

from sokuon.text import FrontEnd
from sokuon_training import published
from sokuon_training.acoustic import Acoustic
from sokuon_training.builtin import CONFIG
from sokuon_training.dataset import held_out, load
from sokuon_training.deberta import BertConfig, tokens
from sokuon_training.decoder import Decoder
from sokuon_training.encoder import TextInput
from sokuon_training.features import SAMPLE_RATE
from sokuon_training.latents import LatentMap
from sokuon_training.synthesizer import Output, Scales
from sokuon_training.texts import read_labels, style_vectors, vocabulary_of

MOST_FRAMES = 4000


def averaged(path: Path) -> dict[str, torch.Tensor]:
    """The averaged weights of a checkpoint."""
    shadow: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)["average"]["shadow"]
    return shadow


def load_decoder(work: Path) -> Decoder:
    """The newest decoder: tuned if there is one."""
    decoder = Decoder(CONFIG).eval()
    tuned = work / "tuned.pt"
    decoder.load_state_dict(averaged(tuned if tuned.exists() else work / "vocoder.pt"))
    torch.nn.init.zeros_(decoder.cond.weight)  # trained with a zero speaker vector: there is one speaker
    return decoder


@dataclass
class Speaker:
    """Everything between a text and its sound."""

    model: Acoustic
    vocabulary: dict[str, int]
    front_end: FrontEnd

    @classmethod
    def of(cls, work: Path) -> Speaker:
        vocabulary = vocabulary_of([x for x in read_labels(work) if not held_out(x.name)])
        model = Acoustic(BertConfig(len(vocabulary))).eval()
        model.load_state_dict(averaged(work / "acoustic.pt"))
        model.synthesizer.dec = load_decoder(work)
        return cls(model, {c: i for i, c in enumerate(vocabulary)}, FrontEnd())

    @classmethod
    def published(cls, folder: Path) -> Speaker:
        """From a published voice's folder."""
        model, vocabulary = published.acoustic(folder)
        model.synthesizer.dec = published.decoder(folder).eval()
        return cls(model, {c: i for i, c in enumerate(vocabulary)}, FrontEnd())

    def text(self, text: str, style: np.ndarray) -> TextInput:
        phonemes = self.front_end.phonemize(text)
        slots = phonemes.slots()
        ids = torch.tensor([tokens(phonemes.text, self.vocabulary)])
        with torch.no_grad():
            features = self.model.bert(ids, torch.ones_like(ids))[0]  # [S, W]
        bert = features.repeat_interleave(torch.tensor(slots.counts), 0).T[None]
        symbols, tones, languages = (torch.from_numpy(x)[None] for x in (slots.ids, slots.tones, slots.languages))
        return TextInput(
            symbols, tones, languages, bert, torch.from_numpy(style)[None], torch.ones(1, 1, len(slots.ids))
        )

    def say(self, text: str, scales: Scales | None = None, style: np.ndarray | None = None, seed: int = 0) -> Output:
        """One sentence with the given scalars, style vector and noise."""
        inputs = self.text(text, style_vectors()[0] if style is None else style)
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(2, inputs.symbols.shape[1], generator=generator)
        latent_noise = torch.randn(CONFIG.channels, MOST_FRAMES, generator=generator)
        return self.model.synthesizer.infer(inputs, 0, scales or Scales(), (noise, latent_noise))


@torch.no_grad()
def copy(work: Path, out: Path, most: int) -> None:
    """The decoder alone on held-out recordings."""
    decoder, latents = load_decoder(work), LatentMap.load(work / "latents.npz")
    for r in load(work, held=True)[:most]:
        z = torch.from_numpy(latents(r.features.envelope, r.features.aperiodicity, r.features.f0))[None]
        torch.manual_seed(0)
        z = z + 0.1 * torch.randn_like(z)
        empty = torch.from_numpy(latents.empty_channels)
        z[:, empty] = 0.6 * torch.randn_like(z[:, empty])
        audio = decoder(z, torch.zeros(1, CONFIG.gin_channels, 1))[0, 0]
        soundfile.write(out / f"{r.name}.wav", audio.numpy(), SAMPLE_RATE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("texts", help="tab-separated names and texts, or `copy`")
    parser.add_argument("--most", type=int, default=1000)
    parser.add_argument("--noise", type=float, default=0.6)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.texts == "copy":
        copy(args.work, args.out, args.most)
        return
    speaker = Speaker.of(args.work)
    for line in Path(args.texts).read_text(encoding="utf-8").splitlines()[: args.most]:
        name, text = line.split("\t", 1)
        output = speaker.say(text, Scales(noise=args.noise))
        soundfile.write(args.out / f"{name}.wav", output.audio.numpy(), SAMPLE_RATE)


if __name__ == "__main__":
    main()
