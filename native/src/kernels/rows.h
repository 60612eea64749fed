// What networks do with single rows of floats, and matrices laid out as the second operand of a product (gemm.h).
#pragma once

#include <cmath>
#include <cstring>

#include "kernels/kernels.h"
#include "kernels/gemm.h"
#include "kernels/math.h"

namespace sk::SK_ISA {

// sum of f(vector) over the whole vectors of a row, plus f's value of the rest, filled up with zeros by `load_rest`.
SK_INLINE vec load_rest(const float* x, int count) {
    vec v{};
    for (int i = 0; i < count; ++i) v[i] = x[i];
    return v;
}

// out = gain (y - mean(y)) / sqrt(variance(y) + epsilon) + bias with y = x + add (add may be null); n floats, any number.
// `out` may be `x` or `add`.
SK_INLINE void layer_norm(const float* x, const float* add, const float* gain, const float* bias, int n, float epsilon,
                          float* out) {
    const int whole = n / W * W;
    vec total{};
    for (int k = 0; k < whole; k += W) {
        const vec y = add ? load(x + k) + load(add + k) : load(x + k);
        store(out + k, y);
        total += y;
    }
    for (int k = whole; k < n; ++k) out[k] = x[k] + (add ? add[k] : 0.0f);
    total += load_rest(out + whole, n - whole);
    const float mean = sum(total) / static_cast<float>(n);
    vec squares{};
    for (int k = 0; k < whole; k += W) {
        const vec y = load(out + k) - mean;
        squares += y * y;
    }
    float variance = sum(squares);
    for (int k = whole; k < n; ++k) variance += (out[k] - mean) * (out[k] - mean);
    const float scale = 1.0f / std::sqrt(variance / static_cast<float>(n) + epsilon);
    for (int k = 0; k < whole; k += W) store(out + k, (load(out + k) - mean) * scale * load(gain + k) + load(bias + k));
    for (int k = whole; k < n; ++k) out[k] = (out[k] - mean) * scale * gain[k] + bias[k];
}

// Shares of a softmax below this are 0: far below the rounding of any sum, and products with denormals are slow.
constexpr float negligible = 1e-30f;

// In place over n >= 1 floats; the row has room up to the vector width, and what lies there becomes 0.
SK_INLINE void softmax(float* row, std::int64_t n) {
    const std::int64_t padded = round_up(n, W);
    for (std::int64_t k = n; k < padded; ++k) row[k] = -INFINITY;
    vec peak = load(row);
    for (std::int64_t k = W; k < padded; k += W) peak = larger(peak, load(row + k));
    const float most = maximum(peak);
    vec total{};
    for (std::int64_t k = 0; k < padded; k += W) {
        const vec e = exp(load(row + k) - most);
        store(row + k, e < negligible ? vec{} : e);  // NaN stays
        total += e;
    }
    const float scale = 1.0f / sum(total);
    for (std::int64_t k = 0; k < padded; k += W) store(row + k, load(row + k) * scale);
    for (std::int64_t k = n; k < padded; ++k) row[k] = 0.0f;
}

// How the columns of a product's second operand are cut: blocks of two vectors, the last one of one if that is enough.
constexpr std::int64_t operand_block = std::int64_t{block_vectors} * W;
SK_INLINE std::int64_t block_width(std::int64_t column, std::int64_t columns) {
    return column + operand_block <= columns ? operand_block : W;
}

// W rows from `rows` on, [W][depth], into columns: to[k * step + r] for k < depth; rows from `valid` on are zero.
SK_INLINE void transposed_stripe(const float* rows, std::int64_t stride, std::int64_t valid, int depth, float* to,
                                 std::int64_t step) {
    int k = 0;
    for (; k + W <= depth; k += W) {
        vec square[W];
#pragma GCC unroll 16
        for (int r = 0; r < W; ++r) square[r] = r < valid ? load(rows + r * stride + k) : vec{};
        transpose(square);
#pragma GCC unroll 16
        for (int r = 0; r < W; ++r) store(to + (k + r) * step, square[r]);
    }
    for (; k < depth; ++k)
        for (int r = 0; r < W; ++r) to[k * step + r] = r < valid ? rows[r * stride + k] : 0.0f;
}

// `count` rows [count][depth], `stride` apart, as the columns of an operand: [block of columns][depth][block], zero up to
// round_up(count, W) columns.
SK_INLINE void pack_transposed(const float* rows, std::int64_t stride, std::int64_t count, int depth, float* to) {
    const std::int64_t columns = round_up(count, W);
    for (std::int64_t column = 0; column < columns;) {
        const std::int64_t width = block_width(column, columns);
        for (std::int64_t v = 0; v < width; v += W)
            transposed_stripe(rows + (column + v) * stride, stride, count - column - v, depth, to + v, width);
        to += depth * width;
        column += width;
    }
}

// `count` rows [count][width], `stride` apart, as an operand of depth `count`: [block of columns][count][block], zero up
// to round_up(width, W) columns.
SK_INLINE void pack_rows(const float* rows, std::int64_t stride, std::int64_t count, int width, float* to) {
    const std::int64_t columns = round_up(width, W);
    for (std::int64_t column = 0; column < columns;) {
        const std::int64_t block = block_width(column, columns);
        for (std::int64_t t = 0; t < count; ++t, to += block) {
            const float* from = rows + t * stride + column;
            for (std::int64_t v = 0; v < block; v += W) {
                const std::int64_t left = width - column - v;
                store(to + v, left >= W ? load(from + v) : load_rest(from + v, left > 0 ? static_cast<int>(left) : 0));
            }
        }
        column += block;
    }
}

}  // namespace sk::SK_ISA
