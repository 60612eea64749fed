"""The command line."""

from __future__ import annotations

import os
from importlib.util import find_spec

if (
    find_spec("pygments") is None
):  # left out of requirements-native.txt: 9 MB, with which typer would only colour its help
    os.environ["TYPER_USE_RICH"] = "0"
