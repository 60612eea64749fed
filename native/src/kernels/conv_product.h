// A convolution's products as the product kernel takes them, and the weights that are transformed or expanded from
// codes at use: panels, one column block and one outer point at a time, written just before their rows run.
#pragma once

#include "kernels/kernels.h"
#include "kernels/gemm.h"
#include "kernels/transform.h"

namespace sk::SK_ISA {

// Product `index` of a convolution, its rows still to be given.
SK_INLINE Product conv_product(const Conv& conv, std::int64_t index) {
    Product p{};
    p.segments = conv.segments;
    p.depth = conv.inputs;
    p.columns = conv.padded_outputs;
    if (conv.weights.products)
        p.weights = conv.weights.products + index * conv.segments * conv.inputs * conv.padded_outputs;
    return p;
}

SK_INLINE vec load_weight(const float* p) { return load(p); }
SK_INLINE vec load_weight(const std::int16_t* p) { return load_codes(p); }

// Distance of the taps in a column block of NV vectors.
template <class T, int NV>
constexpr int tap_row = sizeof(T) == sizeof(float) ? NV * W : panel_columns;

// The column block from `column` on, and what is to be fetched while it is computed: as many bytes again.
SK_INLINE const float* filter_block(const Conv& conv, const float* filter, int column) {
    return filter + std::int64_t{column} * conv.inputs * conv.taps;
}
SK_INLINE const float* filter_ahead(const Conv& conv, const float* filter, int column, int width) {
    return filter_block(conv, filter, column + width);
}
SK_INLINE const std::int16_t* filter_block(const Conv& conv, const std::int16_t* codes, int column) {
    const int within = column % panel_columns;
    return codes + std::int64_t{column - within} * conv.inputs * conv.taps + within;
}
SK_INLINE const std::int16_t* filter_ahead(const Conv& conv, const std::int16_t* codes, int column, int) {
    return codes + std::int64_t{column + panel_columns} * conv.inputs * conv.taps;
}

SK_INLINE const float* scales_of(const Conv& conv, int tap) {
    return conv.weights.scales + tap * round_up(conv.padded_outputs, panel_columns);
}

// Filter taps w [input][tap][tap_row] -> panels [inner point][input][NV * W] of one outer point.
template <class T, Inner I, int Taps, int NV>
SK_INLINE void transform_taps(const T* w, const vec (&factors)[Taps][NV], int depth, float* panels) {
    constexpr int group_taps = I == Inner::none ? Taps : 4, groups = (Taps + group_taps - 1) / group_taps;
    constexpr int points = inner_scheme(I).points;
    constexpr int row = tap_row<T, NV>;
    for (int i = 0; i < depth; ++i, w += Taps * row, panels += NV * W) {
        for (int v = 0; v < NV; ++v) {
            vec group[groups], u[points];
            for (int tap = 0; tap < Taps; ++tap) {
                const vec x = load_weight(w + tap * row + v * W) * factors[tap][v];
                group[tap / group_taps] = tap % group_taps ? group[tap / group_taps] + x : x;
            }
            InnerTransform<I>::filter(group, u);
            for (int q = 0; q < points; ++q) store(panels + std::int64_t{q} * depth * NV * W + v * W, u[q]);
        }
    }
}

// The panels of the column block from `column` on.
template <Outer O, Inner I, class T, int Taps, int NV>
void make_panels(const Conv& conv, const T* filter, int point, int column, float* panels) {
    constexpr Scheme outer = outer_scheme(O);
    vec factors[Taps][NV];
    for (int tap = 0; tap < Taps; ++tap)
        for (int v = 0; v < NV; ++v) {
            factors[tap][v] = splat(static_cast<float>(filter_factor(outer, point, tap % outer.taps)));
            if (conv.weights.scales)
                factors[tap][v] *= load(scales_of(conv, tap) + column + v * W);
        }
    transform_taps<T, I, Taps, NV>(filter, factors, conv.inputs, panels);
}

template <Outer O, Inner I, class T, int NV>
SK_INLINE void make_panels_for(const Conv& conv, const T* filter, int point, int column, float* panels) {
    constexpr int groups = inner_scheme(I).taps;
    if constexpr (groups == 1)
        make_panels<O, I, T, outer_scheme(O).taps, NV>(conv, filter, point, column, panels);
    else if (conv.taps == 4 * groups - 1)
        make_panels<O, I, T, 4 * groups - 1, NV>(conv, filter, point, column, panels);
    else
        make_panels<O, I, T, 4 * groups - 3, NV>(conv, filter, point, column, panels);
}

// The products of one outer point by weights that are transformed at use: inner point q reads p.a + q * step and
// writes p.c + q * step.
template <Outer O, Inner I, class T, int NV>
SK_INLINE void filtered_block(const Conv& conv, Product p, const T* filter, std::int64_t step, int point, int column,
                              float* panels) {
    constexpr int points = inner_scheme(I).points;
    make_panels_for<O, I, T, NV>(conv, filter_block(conv, filter, column), point, column, panels);
    const int row_bytes = conv.taps * NV * W * static_cast<int>(sizeof(T)) / points;
    const char* next = reinterpret_cast<const char*>(filter_ahead(conv, filter, column, NV * W));
    for (int q = 0; q < points; ++q) {
        column_block<NV, false, 0>(p, column, panels, next, row_bytes);
        p.a += step;
        p.c += step;
        panels += std::int64_t{conv.inputs} * NV * W;
        next += std::int64_t{conv.inputs} * row_bytes;
    }
}

template <Outer O, Inner I, class T>
void filtered_products(const Conv& conv, const Product& p, const T* filter, std::int64_t step, int point,
                       float* panels) {
    constexpr int wide = block_vectors * W;
    int column = 0;
    for (; column + wide <= conv.padded_outputs; column += wide)
        filtered_block<O, I, T, block_vectors>(conv, p, filter, step, point, column, panels);
    if (column < conv.padded_outputs) filtered_block<O, I, T, 1>(conv, p, filter, step, point, column, panels);
}

// panel [tap][input][NV * W] = codes * scales, for a direct convolution.
template <int NV>
SK_INLINE void expand(const Conv& conv, int column, float* panel) {
    const std::int16_t* block = filter_block(conv, conv.weights.codes, column);
    for (int tap = 0; tap < conv.taps; ++tap)
        for (int i = 0; i < conv.inputs; ++i, panel += NV * W)
            for (int v = 0; v < NV; ++v) {
                const std::int16_t* codes = block + (std::int64_t{i} * conv.taps + tap) * panel_columns;
                store(panel + v * W, load_codes(codes + v * W) * load(scales_of(conv, tap) + column + v * W));
            }
}

template <int NV>
SK_INLINE void expanded_block(const Conv& conv, const Product& p, int column, float* panel) {
    expand<NV>(conv, column, panel);
    column_block<NV, true, 0>(p, column, panel, filter_ahead(conv, conv.weights.codes, column, NV * W), NV * W * 2);
}

// The product of a direct convolution by codes.
SK_INLINE void expanded_product(const Conv& conv, const Product& p, float* panel) {
    constexpr int wide = block_vectors * W;
    int column = 0;
    for (; column + wide <= conv.padded_outputs; column += wide) expanded_block<block_vectors>(conv, p, column, panel);
    if (column < conv.padded_outputs) expanded_block<1>(conv, p, column, panel);
}

}  // namespace sk::SK_ISA
