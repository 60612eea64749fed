"""How the networks of an engine are computed: threads, backend, and weights in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from sokuon.errors import OptionError
from sokuon.native import library as native

Backend = Literal["auto", "native", "onnx"]
Weights = Literal["int16", "float32"]


@dataclass(frozen=True)
class Runtime:
    """`backend` is auto (native where it runs, else ONNX Runtime), native or onnx.

    `weights` is how the native flow and decoder keep theirs: int16 codes with a scale per output, about 90 dB below the
    sound, or float32, exact to rounding and twice as large. Raises OptionError for other names.
    """

    threads: int
    backend: Backend = "auto"
    weights: Weights = "int16"

    def __post_init__(self) -> None:
        for field, names in (("backend", get_args(Backend)), ("weights", get_args(Weights))):
            if getattr(self, field) not in names:
                raise OptionError(f"{field} is {getattr(self, field)!r}; it must be {_listed(names)}.")

    def native(self) -> bool:
        """Whether networks run natively here. Raises OptionError where backend asks for what this machine lacks."""
        usable, reason = native.available()
        if self.backend == "native" and not usable:
            raise OptionError(f"the native kernels cannot run here ({reason}); use backend='onnx' or 'auto'.")
        return usable and self.backend != "onnx"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + f" or {names[-1]}"
