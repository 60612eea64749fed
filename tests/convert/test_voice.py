"""From a published voice folder to a converted one: every spelling and shape, and every way to fail."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from changed import Tensors, rewrite
from safetensors.numpy import save_file
from tiny_voice import TinyVoice, make_tiny_voice, tensor_shapes

from sokuon.convert.graphs import write_graphs
from sokuon.convert.voice import convert_voice
from sokuon.convert.weights import fold_weight_norm
from sokuon.errors import SokuonError, VoiceError, VoiceNotFoundError, WeightError
from sokuon.formats.contracts import DECODER, ENCODER, FLOW, Contract
from sokuon.storage.tensors import TensorFile, widen_bfloat16
from sokuon.voices.licence import read_licence
from sokuon.voices.source_files import find_weights
from sokuon.voices.voice import Voice

CONTRACTS = (ENCODER, FLOW, DECODER)
PLAIN = {"float32": onnx.TensorProto.FLOAT, "int64": onnx.TensorProto.INT64}

SHAPES = {
    "standard": TinyVoice(),
    "parametrized": TinyVoice(spelling="parametrized"),
    "plain": TinyVoice(spelling="plain"),
    "wavenet": TinyVoice(wavenet=True),
    "wavenet parametrized": TinyVoice(wavenet=True, spelling="parametrized"),
    "resblock 2": TinyVoice(resblock=2, kernels=(3, 7, 11), dilations=((1, 3),) * 3),
    "one speaker, one style": TinyVoice(speakers=1, styles=1),
    "many": TinyVoice(speakers=5, styles=3),
    "other layout": TinyVoice(rates=(3, 2, 2), upsample_kernels=(9, 2, 4), initial=24, heads=4, layers=4, kernel=5),
    "shallow": TinyVoice(layers=2),
    "one head": TinyVoice(heads=1, channels=6, filters=7, speaker=3, bert=5),
    "training tensors": TinyVoice(training_tensors=True),
}


@pytest.fixture(scope="module", params=SHAPES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[TinyVoice, Path]:
    folder = tmp_path_factory.mktemp("shape")
    make_tiny_voice(folder / "source", 1, SHAPES[request.param])
    convert_voice(folder / "source", folder / "voice")
    shutil.copytree(folder / "voice", folder / "graphs")
    write_graphs(folder / "graphs")
    return SHAPES[request.param], folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    make_tiny_voice(tmp_path / "source", 1)
    return tmp_path / "source"


def weights(folder: Path) -> dict[str, bytes]:
    files = (TensorFile(folder / f"{contract.name}.weights") for contract in CONTRACTS)
    return {name: tensor.tobytes() for file in files for name, tensor in file.items()}


def test_every_graph_is_valid_and_as_its_contract_says(made: tuple[TinyVoice, Path]) -> None:
    for contract in CONTRACTS:
        path = made[1] / "graphs" / f"{contract.name}.onnx"
        onnx.checker.check_model(str(path), full_check=True)  # shape inference too
        graph = onnx.load(path, load_external_data=False).graph
        assert ports(graph.input) == expected_ports(contract, "inputs")
        assert ports(graph.output) == expected_ports(contract, "outputs")
        assert len({node.name for node in graph.node}) == len(graph.node)
        used = {name for node in graph.node for name in node.input}
        assert {constant.name for constant in graph.initializer} <= used


def ports(values: object) -> list[tuple[str, int, tuple[int | str, ...]]]:
    return [
        (v.name, v.type.tensor_type.elem_type, tuple(d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim))
        for v in values  # type: ignore[attr-defined]
    ]


def expected_ports(contract: Contract, kind: str) -> list[tuple[str, int, tuple[int | str, ...]]]:
    return [(port.name, PLAIN[port.dtype], port.shape) for port in getattr(contract, kind)]


@pytest.mark.parametrize(
    "name", ["emb_g.weight", "dec.ups.0.weight_v", "enc_p.emb.weight", "flow.flows.0.post.bias", "sdp.pre.weight"]
)
def test_voice_with_a_damaged_tensor_is_refused(source: Path, tmp_path: Path, name: str) -> None:
    def change(tensors: Tensors) -> None:
        tensors[name].flat[-1] = np.nan

    rewrite(source, change)
    with pytest.raises(WeightError, match=rf"model\.safetensors: tensor {name} holds NaN or infinity; .*download it"):
        convert_voice(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_folder_says_what_the_voice_is(made: tuple[TinyVoice, Path]) -> None:
    shape, folder = made
    voice = Voice.open(folder / "voice")
    assert len(voice.manifest.speakers) == len(voice.speaker_table) == shape.speakers
    assert len(voice.manifest.styles) == len(voice.style_vectors) == shape.styles
    assert voice.manifest.bert_width == shape.bert
    assert voice.speaker_table.shape[1] == voice.manifest.decoder.speaker_channels == shape.speaker
    assert sorted(path.name for path in (folder / "voice").iterdir()) == [
        "decoder.codes", "decoder.weights", "encoder.weights", "flow.codes", "flow.weights",
        "speakers.npy", "style_vectors.npy", "voice.json",
    ]  # fmt: skip


def spelled(folder: Path, spelling: str) -> Path:
    """The voice of seed 1 with weight norm spelled otherwise, the values the same."""
    make_tiny_voice(folder, 1)

    def change(tensors: Tensors) -> None:
        for name in [name for name in tensors if name.endswith(".weight_g")]:
            base = name.removesuffix(".weight_g")
            gain, direction = tensors.pop(name), tensors.pop(f"{base}.weight_v")
            if spelling == "plain":
                tensors[f"{base}.weight"] = fold_weight_norm(gain, direction)
            else:
                tensors[f"{base}.parametrizations.weight.original0"] = gain
                tensors[f"{base}.parametrizations.weight.original1"] = direction

    rewrite(folder, change)
    return folder


@pytest.mark.parametrize("spelling", ["parametrized", "plain"])
def test_every_spelling_of_weight_norm_gives_the_same_files(source: Path, tmp_path: Path, spelling: str) -> None:
    convert_voice(source, tmp_path / "a")
    convert_voice(spelled(tmp_path / "other", spelling), tmp_path / "b")
    write_graphs(tmp_path / "a")
    write_graphs(tmp_path / "b")
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    for contract in CONTRACTS:
        name = f"{contract.name}.onnx"
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_conversion_gives_the_same_bytes_every_time(source: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        convert_voice(source, tmp_path / name)
    assert {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()} == {
        p.name: p.read_bytes() for p in (tmp_path / "b").iterdir()
    }


def test_half_precision_is_widened(source: Path, tmp_path: Path) -> None:
    rewrite(source, lambda t: t.update({name: tensor.astype(np.float16) for name, tensor in t.items()}))
    convert_voice(source, tmp_path / "half")
    rewrite(source, lambda t: t.update({name: tensor.astype(np.float32) for name, tensor in t.items()}))
    convert_voice(source, tmp_path / "full")
    assert weights(tmp_path / "half") == weights(tmp_path / "full")
    assert all(np.load(tmp_path / "half" / name).dtype == np.float32 for name in ("speakers.npy", "style_vectors.npy"))


def test_bfloat16_is_widened(source: Path, tmp_path: Path) -> None:
    tensors = TensorFile(source / "model.safetensors")
    bits = {name: (tensor.view(np.uint32) >> 16).astype(np.uint16) for name, tensor in tensors.items()}
    rewrite(source, lambda t: t.update({name: widen_bfloat16(value) for name, value in bits.items()}))
    convert_voice(source, tmp_path / "full")
    as_bfloat16(source / "model.safetensors", bits)
    convert_voice(source, tmp_path / "b16")
    assert TensorFile(source / "model.safetensors").entries["emb_g.weight"].dtype == "BF16"
    assert weights(tmp_path / "b16") == weights(tmp_path / "full")


def as_bfloat16(path: Path, bits: Tensors) -> None:
    """The safetensors library writes the bits as U16; only the name of the type has to be exchanged."""
    save_file(bits, path)
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + length].replace(b'"U16"', b'"BF16"')
    path.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + length :])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("enc_p.encoder.attn_layers.1.conv_q.bias"), r"no tensor enc_p\.encoder\.attn_layers\.1\."),
        (lambda t: t.pop("dec.ups.0.weight_g"), r"has no tensor dec\.ups\.0\.weight_g"),
        (lambda t: t.pop("sdp.flows.5.proj.weight"), r"has no tensor sdp\.flows\.5\.proj\.weight"),
        (lambda t: t.pop("emb_g.weight"), r"has no tensor emb_g\.weight"),
        (lambda t: t.update({"flow.flows.9.pre.bias": t["emb_g.weight"]}), r"does not know: flow\.flows\.9\.pre\.bias"),
        (lambda t: t.update({"extra": t["emb_g.weight"]}), "does not know: extra"),
        (lambda t: t.update({"dp.proj.bias": np.zeros(2, np.float32)}), r"dp\.proj\.bias has shape \[2\] where \[1\]"),
        (lambda t: t.update({"enc_p.emb.weight": np.zeros((99, 8), np.float32)}), r"enc_p\.emb\.weight has shape \[99"),
        (lambda t: t.update({"emb_g.weight": t["emb_g.weight"][:1]}), r"emb_g\.weight has 1 rows, fewer than spk2id"),
    ],
)  # fmt: skip
def test_tensor_that_does_not_fit_is_named(
    source: Path, tmp_path: Path, change: Callable[[Tensors], object], message: str
) -> None:
    rewrite(source, change)
    with pytest.raises(WeightError, match=rf"model\.safetensors.*{message}"):
        convert_voice(source, tmp_path / "voice")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_every_tensor_is_needed(tmp_path: Path) -> None:
    """Whichever tensor is missing, the error names it; none has a silent default."""
    shape = TinyVoice(kernels=(3,), dilations=((1,),), rates=(2,), upsample_kernels=(4,), layers=3)
    names = [name for name, _ in tensor_shapes(shape) if not name.startswith("sdp.flows.1.")]
    make_tiny_voice(tmp_path / "source", 1, shape)
    file = tmp_path / "source" / "model.safetensors"
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    for name in rng.choice(names, 8, replace=False):
        rewrite(tmp_path / "source", lambda t, name=name: t.pop(name))
        with pytest.raises(WeightError):
            convert_voice(tmp_path / "source", tmp_path / "voice")
        file.write_bytes(whole)
    convert_voice(tmp_path / "source", tmp_path / "voice")


def test_training_tensors_are_ignored(source: Path, tmp_path: Path) -> None:
    convert_voice(source, tmp_path / "a")
    more = {
        name: np.ones(2, np.float32) for name in ("enc_q.pre.weight", "sdp.post_flows.1.m", "iteration", "dur_disc.x")
    }
    rewrite(source, lambda t: t.update(more))
    convert_voice(source, tmp_path / "b")
    assert weights(tmp_path / "a") == weights(tmp_path / "b")


@pytest.mark.parametrize("kept", [0.0, 0.2, 0.999])
def test_truncated_weights_are_said(source: Path, tmp_path: Path, kept: float) -> None:
    data = (source / "model.safetensors").read_bytes()
    (source / "model.safetensors").write_bytes(data[: int(kept * len(data))])
    with pytest.raises(VoiceError, match=r"model\.safetensors is not a complete safetensors file"):
        convert_voice(source, tmp_path / "voice")


def test_other_models_are_refused_by_version_and_by_tensor(source: Path, tmp_path: Path) -> None:
    rewrite(source, lambda t: t.update({"enc_p.ja_bert_proj.weight": t["enc_p.bert_proj.weight"]}))
    with pytest.raises(VoiceError, match="is not a JP-Extra voice; only JP-Extra voices can be converted"):
        convert_voice(source, tmp_path / "voice")
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | {"version": "2.7.0"}))
    with pytest.raises(VoiceError, match=r"version 2\.7\.0 is not"):
        convert_voice(source, tmp_path / "voice")


@pytest.mark.parametrize("name", ["config.json", "style_vectors.npy", "model.safetensors"])
def test_missing_file_is_named(source: Path, tmp_path: Path, name: str) -> None:
    (source / name).unlink()
    with pytest.raises(VoiceNotFoundError, match=name.replace("model", "")):
        convert_voice(source, tmp_path / "voice")
    assert not (tmp_path / "voice").exists()


@pytest.mark.parametrize("content", [b"", b"nothing", b"\x93NUMPY\x01\x00"])
def test_damaged_style_vectors_are_said(source: Path, tmp_path: Path, content: bytes) -> None:
    (source / "style_vectors.npy").write_bytes(content)
    with pytest.raises(VoiceError, match=r"style_vectors\.npy is not a NumPy array"):
        convert_voice(source, tmp_path / "voice")


@pytest.mark.parametrize("shape", [(2, 255), (1, 256), (256,)])
def test_style_vectors_of_another_shape_are_said(source: Path, tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(source / "style_vectors.npy", np.zeros(shape, np.float32))
    with pytest.raises(VoiceError, match=r"style_vectors\.npy has"):
        convert_voice(source, tmp_path / "voice")


def test_style_vectors_in_float64_are_narrowed(source: Path, tmp_path: Path) -> None:
    np.save(source / "style_vectors.npy", np.load(source / "style_vectors.npy").astype(np.float64))
    convert_voice(source, tmp_path / "voice")
    assert Voice.open(tmp_path / "voice").style_vectors.dtype == np.float32


def test_newest_weights_are_taken_and_hidden_ones_never(source: Path) -> None:
    """Spec voice-files section 1."""
    files = [source / name for name in ("model.safetensors", "b_e20_s1000.safetensors", "a_e30_s900.safetensors")]
    for seconds, path in zip((100, 300, 200), files, strict=True):
        path.touch()
        os.utime(path, (seconds, seconds))
    (source / "._b_e20_s1000.safetensors").touch()
    (source / "b_e20_s1000.pth").touch()
    assert find_weights(source) == files[1]
    os.utime(files[2], (300, 300))
    assert find_weights(source) == files[1]  # of equal age the last by name, so that the choice is always the same
    files[1].unlink()
    assert find_weights(source) == files[2]


def test_licence_files(tmp_path: Path) -> None:
    assert read_licence(tmp_path) is None
    (tmp_path / "License.md").write_bytes(b"\xff\n")
    assert read_licence(tmp_path) == "\ufffd"
    (tmp_path / "License.md").write_text("")
    assert read_licence(tmp_path) == "License.md"


def test_progress_names_the_stages(source: Path, tmp_path: Path) -> None:
    seen: list[str] = []
    convert_voice(source, tmp_path / "voice", seen.append)
    assert seen == ["encoder", "flow", "decoder"]


def test_earlier_conversion_is_replaced_and_a_foreign_folder_is_not(source: Path, tmp_path: Path) -> None:
    convert_voice(source, tmp_path / "voice")
    (tmp_path / "voice" / "left_over.onnx").touch()
    convert_voice(source, tmp_path / "voice")
    assert not (tmp_path / "voice" / "left_over.onnx").exists()
    with pytest.raises(SokuonError, match="is not a converted folder"):
        convert_voice(source, source)
    assert (source / "model.safetensors").exists()
