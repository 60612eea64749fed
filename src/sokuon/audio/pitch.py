"""Pitch and intonation by the WORLD vocoder (extra `sokuon[pitch]`).

Source: spec runtime-behaviour section 6; WORLD, Morise et al. 2016.
"""

from __future__ import annotations

import numpy as np

from sokuon.errors import MissingExtraError
from sokuon.storage.tensors import F32


def reshape_pitch(samples: F32, sample_rate: int, pitch: float, intonation: float) -> F32:
    """f0' = pitch · mean + intonation · (f0 - mean) over voiced frames; samples [N] → [N], never beyond full scale.

    Sound without a voiced frame is returned as it is. Raises MissingExtraError without pyworld.
    """
    try:
        import pyworld
    except ImportError as error:
        raise MissingExtraError(
            "pitch and intonation need pyworld; install it with `pip install 'sokuon[pitch]'`."
        ) from error
    sound = samples.astype(np.float64)
    f0, times = pyworld.harvest(sound, sample_rate)
    voiced = f0 > 0
    if not voiced.any():
        return samples
    spectrum = pyworld.cheaptrick(sound, f0, times, sample_rate)
    aperiodicity = pyworld.d4c(sound, f0, times, sample_rate)
    mean = f0[voiced].mean()
    f0[voiced] = np.maximum(pitch * mean + intonation * (f0[voiced] - mean), 1.0)
    changed = pyworld.synthesize(f0, spectrum, aperiodicity, sample_rate)[: len(samples)]  # up to 5 ms longer
    return np.asarray(changed / max(1.0, np.abs(changed).max()), np.float32)
