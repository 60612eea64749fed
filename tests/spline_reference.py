"""The monotone rational-quadratic spline with linear tails in float64 (spec model-synthesizer section 5.3)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


def knots_of(raw: F64) -> F64:
    """[10] → [11] knots from -5 to 5 (spec section 5.3)."""
    share = np.exp(raw - raw.max())
    bins = 1e-3 + (1 - 1e-3 * 10) * share / share.sum()
    knots = np.concatenate([[-5.0], -5.0 + 10.0 * np.cumsum(bins)])
    knots[-1] = 5.0
    return knots


def slopes_of(raw: F64) -> F64:
    """[9] → [11] slopes; the outer ones are 1."""
    return np.concatenate([[1.0], 1e-3 + np.logaddexp(0, raw), [1.0]])


def inverse(y: float, widths: F64, heights: F64, slopes: F64) -> float:
    """One step of spec model-synthesizer section 5.3, as written there."""
    if y < -5.0 or y > 5.0:
        return y
    cw, ch, d = knots_of(widths), knots_of(heights), slopes_of(slopes)
    reached = ch.copy()
    reached[-1] += 1e-6
    k = int((y >= reached).sum()) - 1
    w_k, h_k = cw[k + 1] - cw[k], ch[k + 1] - ch[k]
    s, d0, d1, t = h_k / w_k, d[k], d[k + 1], y - ch[k]
    e = d0 + d1 - 2 * s
    a, b, c = t * e + h_k * (s - d0), h_k * d0 - t * e, -s * t
    root = 2 * c / (-b - np.sqrt(b * b - 4 * a * c))
    return float(root * w_k + cw[k])


def forward(x: float, widths: F64, heights: F64, slopes: F64) -> float:
    """The spline itself (Durkan et al. 2019, equation 4): what the inverse must undo."""
    cw, ch, d = knots_of(widths), knots_of(heights), slopes_of(slopes)
    k = min(int((x >= cw).sum()) - 1, 9)
    w_k, h_k = cw[k + 1] - cw[k], ch[k + 1] - ch[k]
    s, z = h_k / w_k, (x - cw[k]) / w_k
    above = h_k * (s * z * z + d[k] * z * (1 - z))
    return float(ch[k] + above / (s + (d[k + 1] + d[k] - 2 * s) * z * (1 - z)))
