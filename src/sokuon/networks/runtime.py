"""How the networks of an engine are computed: threads, backend, and weights in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

from sokuon.errors import OptionError
from sokuon.native import library as native
from sokuon.native.library import NativeError, Storage

Backend = Literal["auto", "native", "onnx"]
N = TypeVar("N")  # a native network
G = TypeVar("G")  # the same as a graph


@dataclass(frozen=True)
class Runtime:
    """`backend` is auto (native where it runs, else ONNX Runtime), native or onnx.

    `weights` is how the native flow and decoder keep theirs: q16, 16-bit codes with a scale per output, about 90 dB
    below the sound, or fp32, exact to rounding and twice as large. Raises OptionError for other names.
    """

    threads: int
    backend: Backend = "auto"
    weights: Storage = "q16"

    def __post_init__(self) -> None:
        for field, names in (("backend", get_args(Backend)), ("weights", ("q16", "fp32"))):
            if getattr(self, field) not in names:
                raise OptionError(f"{field} is {getattr(self, field)!r}; it must be {_listed(names)}.")

    def native(self) -> bool:
        """Whether networks run natively here. Raises OptionError where backend asks for what this machine lacks."""
        usable, reason = native.available()
        if self.backend == "native" and not usable:
            raise OptionError(f"the native kernels cannot run here ({reason}); use backend='onnx' or 'auto'.")
        return usable and self.backend != "onnx"

    def choose(self, network: str, native: Callable[[], N], graph: Callable[[], G]) -> N | G:
        """`network` as `native` makes it where library and network allow it, else as `graph` does.

        Raises OptionError where backend asks for what cannot be.
        """
        if self.native():
            try:
                return native()
            except NativeError as problem:
                if self.backend == "native":
                    raise OptionError(
                        f"{network} cannot run natively ({problem}); use backend='auto' or 'onnx'."
                    ) from problem
        return graph()


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + f" or {names[-1]}"
