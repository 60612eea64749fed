// Products and convolutions over panels of weights (stack_kernels.h), whose codes are expanded and whose filters are
// transformed into a small panel just before they are used.
//
// Toom-Cook: 3 and 5 taps share the nodes 0, ±1, ±1/2, ±2, infinity and with them the input transform of F(6,3). The
// filter transform leaves out the factors 1 / prod (a_j - a_l), which are in the constants of the output transform.
#pragma once

#include "kernels/gemm.h"
#include "kernels/panel_codes.h"
#include "kernels/transform.h"

namespace sk::SK_ISA {

// ---- packing

template <class T>
SK_INLINE void pack_block(const Panels& p, const PlainWeights& plain, std::int64_t column, const float* inverse, T* to) {
    const std::int64_t width = block_width(column, p.padded_outputs), row = row_of(to, width);
    for (int tap = 0; tap < p.taps; ++tap)
        for (int i = 0; i < p.inputs; ++i, to += row) {
            const float* from = plain.weight + tap * plain.tap_stride + i * plain.input_stride + column;
            for (std::int64_t v = 0; v < width; v += W) {
                const std::int64_t left = p.outputs - column - v;
                vec x = left >= W ? load(from + v) : load_rest(from + v, left > 0 ? static_cast<int>(left) : 0);
                if constexpr (sizeof(T) == sizeof(float)) {
                    store(to + v, x);
                } else {
                    const vec rounding = splat(12582912.0f);  // 1.5 * 2^23: leaves the whole number in the lowest bits
                    const ints code = (ints)(x * load(inverse + v) + rounding) - (ints)rounding;
                    *reinterpret_cast<unaligned_shorts*>(to + v) = __builtin_convertvector(code, shorts);
                }
            }
        }
}

// scales[o] = max |w| / 32767 over a block's outputs, inverse[o] = 1 / scales[o], 0 where that would be no float.
SK_INLINE void block_scales(const Panels& p, const PlainWeights& plain, std::int64_t column, float* scales,
                            float* inverse) {
    const std::int64_t width = block_width(column, p.padded_outputs);
    for (std::int64_t v = 0; v < width; v += W) {
        const std::int64_t left = p.outputs - column - v;
        vec most{}, damage{};  // NaN where a weight is NaN or infinite
        for (int tap = 0; tap < p.taps; ++tap)
            for (int i = 0; i < p.inputs; ++i) {
                const float* from = plain.weight + tap * plain.tap_stride + i * plain.input_stride + column + v;
                const vec x = left >= W ? load(from) : load_rest(from, left > 0 ? static_cast<int>(left) : 0);
                most = larger(most, magnitude(x));
                damage += x * 0.0f;
            }
        for (int l = 0; l < W; ++l) {
            scales[v + l] = most[l] / 32767.0f + damage[l];
            inverse[v + l] = most[l] > 1e-30f ? 32767.0f / most[l] : 0.0f;
        }
    }
}

static void pack(const Panels& p, const PlainWeights& plain, float* values, std::int16_t* codes, float* scales) {
    for (std::int64_t column = 0; column < p.padded_outputs; column += block_width(column, p.padded_outputs)) {
        float inverse[block_vectors * W];
        if (!codes) {
            pack_block(p, plain, column, inverse, values + column * p.taps * p.inputs);
            continue;
        }
        block_scales(p, plain, column, scales + column, inverse);
        pack_block(p, plain, column, inverse, codes + (block_of(p, p.codes, column) - p.codes));
    }
}

// ---- direct

// The codes of one tap's inputs [first, first + depth) as floats [depth][width].
SK_INLINE void expand(const std::int16_t* codes, const float* scales, int depth, std::int64_t width, float* to) {
    for (int i = 0; i < depth; ++i, codes += panel_columns)
        for (std::int64_t v = 0; v < width; v += W, to += W) store(to, load(codes + v) * load(scales + v));
}

SK_INLINE void clip_negative(float* out, std::int64_t stride, std::int64_t rows, std::int64_t width) {
    for (std::int64_t t = 0; t < rows; ++t)
        for (std::int64_t v = 0; v < width; v += W) {
            const vec x = load(out + t * stride + v);
            store(out + t * stride + v, larger(x, vec{}));
        }
}

SK_INLINE Product panel_product(const Panels& p, const PanelCall& call) {
    Product product{};
    product.a = call.in;
    product.lda = call.in_stride;
    product.c = call.out + call.column;
    product.ldc = call.out_stride;
    product.rows = call.rows;
    product.columns = panel_width(p, call.column);
    product.bias = p.bias + call.column;
    return product;
}

SK_INLINE void product_of_values(const Panels& p, const PanelCall& call, const std::int64_t* offsets) {
    Product product = panel_product(p, call);
    product.offsets = offsets;
    product.segments = p.taps;
    product.depth = p.inputs;
    product.weights = p.values + call.column * p.taps * p.inputs;
    multiply<true>(product);
}

SK_INLINE void product_of_codes(const Panels& p, const PanelCall& call, const std::int64_t* offsets) {
    Product product = panel_product(p, call);
    product.segments = 1;
    product.weights = call.scratch;
    const std::int64_t row = panel_columns;
    for (int tap = 0; tap < p.taps; ++tap)
        for (int first = 0; first < p.inputs; first += product.depth) {
            const std::int64_t offset = offsets[tap] + first;
            product.offsets = &offset;
            product.depth = p.inputs - first < product_depth ? p.inputs - first : product_depth;
            each_block(p, call.column, [&](std::int64_t width, std::int64_t at) {
                const std::int16_t* codes = block_of(p, p.codes, call.column + at) + (tap * p.inputs + first) * row;
                expand(codes, p.scales + call.column + at, product.depth, width, call.scratch + at * product.depth);
            });
            multiply<true>(product);
            product.bias = zero_bias;
            product.accumulate = true;
        }
}

static void product(const Panels& p, const PanelCall& call) {
    std::int64_t offsets[16];
    for (int k = 0; k < p.taps; ++k) offsets[k] = (k - (p.taps - 1) / 2) * call.in_stride;
    if (p.codes)
        product_of_codes(p, call, offsets);
    else
        product_of_values(p, call, offsets);
    if (call.relu) clip_negative(call.out + call.column, call.out_stride, call.rows, panel_width(p, call.column));
}

// ---- Toom-Cook

static void toom_input(const Panels& p, const PanelCall& call, const ToomPlanes& planes, std::int64_t first,
                       std::int64_t last) {
    using T = OuterTransform<Outer::f63>;
    static_assert(T::points == toom_points);
    const int left = (p.taps - 1) / 2, outputs = toom_outputs(p.taps);
    for (std::int64_t tile = first; tile < last; ++tile) {
        const float* from = call.in + (tile * outputs - left) * call.in_stride;
        float* to = planes.data + tile * planes.row;
        for (std::int64_t k = 0; k < planes.row; k += W) {
            vec x[toom_points], v[toom_points];
            for (int j = 0; j < toom_points; ++j) x[j] = load(from + j * call.in_stride + k);
            T::input(x, v);
            for (int j = 0; j < toom_points; ++j) store(to + j * planes.plane + k, v[j]);
        }
    }
}

// u_j = sum_k a_j^k g_k for the nodes; 2^(R-1) times that for ±1/2; g_0 and g_(R-1) for 0 and infinity.
template <int R>
SK_INLINE void filter_points(const vec* g, vec* u) {
    vec one[2] = {g[0], g[1]};
    vec half[2] = {g[0] * float(1 << (R - 1)), g[1] * float(1 << (R - 2))};
    vec two[2] = {g[0], g[1] * 2.0f};
#pragma GCC unroll 8
    for (int k = 2; k < R; ++k) {
        one[k % 2] += g[k];
        half[k % 2] += g[k] * float(1 << (R - 1 - k));
        two[k % 2] += g[k] * float(1 << k);
    }
    u[0] = g[0];
    u[1] = one[0] + one[1];
    u[2] = one[0] - one[1];
    u[3] = half[0] + half[1];
    u[4] = half[0] - half[1];
    u[5] = two[0] + two[1];
    u[6] = two[0] - two[1];
    u[7] = g[R - 1];
}

// y_i = sum_j a_j^i v_j / prod_(l != j) (a_j - a_l): -1 for 0, -4.5 for ±1, 1.40625 for ±1/2, 90 for ±2, 1 for infinity.
template <int R>
SK_INLINE void output_points(const vec* v, vec* y) {
    constexpr int outputs = toom_outputs(R);
    const vec one[2] = {v[1] + v[2], v[1] - v[2]}, half[2] = {v[3] + v[4], v[3] - v[4]},
              two[2] = {v[5] + v[6], v[5] - v[6]};
#pragma GCC unroll 8
    for (int i = 0; i < outputs; ++i)
        y[i] = one[i % 2] * float(-1.0 / 4.5) + half[i % 2] * float(1.0 / (1.40625 * (1 << (R - 1 + i)))) +
               two[i % 2] * float((1 << i) / 90.0);
    y[0] -= v[0];
    y[outputs - 1] += v[7];
}

// Taps [tap][inputs][row] of a column block from some input on -> [depth][width], `point` apart for the points.
template <int R, class T>
SK_INLINE void transform_filters(const T* taps, int inputs, int depth, std::int64_t width, float* to,
                                 std::int64_t point) {
    const std::int64_t row = row_of(taps, width), tap = inputs * row;
    for (int i = 0; i < depth; ++i, taps += row, to += width)
        for (std::int64_t v = 0; v < width; v += W) {
            vec g[R], u[toom_points];
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) g[r] = load(taps + r * tap + v);
            filter_points<R>(g, u);
#pragma GCC unroll 8
            for (int j = 0; j < toom_points; ++j) store(to + j * point + v, u[j]);
        }
}

