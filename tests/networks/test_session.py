"""Whole numbers stay whole on ONNX Runtime, on every processor.

On x86-64 without VNNI its product of unsigned by signed bytes sums pairs in 16 bits, and saturates unless a session
asks for the exact kernel. Most build machines have VNNI, so the case runs in an emulator, too, where there is one.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper

from sokuon.errors import VoiceError
from sokuon.formats.contracts import Contract, Port
from sokuon.networks import session
from sokuon.networks.session import Session

EMULATOR = shutil.which("qemu-x86_64")  # Debian, Ubuntu: apt install qemu-user
WITHOUT_VNNI = "Haswell"  # AVX2, FMA; what most desktop processors of the years up to 2020 have
INPUTS, OUTPUTS, ZERO = 96, 32, 128
PRODUCT = Contract("product", (Port("x", "float32", ("S", INPUTS)),), (Port("y", "float32", ("S", OUTPUTS)),))
SAME = Contract("same", (Port("x", "float32", ("S", INPUTS)),), (Port("y", "float32", ("T", INPUTS)),))
SENTINEL = "products of a processor without VNNI"


def codes(shape: tuple[int, ...], low: int, high: int) -> npt.NDArray[np.int64]:
    """Random but for the first row and column, which are as large as codes get."""
    values = np.random.default_rng(7).integers(low, high + 1, shape)
    values[0], values[:, 0] = high, high
    return values


def product(folder: Path, weight: npt.NDArray[np.int8]) -> Path:
    """x [S, in], whole numbers 0 to 255, times `weight`, which the session is given: the BERT's operator."""
    entries = {"location": "elsewhere", "offset": "0", "length": str(weight.nbytes)}
    matrix = TensorProto(name="w", data_type=TensorProto.INT8, dims=weight.shape, data_location=TensorProto.EXTERNAL)
    for key, value in entries.items():
        matrix.external_data.add(key=key, value=value)
    constants = [
        helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]),
        helper.make_tensor("scale", TensorProto.FLOAT, [OUTPUTS], [1.0] * OUTPUTS),
        helper.make_tensor("zero", TensorProto.UINT8, [], [ZERO]),
        helper.make_tensor("w.zero", TensorProto.INT8, [], [0]),
    ]
    nodes = [
        helper.make_node("Cast", ["x"], ["bytes"], to=TensorProto.UINT8),
        helper.make_node(
            "MatMulIntegerToFloat", ["bytes", "w", "one", "scale", "zero", "w.zero"], ["y"], domain="com.microsoft"
        ),
    ]
    ports = [
        [helper.make_tensor_value_info(p.name, TensorProto.FLOAT, p.shape) for p in side]
        for side in (PRODUCT.inputs, PRODUCT.outputs)
    ]
    graph = helper.make_graph(nodes, "product", *ports, [*constants, matrix])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    path = folder / "product.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def run(folder: Path) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The product by the session, and by whole numbers of 64 bits."""
    x, w = codes((17, INPUTS), 0, 255), codes((INPUTS, OUTPUTS), -127, 127)
    weight = w.astype(np.int8)
    opened = Session(product(folder, weight), PRODUCT, 1, constants={"w": weight})
    return opened.run(x=x.astype(np.float32))[0].astype(np.int64), (x - ZERO) @ w


def test_products_of_bytes_are_exact(tmp_path: Path) -> None:
    got, want = run(tmp_path)
    np.testing.assert_array_equal(got, want)


def test_a_graph_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    """ONNX Runtime says of weights that are cut short in several lines where in its source it was."""
    weight = np.zeros((INPUTS, OUTPUTS), np.int8)
    with pytest.raises(VoiceError, match="cannot be opened") as raised:
        Session(product(tmp_path, weight), PRODUCT, 1)  # the weights lie nowhere
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 600


def test_a_graph_that_fails_in_a_run_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Of a damaged file: a padding of 10^12 rows, which no memory holds."""
    pads = helper.make_tensor("pads", TensorProto.INT64, [4], [0, 0, 10**12, 0])
    ports = [
        [helper.make_tensor_value_info(p.name, TensorProto.FLOAT, p.shape) for p in side]
        for side in (SAME.inputs, SAME.outputs)
    ]
    graph = helper.make_graph([helper.make_node("Pad", ["x", "pads"], ["y"])], "same", *ports, [pads])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "a.onnx")
    opened = Session(tmp_path / "a.onnx", SAME, 1)
    with pytest.raises(VoiceError, match=r"a\.onnx cannot be run") as raised:
        opened.run(x=np.zeros((2, INPUTS), np.float32))
    assert "\n" not in str(raised.value)
    assert capfd.readouterr().out == ""


def test_the_codes_would_saturate() -> None:
    """Sums of pairs in 16 bits, as `vpmaddubsw` makes them: the case above is one in which that shows."""
    x, w = codes((17, INPUTS), 0, 255), codes((INPUTS, OUTPUTS), -127, 127)
    pairs = (x[:, :, None] * w).reshape(len(x), INPUTS // 2, 2, OUTPUTS).sum(axis=2)
    saturated = np.clip(pairs, -(2**15), 2**15 - 1).sum(axis=1) - ZERO * w.sum(axis=0)
    assert (saturated != (x - ZERO) @ w).mean() > 0.5
    assert session._options(1, False).get_session_config_entry("session.x64quantprecision") == "1"


@pytest.mark.skipif(EMULATOR is None, reason="needs qemu-user")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the interpreter is emulated, so it must be x86-64")
@pytest.mark.parametrize("exact", [True, False])
def test_products_are_exact_without_vnni(tmp_path: Path, exact: bool) -> None:
    """And without the session's option they are not, so that emulator and case are what they should be."""
    command = [str(EMULATOR), "-cpu", WITHOUT_VNNI, sys.executable, __file__, str(tmp_path), str(exact)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1:] == [f"{SENTINEL}: {'exact' if exact else 'wrong'}"], done.stderr


if __name__ == "__main__":
    if sys.argv[2] == "False":
        session._EXACT_PRODUCTS = "session.of.no.meaning"
    found, expected = run(Path(sys.argv[1]))
    print(f"{SENTINEL}: {'exact' if (found == expected).all() else 'wrong'}")
