"""The ONNX graphs of a converted folder, for the backend that runs them: made from its weights alone."""

from __future__ import annotations

from pathlib import Path

from sokuon.convert.bert_graph import bert_graph
from sokuon.convert.graph import Graph
from sokuon.convert.voice_graphs import voice_graph
from sokuon.errors import SokuonError, VoiceError
from sokuon.formats.contracts import BERT, DECODER, ENCODER, FLOW, Contract

VOICE_GRAPHS = (ENCODER, FLOW, DECODER)


def graph_bytes(folder: Path, contract: Contract) -> bytes:
    """The file `<contract.name>.onnx` of a converted folder, whose weights it finds beside itself.

    Raises VoiceError where the folder is damaged, MissingExtraError where onnx is not installed.
    """
    from sokuon.convert.onnx_model import serialized

    return serialized(_graph(folder, contract))


def write_graphs(folder: Path) -> None:
    """All graphs of a converted voice or BERT, beside its weights."""
    for contract in (*VOICE_GRAPHS, BERT):
        if (folder / f"{contract.name}.weights").is_file():
            (folder / f"{contract.name}.onnx").write_bytes(graph_bytes(folder, contract))


def _graph(folder: Path, contract: Contract) -> Graph:
    try:
        return bert_graph(folder) if contract is BERT else voice_graph(folder, contract)
    except SokuonError:
        raise
    except (LookupError, ValueError, TypeError, ArithmeticError, MemoryError) as error:
        raise VoiceError(f"{folder} is damaged ({error!r}); convert it again.") from error
