"""The OpenJTalk binding (pyopenjtalk-plus) without what few texts need, until one does.

Its import would also load a random forest that reads 何 (and ONNX Runtime to run it: 35 MB), the readings of rare kanji
(8 MB), and a chooser of readings that is not used here (and pydantic: 8 MB); together 0.2 s. Here these modules are
found but not executed: their names stand ready, and the first use of one executes its module, in place. 何 is read by
the same forest in `nani.py`. SudachiPy waits, too, and may be missing (`sudachi.py`). A binding that is imported
already, or that has no such module, is taken as it is.

An installed Sokuon holds a copy of the binding (`packaging/bundle_openjtalk.py`), which comes first; beside the
sources, or for a Python that the copy has no compiled part for, the binding is what is installed. The copy's dictionary
has packed features (`features.py`); its class OpenJTalk unpacks what MeCab finds, for every caller. Its table of
variant kanji is packed, too (`variants.py`).
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import sokuon
from sokuon.errors import MissingExtraError
from sokuon.text.openjtalk.features import FILE as FEATURES
from sokuon.text.openjtalk.features import Features
from sokuon.text.openjtalk.nani import Forest
from sokuon.text.openjtalk.sudachi import stand_in
from sokuon.text.openjtalk.variants import FILE as VARIANTS
from sokuon.text.openjtalk.variants import Translation, Variants

_LOCK = threading.RLock()


def load_binding() -> ModuleType:
    """The module pyopenjtalk. Raises MissingExtraError."""
    with _LOCK:
        return _reading_packed(sys.modules.get("pyopenjtalk") or _imported())


def _imported() -> ModuleType:
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        with stand_in():
            return importlib.import_module("pyopenjtalk")
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"OpenJTalk cannot be loaded ({error}); install it with: python -m pip install pyopenjtalk-plus."
        ) from error
    finally:
        sys.meta_path.remove(finder)


@cache
def _reading_packed(binding: ModuleType) -> ModuleType:
    """The binding, which now unpacks the features of its dictionary and knows its variants, if those are packed."""
    folder = Path(binding.__file__ or "").parent
    dictionary = folder / "dictionary"
    if (dictionary / FEATURES).exists():
        unpacking = _unpacking(binding.OpenJTalk, Features.load(dictionary))
        binding.OpenJTalk = binding.openjtalk.OpenJTalk = unpacking  # type: ignore[attr-defined]
    if (folder / VARIANTS).exists():
        variants = Variants.load(folder)
        binding.utils._VARIANT_MAP, binding.utils._ITAIJI_TRANSLATION = variants, Translation(variants)
    return binding


def _unpacking(plain: Any, features: Features) -> type[Any]:
    """A class like `plain`, the binding's OpenJTalk, all of whose methods take MeCab's words from these three."""

    def unpacked(morphemes: Sequence[str]) -> list[str]:
        return [features.unpack_morpheme(morpheme) for morpheme in morphemes]

    def details(told: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [{**one, "features": features.unpack_morpheme(",".join(one["features"])).split(",")} for one in told]

    class OpenJTalk(plain):  # type: ignore[misc]
        def _run_mecab(self, text: str | bytes) -> list[str]:
            return unpacked(super()._run_mecab(text))

        def _run_mecab_detailed(self, text: str | bytes) -> tuple[list[str], list[dict[str, Any]]]:
            morphemes, told = super()._run_mecab_detailed(text)
            return unpacked(morphemes), details(told)

        def _run_mecab_nbest_features(self, text: str | bytes, max_paths: object = 5) -> list[dict[str, Any]]:
            paths = super()._run_mecab_nbest_features(text, max_paths)
            return [{**p, "features": unpacked(p["features"]), "morphs": details(p["morphs"])} for p in paths]

    return OpenJTalk


def bundle() -> Path | None:
    """The folder of Sokuon's copy of the binding, if there is one that this Python can load."""
    for folder in sokuon.__path__:  # two in an editable installation: the sources, and what was built
        copied = Path(folder) / "_openjtalk"
        if any((copied / "pyopenjtalk" / f"openjtalk{suffix}").exists() for suffix in EXTENSION_SUFFIXES):
            return copied
    return None


def version() -> str:
    """Of the distribution pyopenjtalk-plus; "not installed" where there is none."""
    from importlib.metadata import distributions  # 2 MB, with the standard library's e-mail

    copied = bundle()
    found = distributions(name="pyopenjtalk-plus", path=sys.path if copied is None else [str(copied)])
    return next((distribution.version for distribution in found), "not installed")


class _Unexecuted(ModuleType):
    """A module whose code has not run yet; a name that it does not have makes it run."""

    def execute(self) -> None:
        """Run the code; the module is an ordinary one afterwards. What fails can be tried again."""
        with _LOCK:
            if not isinstance(self, _Unexecuted) or "executing" in self.__dict__:
                return
            self.__dict__["executing"] = True
            try:
                self.__spec__.loader.code.exec_module(self)  # type: ignore[union-attr]  # the loader is a _Later
                self.__class__ = ModuleType  # type: ignore[assignment]
            finally:
                del self.__dict__["executing"]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__all__":  # what Python itself looks for in modules
            raise AttributeError(name)
        self.execute()
        try:
            return self.__dict__[name]
        except KeyError:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}") from None


class _Readings(Mapping[str, str]):
    """`UNIHAN_READINGS` of a module that may not have run."""

    def __init__(self, module: _Unexecuted) -> None:
        self._module = module

    def _table(self) -> Mapping[str, str]:
        table: Mapping[str, str] = _executed(self._module).UNIHAN_READINGS
        return table

    def __getitem__(self, character: str) -> str:
        return self._table()[character]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table())

    def __len__(self) -> int:
        return len(self._table())


def _executed(module: _Unexecuted) -> ModuleType:
    if isinstance(module, _Unexecuted):  # it becomes an ordinary module
        module.execute()
    return module


def _predict(module: _Unexecuted) -> Callable[..., Any]:
    """`predict` of the module: what follows 何, in a list of one feature or None → 1 for ナン, 0 for ナニ."""

    @cache
    def forest() -> Forest | None:
        try:
            return Forest(Path(module.__file__ or "").parent)
        except (OSError, ValueError, KeyError):
            return None  # another model than the one we know

    def predict(following: Sequence[Mapping[str, Any] | None]) -> int:
        own = forest()
        if own is None or len(following) != 1:
            return int(_executed(module).predict(following))
        return own.predict(following[0]) if following[0] is not None else 0

    return predict


# Module → the names that the binding takes out of it at import, and what stands for each.
_LATER: dict[str, dict[str, Callable[[_Unexecuted], Any]]] = {
    "pyopenjtalk.yomi_model.nani_predict": {"predict": _predict},
    "pyopenjtalk._unihan_readings_map": {"UNIHAN_READINGS": _Readings},
    "pyopenjtalk.tsqyomi": {},
}


class _Finder(MetaPathFinder):
    """Finds Sokuon's copy of the binding, and the modules of `_LATER` where they are; nothing else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "pyopenjtalk" and (copied := bundle()):
            return PathFinder.find_spec(fullname, [str(copied)], target)
        spec = PathFinder.find_spec(fullname, path, target) if fullname in _LATER else None
        if spec is not None and spec.loader is not None:
            spec.loader = _Later(spec.loader)
        return spec


class _Later(Loader):
    """Leaves a module unexecuted; `code` is the loader that would execute it."""

    def __init__(self, code: Loader) -> None:
        self.code = code

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Unexecuted(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        for name, substitute in _LATER[module.__name__].items():
            setattr(module, name, substitute(module))  # type: ignore[arg-type]
