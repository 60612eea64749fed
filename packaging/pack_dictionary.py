"""MeCab's dictionary with packed features, in place: `pack_dictionary.py FOLDER`, run by `bundle_openjtalk.py`.

`sys.dic` holds words in a trie, tokens (costs, and where the feature lies), and features, which are texts. The features
are replaced by what `sokuon/text/openjtalk/features.py` makes of them, which also reads them; words, costs and their
order stay byte by byte, so MeCab chooses the same words. Each packed feature is unpacked and compared.
"""

from __future__ import annotations

import runpy
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

FEATURES = Path(__file__).parent.parent / "src" / "sokuon" / "text" / "openjtalk" / "features.py"
MAGIC = 0xEF718F77
HEADER = struct.Struct("<10I32s")
"""Magic number ^ bytes of the file, version, kind, words, left and right contexts, bytes of the trie, of the tokens, of
the features, nothing; character set."""
TOKEN = struct.Struct("<HHHhII")
"""Left and right context, part of speech, cost, where the feature begins, nothing."""
UNIT = struct.Struct("<iI")


@dataclass(frozen=True)
class SystemDictionary:
    """What a `sys.dic` holds."""

    head: tuple[int, ...]  # from the version to the contexts
    charset: bytes
    trie: bytes
    tokens: tuple[tuple[int, ...], ...]
    features: bytes

    @classmethod
    def read(cls, file: Path) -> SystemDictionary:
        """The file's content; what is none of MeCab's ends the build."""
        content = file.read_bytes()
        magic, *head, trie, tokens, features, _, charset = HEADER.unpack_from(content)
        start = HEADER.size + trie
        if magic ^ MAGIC != len(content) or start + tokens + features != len(content):
            raise SystemExit(f"{file} is no dictionary of MeCab's, or one of another version.")
        rows = tuple(TOKEN.iter_unpack(content[start : start + tokens]))
        return cls(tuple(head), charset, content[HEADER.size : start], rows, content[start + tokens :])

    def words(self) -> list[str]:
        """The word of each token: from the trie's leaves back to its root.

        A unit is (base, check): a child by byte c lies at base + c + 1, a word's end at base, and both hold the
        parent's base as their check; in an end, -base - 1 is the first token << 8 | how many.
        """
        units = tuple(UNIT.iter_unpack(self.trie))
        parents = {base: at for at, (base, _) in enumerate(units) if base > 0}
        words = [""] * len(self.tokens)
        for at, (base, check) in enumerate(units):
            if base < 0 and check == at:
                first, count = divmod(-base - 1, 256)
                spelled = bytearray()
                while node := parents[check]:
                    check = units[node][1]
                    spelled.append(node - check - 1)
                words[first : first + count] = [spelled[::-1].decode()] * count
        return words

    def feature(self, token: tuple[int, ...]) -> str:
        """The text that belongs to a token."""
        return self.features[token[4] : self.features.index(0, token[4])].decode()

    def with_features(self, texts: list[str]) -> bytes:
        """The content of a file in which these, one a token, stand for the features."""
        features, tokens = bytearray(), bytearray()
        for token, text in zip(self.tokens, texts, strict=True):
            tokens += TOKEN.pack(*token[:4], len(features), token[5])
            features += text.encode() + b"\0"
        sizes = len(self.trie), len(tokens), len(features)
        magic = MAGIC ^ (HEADER.size + sum(sizes))
        return HEADER.pack(magic, *self.head, *sizes, 0, self.charset) + self.trie + tokens + features


def pack(folder: Path) -> None:
    """Rewrite `sys.dic` in `folder`, and write the table beside it."""
    dictionary = SystemDictionary.read(folder / "sys.dic")
    words, features = dictionary.words(), [dictionary.feature(token) for token in dictionary.tokens]
    known = runpy.run_path(str(FEATURES), run_name="features")["Features"].of(features)
    packed = list(map(known.pack, words, features))
    if list(map(known.unpack, words, packed)) != features:
        raise SystemExit("A packed feature does not come back the same.")
    (folder / "sys.dic").write_bytes(dictionary.with_features(packed))
    known.save(folder)


if __name__ == "__main__":
    pack(Path(sys.argv[1]))
