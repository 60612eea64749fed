"""The reference synthesizer (PyPI package `hayakoe` 1.3.1, torch) as a black box: random voices and what it says.

    python tests/parity/oracle.py FOLDER [CASE …]

writes per case `FOLDER/CASE/voice/` (a Style-Bert-VITS2 voice folder) and `FOLDER/CASE/run_N.npz` (inputs, the noise
that was given, and what came out). It is a program of its own, run in an environment that holds the package, so that
nothing of the package enters the tests' process. Only constructor and method signatures and tensor names are used.

Letters: T phone slots, S characters + 2, C latent channels, G speaker width, F frames, N samples.
"""

from __future__ import annotations

import copy
import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from cases import CASES, Case, Run

sys.tracebacklimit = 0  # a failure names its cause without printing lines of the package

import torch  # noqa: E402
from hayakoe.models.models_jp_extra import SynthesizerTrn  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

torch.set_num_threads(1)  # tiny tensors: threads only wait for each other

PHONES, TONES, LANGUAGES, BERT_WIDTH, STYLE_WIDTH = 112, 12, 3, 1024, 256  # the peer's own: nothing of ours here
SPECTRUM_BINS = 33  # sizes the posterior encoder, which inference never runs
MEAN_FRAMES = 3.5  # of a slot, once calibrated
LOG_DURATION_STD = 0.5
SAMPLE_RMS = 0.3  # before tanh
DRAWS = 100  # one or two suffice
STRAY_RUNS = 6
STRAY = 1e-7  # relative change of inputs: about the rounding of a float32
CLEAR_FRAMES = 1e-4  # relative distance of every duration to an integer; rounding differs by some 1e-6
_G, _V = "parametrizations.weight.original0", "parametrizations.weight.original1"


def main(folder: Path, names: list[str]) -> None:
    for case in CASES:
        if names and case.name not in names:
            continue
        generator = torch.Generator().manual_seed(case.seed)
        network = build(case, generator)
        save_voice(network, case, folder / case.name / "voice")
        for index, run in enumerate(case.runs):
            np.savez(folder / case.name / f"run_{index}.npz", **speak_clearly(network, case, run, generator))


def build(case: Case, generator: torch.Generator) -> torch.nn.Module:
    """A network with random weights, scaled so that durations vary and the audio is not saturated."""
    sizes = asdict(case.sizes)
    network = SynthesizerTrn(
        n_vocab=PHONES,
        spec_channels=SPECTRUM_BINS,
        segment_size=8,
        p_dropout=0.1,
        n_speakers=case.speakers,
        use_transformer_flow=case.flow == "transformer",
        use_spk_conditioned_encoder=True,
        **sizes,
    ).eval()
    with torch.no_grad():
        randomise(network, generator)
        round_as_stored(network, case)
        calibrate(network, case, generator)
        round_as_stored(network, case)
    return network


def randomise(network: torch.nn.Module, generator: torch.Generator) -> None:
    """Every parameter random, those that training starts at zero too."""
    state = network.state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator)
            tensor.copy_(_scaled(name, noise))
    for name, gain in state.items():
        if name.endswith(_G):
            v = state[name.removesuffix(_G) + _V]
            norm = v.flatten(1).norm(dim=1).reshape(gain.shape)
            gain.copy_(norm * (0.7 + 0.6 * torch.rand(gain.shape, generator=generator)))


def _scaled(name: str, noise: torch.Tensor) -> torch.Tensor:
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "gamma":
        return 1 + 0.2 * noise
    if leaf in ("beta", "bias"):
        return 0.1 * noise
    if leaf in ("m", "logs"):
        return 0.3 * noise
    if leaf.startswith("emb_rel"):
        return 0.5 * noise
    if name == "emb_g.weight":
        return noise
    if name.startswith(("enc_p.emb", "enc_p.tone_emb", "enc_p.language_emb")):
        return noise / math.sqrt(noise.shape[1])
    return _scaled_weight(name, noise)


