"""voicevox-py (PyPI), which installs as `src.voicevox` and posts queries without a content type."""

import sys
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from src.voicevox import Client

place = urlsplit(sys.argv[1])
with Client(host=place.hostname, port=place.port) as client:
    client.generate("こんにちは、世界。", 1, "out.wav")
assert Path("out.wav").read_bytes()[:4] == b"RIFF"
print("voicevox-py", version("voicevox-py"))
