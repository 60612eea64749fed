// Convolution by nested Toom-Cook schemes (toom_cook.h), residue class by residue class of the dilation.
//
//   in [t][cin] --B1^T--> V [points][class, tile_in][c] --(per point) B2^T--> V2 [q][class, super][cin]
//      --products--> M2 [q][class, super][cout] --A2^T--> V (in place) --A1^T, bias, residual--> out [t][cout]
//
// Without an inner scheme the product reads the groups of V directly (offset = tile) and writes M [points][…][cout];
// with a single group a point's products take the place of the plane before, which has been read.
#pragma once

#include "kernels/conv_product.h"
#include "kernels/transform.h"

namespace sk::SK_ISA {

// One input tile: points of `d` time steps apart from t on. Rows outside the signal read as zero.
template <class T>
SK_INLINE void input_tile(const Conv& conv, const ConvCall& call, std::int64_t t, std::int64_t plane, float* to) {
    const vec slope = splat(call.slope);
    const std::int64_t d = conv.dilation;
    const Signal& in = call.in;
    const bool inside = in.has(t) && in.has(t + (T::points - 1) * d);
    const float* first = inside ? in.row(t) : nullptr;
    const std::int64_t step = d * in.stride;
    for (int k = 0; k < conv.inputs; k += W) {
        vec x[T::points], v[T::points];
        if (inside) {
            for (int j = 0; j < T::points; ++j) x[j] = leaky(load(first + j * step + k), slope);
        } else {
            for (int j = 0; j < T::points; ++j)
                x[j] = in.has(t + j * d) ? leaky(load(in.row(t + j * d) + k), slope) : vec{};
        }
        T::input(x, v);
        for (int p = 0; p < T::points; ++p) store(to + p * plane + k, v[p]);
    }
}

// V[p][class, tile] = B1^T leaky(in): position of tile i, point j of class c is lo + c + d (m i + j) - pad.
template <Outer O>
void outer_input(const Conv& conv, const ConvCall& call, const Tiling& tl, float* planes) {
    using T = OuterTransform<O>;
    for (std::int64_t c = 0; c < conv.dilation; ++c)
        for (std::int64_t i = 0; i < tl.tiles_in; ++i)
            input_tile<T>(conv, call, call.lo + c + conv.dilation * T::outputs * i - conv.pad, tl.plane,
                          planes + (c * tl.tiles_in + i) * tl.row);
}

// One output tile: rows `d` time steps apart from t on, the first `valid` of them.
template <class T, bool Residual, bool Accumulate>
SK_INLINE void output_tile(const Conv& conv, const ConvCall& call, std::int64_t t, std::int64_t valid, const vec* y,
                           int k) {
    const std::int64_t d = conv.dilation, step = d * call.out.stride;
    float* to = call.out.row(t) + k;
    const float* residual = Residual ? call.residual->row(t) + k : nullptr;
    const std::int64_t residual_step = Residual ? d * call.residual->stride : 0;
    const vec bias = load(conv.bias + k);
    for (int j = 0; j < T::outputs; ++j) {
        if (j >= valid) return;
        vec value = y[j] + bias;
        if constexpr (Residual) value += load(residual + j * residual_step);
        if constexpr (Accumulate) value += load(to + j * step);
        store(to + j * step, value);
    }
}

// out = [out +] [residual +] bias + A1^T planes, cut off at hi.
template <Outer O, bool Residual, bool Accumulate>
void outer_output(const Conv& conv, const ConvCall& call, const Tiling& tl, const float* planes) {
    using T = OuterTransform<O>;
    const std::int64_t d = conv.dilation;
    for (std::int64_t c = 0; c < d; ++c) {
        for (std::int64_t i = 0; i < tl.tiles; ++i) {
            const std::int64_t t = call.lo + c + d * T::outputs * i;
            if (t >= call.hi) break;
            const bool whole = t + (T::outputs - 1) * d < call.hi;
            const float* from = planes + (c * tl.tiles_in + i) * tl.row;
            for (int k = 0; k < conv.padded_outputs; k += W) {
                vec v[T::points], y[T::outputs];
                for (int p = 0; p < T::points; ++p) v[p] = load(from + p * tl.plane + k);
                T::output(v, y);
                if (whole)
                    output_tile<T, Residual, Accumulate>(conv, call, t, T::outputs, y, k);
                else
                    output_tile<T, Residual, Accumulate>(conv, call, t, (call.hi - t + d - 1) / d, y, k);
            }
        }
    }
}

// V2[q][class, I] = sum_j B2^T[q][j] V[class, m2 I + j] for one outer point.
template <Inner I>
void inner_input(const Conv& conv, const Tiling& tl, const float* plane, float* wide) {
    using T = InnerTransform<I>;
    for (std::int64_t c = 0; c < conv.dilation; ++c) {
        for (std::int64_t s = 0; s < tl.super; ++s) {
            const float* from = plane + (c * tl.tiles_in + T::outputs * s) * tl.row;
            float* to = wide + (c * tl.super + s) * tl.row;
            for (int k = 0; k < conv.inputs; k += W) {
                vec d[T::points], v[T::points];
                for (int j = 0; j < T::points; ++j) d[j] = load(from + j * tl.row + k);
                T::input(d, v);
                for (int q = 0; q < T::points; ++q) store(to + q * tl.wide + k, v[q]);
            }
        }
    }
}

// V[class, m2 I + j] = sum_q A2^T[j][q] M2[q][class, I] for one outer point.
template <Inner I>
void inner_output(const Conv& conv, const Tiling& tl, const float* wide, float* plane) {
    using T = InnerTransform<I>;
    for (std::int64_t c = 0; c < conv.dilation; ++c) {
        for (std::int64_t s = 0; s < tl.super; ++s) {
            const float* from = wide + (c * tl.super + s) * tl.row;
            float* to = plane + (c * tl.tiles_in + T::outputs * s) * tl.row;
            for (int k = 0; k < conv.padded_outputs; k += W) {
                vec v[T::points], y[T::outputs];
                for (int q = 0; q < T::points; ++q) v[q] = load(from + q * tl.wide + k);
                T::output(v, y);
                for (int j = 0; j < T::outputs; ++j) store(to + j * tl.row + k, y[j]);
            }
        }
    }
}

// All products of one outer point: inner point q reads p.a + q * step and writes p.c + q * step.
template <Outer O, Inner I>
SK_INLINE void point_products(const Conv& conv, Product p, std::int64_t step, int point, float* panels) {
    constexpr int points = inner_scheme(I).points;
    // The schemes of form_of in pack.cpp.
    if constexpr (I == Inner::f32 || I == Inner::f62 || I == Inner::f43 || I == Inner::f63 || O == Outer::f63 ||
                  O == Outer::f87) {
        if (conv.weights.codes)
            return filtered_products<O, I>(conv, p, conv.weights.codes, step, point, panels);
        if (conv.weights.filter)
            return filtered_products<O, I>(conv, p, conv.weights.filter, step, point, panels);
    }
    p.weights = conv_product(conv, std::int64_t{point} * points).weights;
    for (int q = 0; q < points; ++q) {
        multiply<false>(p);
        p.a += step;
        p.c += step;
        p.weights += std::int64_t{conv.segments} * conv.inputs * conv.padded_outputs;
    }
}

SK_INLINE Product planes_product(const Conv& conv, const Tiling& tl, const std::int64_t* offsets, std::int64_t rows) {
    Product p = conv_product(conv, 0);
    p.lda = p.ldc = tl.row;
    p.offsets = offsets;
    p.rows = rows;
    return p;
}

// All points without an inner scheme: M[p] = sum_g V[p][tile + g] U[p][g]. Rows run over the classes' tiles in one go;
// the few rows between two classes are computed and ignored.
template <Outer O>
void flat_points(const Conv& conv, const Tiling& tl, const float* planes, float* products, float* panels) {
    std::int64_t offsets[32];
    for (int g = 0; g < conv.groups; ++g) offsets[g] = g * tl.row;
    Product p = planes_product(conv, tl, offsets, conv.dilation * tl.tiles_in - (conv.groups - 1));
    for (int point = 0; point < OuterTransform<O>::points; ++point) {
        p.a = planes + point * tl.plane;
        p.c = products + point * tl.plane;
        point_products<O, Inner::none>(conv, p, 0, point, panels);
    }
}

// All points with an inner scheme; the result takes the place of the input planes.
template <Outer O, Inner I>
void nested_points(const Conv& conv, const Tiling& tl, float* planes, float* wide, float* panels) {
    const std::int64_t zero = 0;
    Product p = planes_product(conv, tl, &zero, conv.dilation * tl.super);
    p.a = wide;
    p.c = wide + InnerTransform<I>::points * tl.wide;
    for (int point = 0; point < OuterTransform<O>::points; ++point) {
        inner_input<I>(conv, tl, planes + point * tl.plane, wide);
        point_products<O, I>(conv, p, tl.wide, point, panels);
        inner_output<I>(conv, tl, p.c, planes + point * tl.plane);
    }
}

template <Outer O>
void outer_store(const Conv& conv, const ConvCall& call, const Tiling& tl, const float* planes) {
    if (call.accumulate)
        outer_output<O, true, true>(conv, call, tl, planes);
    else if (call.residual)
        outer_output<O, true, false>(conv, call, tl, planes);
    else
        outer_output<O, false, false>(conv, call, tl, planes);
}

template <Outer O, Inner I>
void toom_cook(const Conv& conv, const ConvCall& call) {
    const Tiling tl = tiling(conv, call.hi - call.lo, W);
    float* planes = call.scratch + panel_floats(conv, W);
    float* rest = planes + OuterTransform<O>::points * tl.plane;
    if (I == Inner::none && conv.groups == 1) rest = planes, planes += tl.plane;
    outer_input<O>(conv, call, tl, planes);
    if constexpr (I == Inner::none) {
        flat_points<O>(conv, tl, planes, rest, call.scratch);
        outer_store<O>(conv, call, tl, rest);
    } else {
        nested_points<O, I>(conv, tl, planes, rest, call.scratch);
        outer_store<O>(conv, call, tl, planes);
    }
}

}  // namespace sk::SK_ISA