def _scaled_weight(name: str, noise: torch.Tensor) -> torch.Tensor:
    weight = noise / math.sqrt(max(1, noise[0].numel()))
    if name.startswith("enc_p.bert_proj") or name.startswith("enc_p.style_proj"):
        return weight / math.sqrt(noise.shape[0])  # the sum is multiplied by sqrt(C) later
    if name.startswith("enc_p.proj"):
        half = noise.shape[0] // 2
        return torch.cat([weight[:half], 0.3 * weight[half:]])  # log-std stays near 0
    if name.startswith("sdp.flows") and name.endswith("proj.weight"):
        return torch.cat([weight[:20] * math.sqrt(noise.shape[1]), weight[20:]])  # bins are divided by sqrt(C)
    if ".resblocks." in name or ".post." in name or name in ("dp.cond.weight", "sdp.cond.weight"):
        return 0.5 * weight
    return weight


def round_as_stored(network: torch.nn.Module, case: Case) -> None:
    """The network computes with the very numbers that the file will hold."""
    dtype = getattr(torch, case.dtype)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.to(dtype).float())


def calibrate(network: Any, case: Case, generator: torch.Generator) -> None:
    """Set the last linear step of each output so that it has a natural range.

    Both duration predictors end in an affine map (`dp.proj`; `sdp.flows.0`), the decoder in a convolution without bias.
    """
    seen = speak(network, case, Run(slots=64, noise_w=4.0, sdp_ratio=0.0), generator)
    mean = math.log(MEAN_FRAMES)
    deterministic, sampled = seen["log_duration"], seen["log_duration_sampled"]
    ratio = LOG_DURATION_STD / float(deterministic.std())
    bias = network.dp.proj.bias
    bias.copy_((bias - float(deterministic.mean())) * ratio + mean)
    network.dp.proj.weight.mul_(ratio)
    affine = network.sdp.flows[0]  # log duration = (z - m)·exp(-logs), row 0
    scale = math.exp(-float(affine.logs[0, 0]))
    z = sampled / scale + float(affine.m[0, 0])
    affine.logs[0, 0] = math.log(float(z.std()) / LOG_DURATION_STD)
    affine.m[0, 0] = float(z.mean()) - mean * math.exp(float(affine.logs[0, 0]))
    before_tanh = np.arctanh(np.clip(seen["audio"], -0.999999, 0.999999))
    network.dec.conv_post.weight.mul_(SAMPLE_RMS / float(np.sqrt((before_tanh**2).mean())))


