"""The reference synthesizer as graphs, in the layouts of HayaKoe and of Style-Bert-VITS2 (spec voice-files 2.2 and 3).

    python tests/parity/graphs.py FOLDER [CASE …]

writes per case what `oracle.py` writes and `FOLDER/CASE/{hayakoe,sbv2}.onnx`. A program of its own, as that one; the
network is a black box, only its constructor and the call signatures of its parts are used.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

from cases import CASES, Case

sys.tracebacklimit = 0

import torch  # noqa: E402
from oracle import BERT_WIDTH, LANGUAGES, PHONES, STYLE_WIDTH, TONES, build, save_voice  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn.utils import parametrize  # noqa: E402

OPSET = 17
SLOTS = 31
HAYAKOE = ("x", "x_lengths", "sid", "tone", "language", "bert", "style_vec", "noise_scale", "length_scale",
           "noise_scale_w", "sdp_ratio")  # fmt: skip
SBV2 = ("x_tst", "x_tst_lengths", "sid", "tones", "language", "bert", "style_vec", "length_scale", "sdp_ratio",
        "noise_scale", "noise_scale_w")  # fmt: skip


class Speech(nn.Module):
    """Phones to samples, the noise drawn inside."""

    def __init__(self, network: Any, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network, self._names = network, names

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        x, lengths, sid, tone, language, bert, style = inputs[:7]
        by_name = dict(zip(self._names, inputs, strict=True))
        noise, length, noise_w, ratio = (by_name[name] for name in HAYAKOE[7:])
        g = self.network.emb_g(sid).unsqueeze(-1)
        h, mean, log_std, mask = self.network.enc_p(x, lengths, tone, language, bert, style, g=g)
        sampled = self.network.sdp(h, mask, g=g, reverse=True, noise_scale=noise_w)
        logarithm = sampled * ratio + self.network.dp(h, mask, g=g) * (1 - ratio)
        frames = torch.ceil(torch.exp(logarithm) * mask * length)[:, 0]  # [1, T]
        ends = frames.cumsum(1)[:, None]
        at = torch.arange(frames.sum().clamp_min(1).long(), dtype=frames.dtype)[None, :, None]  # [1, F, 1]
        path = ((at < ends) & (at >= ends - frames[:, None])).to(mean.dtype)  # [1, F, T]
        mean, log_std = (torch.matmul(path, rows.transpose(1, 2)).transpose(1, 2) for rows in (mean, log_std))
        z = mean + torch.randn_like(mean) * torch.exp(log_std) * noise
        z = self.network.flow(z, torch.ones_like(z[:, :1]), g=g, reverse=True)
        audio = self.network.dec(z, g=g)
        return (audio,) if self._names is SBV2 else (audio, frames)


def main(folder: Path, names: list[str]) -> None:
    for case in CASES:
        if case.name in names:
            generator = torch.Generator().manual_seed(case.seed)
            network = build(case, generator)
            save_voice(network, case, folder / case.name / "voice")
            _plain(network)
            export(network, case, folder / case.name / "sbv2.onnx", SBV2, [], ("output",))
            export(network, case, folder / case.name / "hayakoe.onnx", HAYAKOE, [1], ("audio", "durations"))


def _plain(network: Any) -> None:
    """Weight norm folded, as both exporters do."""
    for module in list(network.modules()):
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")


def export(
    network: Any, case: Case, path: Path, names: tuple[str, ...], scalar: list[int], outputs: tuple[str, ...]
) -> None:
    draw = torch.Generator().manual_seed(1)

    def whole(most: int) -> Tensor:
        return torch.randint(0, most, (1, SLOTS), generator=draw)

    first = (whole(PHONES), torch.tensor([SLOTS]), torch.tensor([case.speakers - 1]), whole(TONES), whole(LANGUAGES))
    example = (*first, torch.randn(1, BERT_WIDTH, SLOTS), torch.randn(1, STYLE_WIDTH), *(torch.ones(scalar),) * 4)
    axes = {names[i]: {1: "slots"} for i in (0, 3, 4)} | {"bert": {2: "slots"}, outputs[0]: {2: "samples"}}
    with warnings.catch_warnings():  # tracing warns of every constant it sees; the comparison is the proof it may
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Speech(network, names).eval(), example, path, input_names=list(names), output_names=list(outputs),
            dynamic_axes=axes, opset_version=OPSET, dynamo=False,
        )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
