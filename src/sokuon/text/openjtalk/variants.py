"""Old and variant kanji with the forms that the dictionary knows, as two strings.

The binding makes two dictionaries of its 17,351 pairs at every start: 5 MB, where these are 0.15. The copy of the
binding that Sokuon holds has the strings instead (`packaging/bundle_openjtalk.py` writes them, with this module), and
`binding.py` puts this mapping in the place of the dictionaries. This module needs the standard library alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from pathlib import Path

FILE = "variants.txt"
"""Lies beside the binding's modules: the variants in the order of their codes, then what stands for each."""


class Variants(Mapping[str, str]):
    """Variant → usual form, one character each."""

    def __init__(self, variants: str, usual: str) -> None:
        self._variants, self._usual = variants, usual

    @classmethod
    def of(cls, pairs: Mapping[str, str]) -> Variants:
        """Of an ordinary dictionary. Raises ValueError where a form is not one character."""
        if any(len(form) != 1 for pair in pairs.items() for form in pair):
            raise ValueError("a variant or its usual form is not one character")
        variants = sorted(pairs)
        return cls("".join(variants), "".join(map(pairs.__getitem__, variants)))

    @classmethod
    def load(cls, folder: Path) -> Variants:
        """From the file in this folder. Raises OSError and ValueError."""
        variants, usual = (folder / FILE).read_text(encoding="utf-8").split()
        return cls(variants, usual)

    def save(self, folder: Path) -> None:
        """To the file in this folder."""
        (folder / FILE).write_text(f"{self._variants}\n{self._usual}\n", encoding="utf-8")

    def __getitem__(self, variant: str) -> str:
        at = bisect_left(self._variants, variant)
        if self._variants[at : at + 1] != variant:
            raise KeyError(variant)
        return self._usual[at]

    def __contains__(self, variant: object) -> bool:
        if not isinstance(variant, str):
            return False
        at = bisect_left(self._variants, variant)
        return at < len(self._variants) and self._variants[at] == variant

    def __iter__(self) -> Iterator[str]:
        return iter(self._variants)

    def __len__(self) -> int:
        return len(self._variants)


class Translation:
    """Variants by their code, as `str.translate` asks for them."""

    def __init__(self, variants: Variants) -> None:
        self._variants = variants

    def __getitem__(self, code: int) -> str:
        return self._variants[chr(code)]