def save_voice(network: torch.nn.Module, case: Case, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    dtype = getattr(torch, case.dtype)
    keep = {
        k: v.to(dtype) for k, v in network.state_dict().items() if case.training_tensors or not k.startswith("enc_q")
    }
    tensors = {name: tensor.contiguous().clone() for name, tensor in _respell(keep, case.spelling)}
    if case.training_tensors:
        tensors["iteration"] = torch.tensor([1000])
    save_file(tensors, folder / f"{case.name}_e10_s1000.safetensors")
    styles = np.random.default_rng(case.seed).standard_normal((case.styles, STYLE_WIDTH)).astype(np.float32)
    np.save(folder / "style_vectors.npy", styles)
    (folder / "config.json").write_text(json.dumps(voice_config(case), indent=2), encoding="utf-8")


def _respell(state: dict[str, torch.Tensor], spelling: str) -> Iterator[tuple[str, torch.Tensor]]:
    for name, tensor in state.items():
        if spelling == "original":
            yield name.replace(_G, "weight_g").replace(_V, "weight_v"), tensor
        elif spelling == "plain" and name.endswith(_V):
            gain = state[name.removesuffix(_V) + _G]
            norm = tensor.flatten(1).norm(dim=1).reshape(gain.shape)
            yield name.removesuffix(_V) + "weight", tensor * gain / norm
        elif spelling != "plain" or not name.endswith(_G):
            yield name, tensor


def voice_config(case: Case) -> dict[str, Any]:
    """config.json as the trainers write it."""
    data = {
        "sampling_rate": 44100,
        "hop_length": math.prod(case.sizes.upsample_rates),
        "filter_length": 2 * (SPECTRUM_BINS - 1),
        "add_blank": True,
        "n_speakers": case.speakers,
        "spk2id": {f"speaker{i}": i for i in range(case.speakers)},
        "num_styles": case.styles,
        "style2id": {"Neutral": 0, **{f"Style{i}": i for i in range(1, case.styles)}},
        "use_jp_extra": True,
    }
    model = asdict(case.sizes) | {"use_spk_conditioned_encoder": True, "p_dropout": 0.1, "n_layers_q": 3}
    return {"model_name": case.name, "version": "2.7.0-JP-Extra", "train": {"seed": 42}, "data": data, "model": model}


def speak_clearly(network: Any, case: Case, run: Run, generator: torch.Generator) -> dict[str, Any]:
    """`speak` on inputs where no duration is so near an integer that float32 rounding could decide it."""
    for _ in range(DRAWS):
        heard = speak(network, case, run, generator)
        logarithms = run.sdp_ratio * heard["log_duration_sampled"] + (1 - run.sdp_ratio) * heard["log_duration"]
        frames = np.exp(logarithms) * run.length_scale
        unclear = CLEAR_FRAMES + 4 * run.sdp_ratio * heard["log_duration_sampled_strays"]
        if (np.abs(frames - np.round(frames)) > unclear * np.maximum(1, frames)).all():
            return heard
    raise RuntimeError(f"{case.name}, {run}, seed {case.seed}: rounding decides a duration in each of {DRAWS} draws")


def speak(network: Any, case: Case, run: Run, generator: torch.Generator) -> dict[str, Any]:
    """Run the network on random inputs: everything that went in and came out, as arrays without a batch axis."""
    inputs = random_inputs(case, run, generator)
    with torch.no_grad(), _recorded(network) as seen, _recorded_noise(generator) as noise:
        audio, alignment, *_ = infer(network, inputs, run)
    outputs = {
        "mean": seen["enc_p"][1][0].T,  # [T, C]
        "log_std": seen["enc_p"][2][0].T,  # [T, C]
        "log_duration": seen["dp"][0, 0],  # [T]
        "log_duration_sampled": seen["sdp"][0, 0],  # [T]
        "durations": alignment[0, 0].sum(0),  # [T] frames
        "z": seen["flow"][0].T,  # [F, C]
        "audio": audio[0, 0],  # [N]
        "epsilon_w": noise[0][0],  # [2, T]
        "epsilon": noise[1][0].T,  # [F, C]
        "speaker": network.emb_g.weight[inputs["sid"]].detach(),  # [G]
    }
    scalars = {key: value for key, value in asdict(run).items() if key != "slots"}
    exact = sampled_exactly(network, inputs, run, noise[0])
    return {key: np.asarray(value) for key, value in (inputs | outputs | exact | scalars).items()}


def infer(network: Any, inputs: dict[str, Any], run: Run) -> Any:
    return network.infer(
        inputs["phones"][None],
        torch.tensor([len(inputs["phones"])]),
        torch.tensor([inputs["sid"]]),
        inputs["tones"][None],
        inputs["languages"][None],
        inputs["bert"][inputs["characters"]].T[None],
        inputs["style"][None],
        noise_scale=run.noise,
        length_scale=run.length_scale,
        noise_scale_w=run.noise_w,
        sdp_ratio=run.sdp_ratio,
    )


def sampled_exactly(network: Any, inputs: dict[str, Any], run: Run, noise: torch.Tensor) -> dict[str, Any]:
    """The sampled log durations [T] in float64, and how far float32 strays from them, slot by slot.

    A spline may be so steep in a bin that the last bit of its input moves its output by 1e-3: there the reference's
    float32 is no truth. It strays as far as the farthest of some runs whose inputs differ by a float32's rounding.
    """
    changed = torch.Generator().manual_seed(1)

    def sampled(network: Any, dtype: torch.dtype, change: float) -> torch.Tensor:
        def varied(tensor: torch.Tensor) -> torch.Tensor:
            factors = 1 + change * torch.randn(tensor.shape, generator=changed, dtype=torch.float64)
            return (tensor.double() * factors).to(dtype)

        own = inputs | {name: varied(inputs[name]) for name in ("bert", "style")}
        return sampled_log_durations(network, own, run, varied(noise)).double()

    exact = sampled(copy.deepcopy(network).double(), torch.float64, 0.0)
    runs = [sampled(network, torch.float32, STRAY * (i > 0)) for i in range(STRAY_RUNS)]
    strays = torch.stack([(one - exact).abs() for one in runs]).amax(0)
    return {"log_duration_sampled_exact": exact, "log_duration_sampled_strays": strays}


class _Sampled(Exception):  # noqa: N818
    """Ends a run of the network when the log durations are there."""


def sampled_log_durations(network: Any, inputs: dict[str, Any], run: Run, noise: torch.Tensor) -> torch.Tensor:
    """The sampled log durations [T] for `noise` [1, 2, T]; flow and decoder do not run."""

    def end(_module: Any, _inputs: Any, output: torch.Tensor) -> None:
        raise _Sampled(output[0, 0])

    original, torch.randn = torch.randn, lambda *_, **__: noise.clone()  # the network scales its copy in place
    hook = network.sdp.register_forward_hook(end)
    try:
        with torch.no_grad():
            infer(network, inputs, run)
    except _Sampled as heard:
        log_durations: torch.Tensor = heard.args[0]
        return log_durations
    finally:
        hook.remove()
        torch.randn = original
    raise RuntimeError("the reference did not sample durations")


def random_inputs(case: Case, run: Run, generator: torch.Generator) -> dict[str, Any]:
    slots, characters = run.slots, max(3, run.slots // 3)
    owner = torch.randint(0, characters, (slots,), generator=generator).sort().values
    return {
        "phones": torch.randint(0, PHONES, (slots,), generator=generator),
        "tones": torch.randint(0, TONES, (slots,), generator=generator),
        "languages": torch.randint(0, LANGUAGES, (slots,), generator=generator),
        "characters": owner,
        "bert": torch.randn(characters, BERT_WIDTH, generator=generator),  # [S, B]
        "style": torch.randn(STYLE_WIDTH, generator=generator),
        "sid": int(torch.randint(0, case.speakers, (1,), generator=generator)),
    }


@contextmanager
def _recorded(network: torch.nn.Module) -> Iterator[dict[str, Any]]:
    """What each named part of the network returned."""
    seen: dict[str, Any] = {}

    def keep(name: str) -> Any:
        return lambda _module, _inputs, output: seen.__setitem__(name, output)

    hooks = [network.get_submodule(n).register_forward_hook(keep(n)) for n in ("enc_p", "sdp", "dp", "flow")]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _recorded_noise(generator: torch.Generator) -> Iterator[list[torch.Tensor]]:
    """Serve the network's two draws, first [1, 2, T], then like [1, C, F], from `generator`, and keep them."""
    drawn: list[torch.Tensor] = []
    originals = torch.randn, torch.randn_like

    def draw(*shape: int, **_: Any) -> torch.Tensor:
        drawn.append(originals[0](*shape, generator=generator))
        return drawn[-1].clone()  # the network scales its copy in place

    torch.randn, torch.randn_like = draw, lambda like, **_: draw(*like.shape)
    try:
        yield drawn
    finally:
        torch.randn, torch.randn_like = originals


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
