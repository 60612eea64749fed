"""Makes the modules beside this file importable from every test below, and converts the tiny voice once for all."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import sokuon
from sokuon.convert.bert import convert_bert
from sokuon.convert.products import Precision
from sokuon.convert.voice import convert_voice
from sokuon.networks.bert import Bert
from sokuon.voices.voice import Voice

TINY = Path(__file__).parent / "data" / "tiny"

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as a shell starts what runs in its background: `pytest &`
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests of Ctrl-C are about this process, too


@pytest.fixture(scope="session", autouse=True)
def sokuon_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test reads or writes the user's own cache and dictionary, nor is steered by the user's own BERT."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("SOKUON_CACHE", str(folder))
        patch.setenv("SOKUON_DICTIONARY", str(folder / "dictionary.json"))
        patch.delenv("SOKUON_BERT", raising=False)
        yield folder


@pytest.fixture(scope="session")
def tiny() -> Path:
    """The committed tiny models as their authors would publish them: `voice` and `bert`."""
    return TINY


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed tiny models, converted: `voice` and `bert` (FP32)."""
    folder = tmp_path_factory.mktemp("converted")
    convert_voice(TINY / "voice", folder / "voice")
    convert_bert(TINY / "bert", folder / "bert", Precision.FP32)
    return folder


@pytest.fixture(scope="session")
def engine(converted: Path) -> sokuon.Engine:
    """The tiny voice, ready to speak on one thread of ONNX Runtime."""
    return sokuon.load(converted / "voice", bert=converted / "bert", threads=1)


@pytest.fixture(scope="session")
def voice(converted: Path) -> Voice:
    """The tiny voice folder, opened."""
    return Voice.open(converted / "voice")


@pytest.fixture(scope="session")
def tiny_bert(converted: Path) -> Bert:
    """The tiny BERT, opened."""
    return Bert.open(converted / "bert", 1)