// Products [point][tile][width] -> rows of outputs.
template <int R>
SK_INLINE void toom_output(const Panels& p, const PanelCall& call, const float* products, std::int64_t tiles,
                           std::int64_t width) {
    constexpr int outputs = toom_outputs(R);
    const std::int64_t plane = tiles * width;
    for (std::int64_t v = 0; v < width; v += W) {
        const vec bias = load(p.bias + call.column + v);
        const vec scale = p.codes ? load(p.scales + call.column + v) : splat(1.0f);
        for (std::int64_t tile = 0; tile < tiles; ++tile) {
            vec m[toom_points], y[outputs];
            for (int j = 0; j < toom_points; ++j) m[j] = load(products + j * plane + tile * width + v);
            output_points<R>(m, y);
            float* to = call.out + tile * outputs * call.out_stride + call.column + v;
            const std::int64_t valid = call.rows - tile * outputs;
            for (int i = 0; i < outputs && i < valid; ++i) {
                const vec value = y[i] * scale + bias;
                store(to + i * call.out_stride, call.relu ? larger(value, vec{}) : value);
            }
        }
    }
}

template <int R, class T>
SK_INLINE void toom_panel(const Panels& p, const PanelCall& call, const ToomPlanes& planes, const T* weights) {
    const std::int64_t zero = 0, width = panel_width(p, call.column), tiles = ceil_div(call.rows, toom_outputs(R));
    Product product{};
    product.lda = planes.row;
    product.offsets = &zero;
    product.segments = 1;
    product.ldc = product.columns = width;
    product.rows = tiles;
    product.bias = zero_bias;
    const std::int64_t step = ceil_div(p.inputs, ceil_div(p.inputs, toom_depth));
    float* filters = call.scratch;
    float* products = filters + toom_points * step * width;
    for (std::int64_t first = 0; first < p.inputs; first += step) {
        product.depth = static_cast<int>(p.inputs - first < step ? p.inputs - first : step);
        product.accumulate = first > 0;
        each_block(p, call.column, [&](std::int64_t block, std::int64_t at) {
            const T* taps = block_of(p, weights, call.column + at) + first * row_of(weights, block);
            transform_filters<R>(taps, p.inputs, product.depth, block, filters + at * product.depth,
                                 product.depth * width);
        });
        for (int point = 0; point < toom_points; ++point) {
            product.a = planes.data + point * planes.plane + first;
            product.weights = filters + point * product.depth * width;
            product.c = products + point * tiles * width;
            multiply<true>(product);
        }
    }
    toom_output<R>(p, call, products, tiles, width);
}

template <int R>
void toom_panel_of(const Panels& p, const PanelCall& call, const ToomPlanes& planes) {
    if (p.codes)
        toom_panel<R>(p, call, planes, p.codes);
    else
        toom_panel<R>(p, call, planes, p.values);
}

static void toom_panel(const Panels& p, const PanelCall& call, const ToomPlanes& planes) {
    if (p.taps == 3)
        toom_panel_of<3>(p, call, planes);
    else
        toom_panel_of<5>(p, call, planes);
}

}  // namespace sk::SK_ISA
