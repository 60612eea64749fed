"""The BERT that reads for a voice: beside it, named, or the one all published voices were trained on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from sokuon.errors import VoiceNotFoundError
from sokuon.voices.fetch import store
from sokuon.voices.fetch.watch import SILENT, Watch
from sokuon.voices.sources import resolve

BERT = "hf://ku-nlp/deberta-v2-large-japanese-char-wwm"
QUESTION = f"Fetch the BERT {BERT} (about 0.7 to 1.4 GB, licence CC BY-SA 4.0)?"


def find_bert(voice: Path, bert: str | Path | None, may_fetch: Callable[[], bool], watch: Watch = SILENT) -> Path:
    """The folder of the BERT for the voice at `voice`; the usual one is fetched only if `may_fetch` says so.

    Raises VoiceNotFoundError, DownloadError.
    """
    if bert is not None:
        return resolve(bert, kind="bert", watch=watch)
    if (voice / "bert").is_dir():
        return voice / "bert"
    if named := os.environ.get("SOKUON_BERT"):
        return resolve(named, kind="bert", watch=watch)
    if not _is_here() and not may_fetch():
        raise VoiceNotFoundError(
            f"no BERT for {voice}; pass bert=FOLDER (--bert on the command line), set SOKUON_BERT, put the folder of "
            "ku-nlp/deberta-v2-large-japanese-char-wwm into the voice folder as `bert`, or let it be fetched with "
            "download=True (--yes)."
        )
    return resolve(BERT, kind="bert", watch=watch)


def _is_here() -> bool:
    """True if the usual BERT was fetched before."""
    home = store.home_of(BERT, "bert", None)
    record = store.read_record(home)
    return record is not None and store.place_of(home, record) is not None
