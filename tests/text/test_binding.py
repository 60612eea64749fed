"""What the binding leaves unloaded is loaded when it is needed, and reads the same. Each in a process of its own."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sokuon.text.openjtalk.binding import bundle

BUNDLE = Path(__file__).parents[2] / "packaging" / "bundle_openjtalk.py"

TEXTS = [
    "今日はいい天気ですね。",
    "何が何でも、何とかなる。何ですか。何時？",
    "龘と鱻と㐂。",
    "{担々麺|タンタンメン}は何色？",
]
READ = """
import json, sys
from sokuon.text import FrontEnd

front_end = FrontEnd()
seen = {}
for text in json.loads(sys.argv[1]):
    read = [sentence.phonemes.symbols + sentence.phonemes.tones for sentence in front_end.sentences(text)]
    seen[text] = read, sorted({"onnxruntime", "pydantic"} & set(sys.modules))
import pyopenjtalk
from pyopenjtalk._unihan_readings_map import UNIHAN_READINGS
from pyopenjtalk.tsqyomi import *
public = pyopenjtalk.tsqyomi.TsqyomiModel.__name__, TsqyomiModel.__name__, len({**UNIHAN_READINGS}) > 9999
print(json.dumps([seen, public, hasattr(pyopenjtalk.tsqyomi, "nothing")]))
"""


IMPORTED = """
import sys
from sokuon.text.openjtalk import binding, sudachi

sys.path += [str(binding.bundle() or "")]  # an installed Sokuon holds the binding itself, and no SudachiPy
with sudachi.stand_in():
    import pyopenjtalk
"""


def run(code: str, line: int = 0) -> Any:
    done = subprocess.run([sys.executable, "-c", code, json.dumps(TEXTS)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[line])


def test_heavy_parts_are_loaded_late_and_change_nothing() -> None:
    late, early = run(READ), run(f"{IMPORTED}\n{READ}")
    assert [late[0][text][0] for text in TEXTS] == [early[0][text][0] for text in TEXTS]
    assert late[0][TEXTS[0]][1] == []  # an ordinary sentence needs neither
    assert "onnxruntime" not in late[0][TEXTS[-1]][1]  # nor does 何
    assert "onnxruntime" in early[0][TEXTS[0]][1]
    assert late[1:] == early[1:] == [["TsqyomiModel", "TsqyomiModel", True], False]


MANY = """
import sys, threading
from sokuon.text import FrontEnd

front_end = FrontEnd()
said = []
def read(): said.append(front_end.phonemize("何が何でも何と鱻。").symbols)
threads = [threading.Thread(target=lambda: (FrontEnd().phonemize("何が何でも何と鱻。"), read())) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(said) * (len(set(said)) == 1))
"""


def test_threads_may_all_be_the_first() -> None:
    assert run(MANY) == 8


WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in {missing} else found(name, *rest)
"""


@pytest.mark.parametrize("missing", [("sudachipy", "sudachidict_core"), ("sudachidict_core",)])
def test_sudachi_may_be_missing(missing: tuple[str, ...]) -> None:
    """All else is read as with it, and kanji that only Unihan knows too."""
    without, with_it = run(WITHOUT.format(missing=missing) + READ), run(READ)
    assert [without[0][text][0] for text in TEXTS] == [with_it[0][text][0] for text in TEXTS]


WHERE = """
from sokuon.text.openjtalk import binding
print(json.dumps([pyopenjtalk.__file__, binding.version()]))
"""


FOUND = """
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from sokuon.text.openjtalk.binding import load_binding
from sokuon.text.openjtalk.compiler import compile_words

TEXTS = "二十三日 4 5、〇三−1234の人々！？", "山路を行き、東京の髙島屋であおり立てりゃ入れ物。", "龘と何。"
WORDS = "東京,,,1,名詞,固有名詞,一般,*,*,*,東京,トンキン,トンキン,1/4,C1"
binding, found = load_binding(), []
with TemporaryDirectory() as folder:
    own = {"userdic": str(compile_words(WORDS, Path(folder))).encode(), "userdic_reading_protection": [True]}
    for words in {}, own:
        jtalk = binding.OpenJTalk(dn_mecab=binding.OPEN_JTALK_DICT_DIR, **words)
        for text in TEXTS:
            found += [jtalk.run_mecab(text), jtalk.run_mecab_detailed(text), jtalk.run_mecab_nbest_features(text, 3)]
            found += [jtalk.run_frontend(text), jtalk.run_frontend_detailed(text), jtalk.g2p(text)]
every = "".join(chr(code) for code in range(0x30000) if not 0xD800 <= code < 0xE000)
found += [binding.utils.normalize_itaiji(every), binding.utils.normalize_itaiji("髙島屋と𠮷野家", frozenset("髙"))]
assert sum(a != b for a, b in zip(every, found[-2], strict=True)) > 17_000
assert any("トンキン" in morpheme for morphemes in found for morpheme in morphemes)
print(json.dumps(found))
"""


SIZES = """
import json
from sokuon.text.openjtalk.binding import load_binding

load_binding()
from pyopenjtalk import _cjkvi_variants_map, _itaiji_map
print(json.dumps([len(_cjkvi_variants_map.CJKVI_VARIANTS), len(_itaiji_map.ITAIJI_MAP)]))
"""


@pytest.mark.skipif(bundle() is not None, reason="the copy that is installed is what every other test runs on")
def test_the_copy_that_wheels_hold_reads_the_same(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(BUNDLE), str(tmp_path / "_openjtalk")], check=True)
    assert not list(tmp_path.rglob("*.htsvoice"))
    of_copy = f"import sokuon\nsokuon.__path__.append({str(tmp_path)!r})\n"
    file, version = run(of_copy + READ + WHERE, line=1)
    assert file.startswith(str(tmp_path))
    assert version == importlib.metadata.version("pyopenjtalk-plus")
    assert run(of_copy + READ) == run(READ)
    assert run(of_copy + FOUND) == run(FOUND)
    assert (
        tmp_path / "_openjtalk/pyopenjtalk/dictionary/sys.dic"
    ).stat().st_size < 50e6  # packed: the original has 103
    assert run(of_copy + SIZES) == [0, 0]


TOLD = """
import json
from sokuon.errors import SokuonError
from sokuon.text import FrontEnd
from sokuon.text.openjtalk import binding

binding.bundle = lambda: None
try:
    FrontEnd().phonemize("はい。")
except SokuonError as error:
    print(json.dumps(str(error)))
"""


def test_a_missing_binding_is_one_sentence() -> None:
    told = run(WITHOUT.format(missing=("pyopenjtalk",)) + TOLD)
    assert "pip install pyopenjtalk-plus" in told
    assert "\n" not in told
