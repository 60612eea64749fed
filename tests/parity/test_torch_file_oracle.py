"""`pytorch_model.bin` read without torch, against torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sokuon.convert.torch_file import TorchFile
from sokuon.errors import VoiceError

torch = pytest.importorskip("torch")


def test_reads_what_torch_saves(tmp_path: Path) -> None:
    base = torch.randn(6, 8)
    state = {
        "float": base,
        "half": torch.randn(3, 4).half(),
        "bfloat": torch.randn(5).bfloat16(),
        "double": torch.randn(2, 2).double(),
        "ids": torch.arange(7)[None],
        "flag": torch.tensor([True, False]),
        "scalar": torch.tensor(3.5),
        "transposed": base.t(),
        "window": base[2:5, 1:4],
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(torch.randn(2)),
    }
    torch.save(state, tmp_path / "pytorch_model.bin")
    file = TorchFile(tmp_path / "pytorch_model.bin")
    assert list(file) == list(state)
    for name, tensor in state.items():
        want = tensor.detach().float().numpy() if tensor.dtype == torch.bfloat16 else tensor.detach().numpy()
        assert file[name].dtype == want.dtype
        assert np.array_equal(file[name], want)


def test_a_tensor_that_repeats_its_storage_is_refused(tmp_path: Path) -> None:
    """No state dict has one; a file of a few bytes could be gigabytes of weights so."""
    torch.save({"expanded": torch.randn(1, 4).expand(3, 4)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(VoiceError, match="'expanded' does not lie inside its storage, or repeats it"):
        TorchFile(tmp_path / "pytorch_model.bin")


def test_reads_a_modules_state_dict(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4))
    torch.save(module.state_dict(), tmp_path / "pytorch_model.bin")
    file = TorchFile(tmp_path / "pytorch_model.bin")
    assert all(np.array_equal(file[name], tensor.numpy()) for name, tensor in module.state_dict().items())
