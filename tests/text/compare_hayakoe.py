"""How many rows of readings.tsv HayaKoe gets: run where `hayakoe` is installed (a black box, as its users call it).

python tests/text/compare_hayakoe.py TOKENIZER_FOLDER [--show]
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

_SOURCE = Path(__file__).parents[2] / "src"
sys.path.insert(0, str(Path(__file__).parent))
for name in ("sokuon", "sokuon.text"):  # without the packages' own imports, which this environment need not have
    sys.modules[name] = ModuleType(name)
    sys.modules[name].__path__ = [str(_SOURCE.joinpath(*name.split(".")))]

from hayakoe.nlp import bert_models  # noqa: E402
from hayakoe.nlp.japanese import g2p, normalizer  # noqa: E402
from readings import sounds, table  # noqa: E402

from sokuon.text.morae import word_phones  # noqa: E402


def spoken(text: str) -> str:
    """What HayaKoe says, or why it does not."""
    try:
        return sounds(g2p.g2p(normalizer.normalize_text(text))[0])
    except Exception as error:
        return f"raises {type(error).__name__}"


def main() -> None:
    bert_models.load_tokenizer(sys.argv[1])
    right, total = Counter[str](), Counter[str]()
    for row in table():
        expected = {sounds(phone for word in word_phones([reading]) for phone in word) for reading in row.expected}
        said = spoken(row.text)
        total[row.kind] += 1
        right[row.kind] += said in expected
        if "--show" in sys.argv and said not in expected:
            print(row.text, "->", said)
    for kind in total:
        print(f"{kind:10} {right[kind]:4} of {total[kind]:4}")
    print(f"all        {sum(right.values()):4} of {sum(total.values()):4}")


if __name__ == "__main__":
    main()
