"""Two voices mixed part by part."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tiny_voice import TinyVoice, make_tiny_voice

from sokuon.convert.merge import Mix, merge_voices
from sokuon.convert.voice import convert_voice
from sokuon.convert.weights import fold_weight_norm
from sokuon.errors import OptionError, VoiceError
from sokuon.formats.about import read_about
from sokuon.storage.tensors import TensorFile
from sokuon.voices.voice import Voice


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two voices; the second spells its weight norm otherwise and has a style more."""
    make_tiny_voice(tmp_path / "a", 1)
    make_tiny_voice(tmp_path / "b", 2, TinyVoice(spelling="parametrized", styles=3))
    (tmp_path / "a" / "LICENSE.txt").write_text("CC BY 4.0")
    return tmp_path / "a", tmp_path / "b"


def test_each_trait_takes_its_share(pair: tuple[Path, Path], tmp_path: Path) -> None:
    merge_voices(*pair, tmp_path / "c", Mix(voice=0.25, pitch=1.0, style=0.0, tempo=0.5))
    a, b = (TensorFile(folder / "model.safetensors") for folder in pair)
    mixed = load_file(tmp_path / "c" / "c.safetensors")  # the original library reads it
    up = "dec.ups.0"
    folded = (
        fold_weight_norm(a[f"{up}.weight_g"], a[f"{up}.weight_v"]),
        fold_weight_norm(b[f"{up}.parametrizations.weight.original0"], b[f"{up}.parametrizations.weight.original1"]),
    )
    shares = {"flow.flows.0.pre.weight": 1.0, "enc_p.emb.weight": 0.0, "dp.proj.bias": 0.5, "sdp.flows.0.m": 0.5,
              "dec.conv_pre.weight": 0.25, "emb_g.weight": 0.25}  # fmt: skip
    for name, share in shares.items():
        np.testing.assert_allclose(mixed[name], (1 - share) * a[name] + share * b[name], atol=1e-6, err_msg=name)
    np.testing.assert_allclose(mixed[f"{up}.weight"], 0.75 * folded[0] + 0.25 * folded[1], atol=1e-6)


def test_nothing_of_the_second_is_the_first(pair: tuple[Path, Path], tmp_path: Path) -> None:
    merge_voices(*pair, tmp_path / "c", Mix(0, 0, 0, 0))
    for source, target in ((pair[0], "one"), (tmp_path / "c", "mixed")):
        convert_voice(source, tmp_path / target)
    for graph in ("encoder", "flow", "decoder"):
        one, mixed = (TensorFile(tmp_path / name / f"{graph}.weights") for name in ("one", "mixed"))
        assert all(np.array_equal(one[key], mixed[key]) for key in one)


def test_styles_of_both_meet(pair: tuple[Path, Path], tmp_path: Path) -> None:
    merge_voices(*pair, tmp_path / "c", Mix(style=0.5))
    va, vb, vc = (np.load(folder / "style_vectors.npy") for folder in (*pair, tmp_path / "c"))
    config = json.loads((tmp_path / "c" / "config.json").read_text())
    assert config["data"]["style2id"] == {"Neutral": 0, "Happy": 1, "Sad": 2}
    np.testing.assert_allclose(vc[:2], (va + vb[:2]) / 2, atol=1e-5)
    np.testing.assert_allclose(vc[2] - vc[0], vb[2] - vb[0], atol=1e-5)  # only the second has it: as far from neutral


def test_where_it_came_from_and_both_licences_are_kept(pair: tuple[Path, Path], tmp_path: Path) -> None:
    merge_voices(*pair, tmp_path / "c", Mix(), name="混合")
    convert_voice(tmp_path / "c", tmp_path / "out")
    about = read_about(tmp_path / "out")
    assert [part["weights"] for part in about.made_of] == ["model.safetensors", "model.safetensors"]
    assert about.made_of[0]["licence"] == "CC BY 4.0"
    assert about.licence is not None
    assert "CC BY 4.0" in about.licence
    assert "no licence is stated" in about.licence
    assert Voice.open(tmp_path / "out").manifest.name == "混合"


@pytest.mark.parametrize(
    ("shape", "problem"),
    [(TinyVoice(filters=16), "differ in the size of"), (TinyVoice(wavenet=True), "are built differently")],
)
def test_voices_of_different_sizes_are_refused(
    pair: tuple[Path, Path], tmp_path: Path, shape: TinyVoice, problem: str
) -> None:
    make_tiny_voice(tmp_path / "other", 3, shape)
    with pytest.raises(VoiceError, match=problem):
        merge_voices(pair[0], tmp_path / "other", tmp_path / "c", Mix())
    assert not (tmp_path / "c").exists()


def test_shares_are_checked() -> None:
    with pytest.raises(OptionError, match=r"tempo is 3; it must be from -1 to 2"):
        Mix(tempo=3)
    with pytest.raises(OptionError, match="voice is nan"):
        Mix(voice=float("nan"))
