"""Both duration predictors: the deterministic one and the stochastic one in sampling direction.

Source: spec model-synthesizer sections 4 and 5; neural spline flows, Durkan et al. 2019.
"""

from __future__ import annotations

import numpy as np

from sokuon.convert.graph import Graph, Value
from sokuon.convert.layers import Scope, columns, conv, depthwise_conv, gelu, layer_norm, linear

BINS = 10
TAIL = 5.0  # the spline acts on [-5, 5]; outside it is the identity
SMALLEST = 1e-3  # smallest bin width, bin height and slope
DDS_LAYERS = 3
SDP_KERNEL = 3
COUPLINGS = (7, 5, 3)  # sampling walks the list backwards and leaves out flows.1


def duration_predictor(s: Scope, hidden: Value, speaker: Value, c: int, g_width: int) -> Value:
    """`dp`: hidden [T, C] → log frames [T]."""
    g = s.graph
    filters, kernel = s.conv_shape("conv_1", c)
    x = g.op("Add", hidden, linear(s.at("cond"), speaker, g_width, c))
    for n, c_in in ((1, c), (2, filters)):
        x = layer_norm(s.at(f"norm_{n}"), g.op("Relu", conv(s.at(f"conv_{n}"), x, c_in, filters, kernel)), filters)
    return _flat(g, linear(s.at("proj"), x, filters, 1))


def stochastic_duration_predictor(s: Scope, hidden: Value, speaker: Value, c: int, g_width: int) -> Value:
    """`sdp`: hidden [T, C] and the graph's duration_noise [2, T] → log frames [T]."""
    g = s.graph
    x = g.op("Add", linear(s.at("pre"), hidden, c, c), linear(s.at("cond"), speaker, g_width, c))
    condition = linear(s.at("proj"), _dds_conv(s.at("convs"), x, c), c, c)  # [T, C]
    rows = g.ops("Split", g.input("duration_noise"), outputs=2, axis=0)
    column = g.const(np.array([-1, 1]))
    z0, z1 = (g.op("Reshape", row, column) for row in rows)  # [T, 1] each
    for index in COUPLINGS:
        z0, z1 = z1, z0
        z1 = _conv_flow_inverse(s.at(f"flows.{index}"), z0, z1, condition, c)
    z0 = z1  # the last flip
    affine = s.at("flows.0")  # only its first row is heard
    shift = affine.weight("shift", lambda: affine.take("m", (2, 1))[0])
    # In float64: NumPy's float32 exp has last bits of its own on every instruction set.
    scale = affine.weight("scale", lambda: np.exp(-affine.take("logs", (2, 1))[0].astype(np.float64)))
    return _flat(g, g.op("Mul", g.op("Sub", z0, shift), scale))


def _dds_conv(s: Scope, x: Value, c: int) -> Value:
    """Dilated depth-separable convolutions, dilations 1, 3, 9, residual."""
    g = s.graph
    for i in range(DDS_LAYERS):
        y = depthwise_conv(s.at(f"convs_sep.{i}"), x, c, SDP_KERNEL, SDP_KERNEL**i)
        y = gelu(g, layer_norm(s.at(f"norms_1.{i}"), y, c))
        y = linear(s.at(f"convs_1x1.{i}"), y, c, c)
        x = g.op("Add", x, gelu(g, layer_norm(s.at(f"norms_2.{i}"), y, c)))
    return x


def _conv_flow_inverse(s: Scope, x0: Value, x1: Value, condition: Value, c: int) -> Value:
    """x0 [T, 1] parameterises the spline that maps x1 [T, 1]."""
    g = s.graph
    u = _dds_conv(s.at("convs"), g.op("Add", linear(s.at("pre"), x0, 1, c), condition), c)
    theta = linear(s.at("proj"), u, c, 3 * BINS - 1)  # [T, 29]
    scale = g.const(np.float32(1.0 / np.sqrt(c)))
    widths = g.op("Mul", columns(g, theta, 0, BINS), scale)
    heights = g.op("Mul", columns(g, theta, BINS, 2 * BINS), scale)
    return spline_inverse(g, x1, widths, heights, columns(g, theta, 2 * BINS, 3 * BINS - 1))


