"""ONNX graphs of converted folders: a conversion writes what native networks read, this the rest when it is needed."""

from __future__ import annotations

import logging
from pathlib import Path

from sokuon.errors import DictionaryError
from sokuon.formats.contracts import Contract
from sokuon.storage.files import write_atomically
from sokuon.storage.locks import locked

_PATIENCE_S = 60.0  # for another process, which needs a second
_log = logging.getLogger("sokuon.networks")


def graph_of(path: Path, contract: Contract) -> Path | bytes:
    """The graph `path` of a converted folder, written from its weights if it is not there.

    One process writes, others wait for it. In a folder that cannot be written to it is made each time: its contents are
    returned. Raises VoiceError (damaged, or no converted folder), MissingExtraError (onnx is not installed).
    """
    if path.is_file():
        return path

    from sokuon.convert.graphs import graph_bytes  # brings onnx: only when there is work for it

    _log.info("writing %s for ONNX Runtime, once", path)
    try:
        with locked(path, _PATIENCE_S):
            if path.is_file():  # another process was quicker
                return path
            return _kept(path, graph_bytes(path.parent, contract))
    except DictionaryError as unwritable:
        _log.info("%s is not kept (%s)", path, unwritable)
        return graph_bytes(path.parent, contract)


def _kept(path: Path, data: bytes) -> Path | bytes:
    try:
        write_atomically(path, data)
    except OSError as unwritable:
        _log.info("%s is not kept (%s)", path, unwritable)
        return data
    return path
