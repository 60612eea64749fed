"""The command line."""

from __future__ import annotations

import os
from importlib.util import find_spec

PLAIN = find_spec("pygments") is None
"""Help without colours: requirements-native.txt leaves out the 9 MB that typer needs for them."""

if PLAIN:
    os.environ["TYPER_USE_RICH"] = "0"  # typer reads it when it is imported