def spline_inverse(g: Graph, y: Value, widths: Value, heights: Value, slopes: Value) -> Value:
    """Inverse of the monotone rational-quadratic spline with linear tails, per row.

    y [T, 1]; raw widths and heights [T, 10], raw inner slopes [T, 9] → [T, 1] (spec section 5.3).
    """
    knots_x, knots_y = _knots(g, widths), _knots(g, heights)  # [T, 11]
    slope = _slopes(g, slopes)  # [T, 11]
    bin_ = _find_bin(g, y, knots_y)  # [T, 1]
    x_k, y_k, d0 = (_pick(g, v, bin_, 0) for v in (knots_x, knots_y, slope))
    x_next, y_next, d1 = (_pick(g, v, bin_, 1) for v in (knots_x, knots_y, slope))
    width, height = g.op("Sub", x_next, x_k), g.op("Sub", y_next, y_k)
    root = _quadratic_root(g, g.op("Sub", y, y_k), height, g.op("Div", height, width), (d0, d1))
    inside = g.op("LessOrEqual", g.op("Abs", y), g.const(np.float32(TAIL)))
    return g.op("Where", inside, g.op("Add", g.op("Mul", root, width), x_k), y)


def _quadratic_root(g: Graph, t: Value, height: Value, s: Value, ends: tuple[Value, Value]) -> Value:
    """r = 2c / (-b - sqrt(b² - 4ac)) with a = t·e + H(s - d0), b = H·d0 - t·e, c = -s·t, e = d0 + d1 - 2s."""
    d0, d1 = ends
    e = g.op("Sub", g.op("Add", d0, d1), g.op("Add", s, s))
    te = g.op("Mul", t, e)
    a = g.op("Add", te, g.op("Mul", height, g.op("Sub", s, d0)))
    b = g.op("Sub", g.op("Mul", height, d0), te)
    st = g.op("Mul", s, t)
    four_ac = g.op("Mul", g.op("Mul", a, st), g.const(np.float32(-4.0)))
    discriminant = g.op(
        "Max", g.op("Sub", g.op("Mul", b, b), four_ac), g.const(np.float32(0.0))
    )  # ≥ 0 but for rounding
    return g.op("Div", g.op("Add", st, st), g.op("Add", b, g.op("Sqrt", discriminant)))


def _knots(g: Graph, raw: Value) -> Value:
    """Bin edges [T, 11] from -5 to 5, both ends exact."""
    share = g.op("Softmax", raw, axis=-1)
    bins = _scaled(g, share, 2 * TAIL * (1 - SMALLEST * BINS), 2 * TAIL * SMALLEST)
    inner = g.op("CumSum", columns(g, bins, 0, BINS - 1), g.const(np.array(1)))
    return _between(g, g.op("Sub", inner, g.const(np.float32(TAIL))), -TAIL, TAIL)


def _slopes(g: Graph, raw: Value) -> Value:
    """Knot slopes [T, 11]; the outermost are 1."""
    return _between(g, g.op("Add", g.op("Softplus", raw), g.const(np.float32(SMALLEST))), 1.0, 1.0)


def _between(g: Graph, inner: Value, first: float, last: float) -> Value:
    """[T, 9] → [T, 11] with a constant column on either side."""
    padded = g.op("Pad", inner, g.const(np.array([0, 1, 0, 0])), g.const(np.float32(first)))
    return g.op("Pad", padded, g.const(np.array([0, 0, 0, 1])), g.const(np.float32(last)))


def _find_bin(g: Graph, y: Value, knots: Value) -> Value:
    """Index [T, 1] of the bin that holds y, clipped to 0…9."""
    reached = g.op("Cast", g.op("GreaterOrEqual", y, columns(g, knots, 1, BINS)), to=7)
    return g.op("ReduceSum", reached, g.const(np.array([1])), keepdims=1)


def _pick(g: Graph, table: Value, index: Value, offset: int) -> Value:
    """table[t, index[t] + offset] → [T, 1]."""
    return g.op("GatherElements", columns(g, table, offset, offset + BINS), index, axis=1)


def _scaled(g: Graph, x: Value, factor: float, shift: float) -> Value:
    return g.op("Add", g.op("Mul", x, g.const(np.float32(factor))), g.const(np.float32(shift)))


def _flat(g: Graph, x: Value) -> Value:
    """[T, 1] → [T]."""
    return g.op("Squeeze", x, g.const(np.array([1])))
