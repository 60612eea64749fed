// Disentangled attention of one head, FP32: scores from contents and from relative positions.
//
// A product with rows of relative positions holds, in row i, distance j - i in column j - i + S. Only a few rows at a time
// are computed, over the columns that they reach; adding them to the scores shifts each row into place.
#pragma once

#include "kernels/byte_kernels.h"
#include "kernels/rows.h"

#if defined(__F16C__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace sk::SK_ISA {

constexpr std::int64_t chunk_rows = 48;  // a multiple of every vector width and of the product's rows

// W half floats; infinities do not occur in a table.
SK_INLINE vec load_half(const std::uint16_t* p) {
#if defined(__AVX512F__)
    return (vec)_mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
#elif defined(__F16C__)
    return (vec)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#elif defined(__aarch64__)
    return (vec)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
#else
    typedef std::uint16_t halves __attribute__((vector_size(SK_WIDTH * 2)));
    halves packed;
    std::memcpy(&packed, p, sizeof packed);
    const ints bits = __builtin_convertvector(packed, ints);
    return (vec)((ints)((vec)((bits & 0x7fff) << 13) * 0x1p112f) | (bits & 0x8000) << 16);
#endif
}

struct AttentionSpace {
    std::int64_t columns;    // of the scores: the length up to whole vectors
    std::int64_t reach;      // of the relative operands: twice the length, up to whole vectors
    std::int64_t window;     // most columns of a chunk's relative product
    std::int64_t width;      // of the value and the output, up to whole vectors
    std::int64_t operand() const { return reach > columns ? reach : columns; }
};

SK_INLINE AttentionSpace attention_space(std::int64_t length, int head_size) {
    const std::int64_t columns = round_up(length, W), reach = round_up(2 * length, W);
    const std::int64_t rows = length < chunk_rows ? columns : chunk_rows;
    const std::int64_t window = round_up(length + rows, operand_block) + operand_block;
    return {columns, reach, window < reach ? window : reach, round_up(head_size, W)};
}

static std::int64_t attention_scratch(std::int64_t length, int head_size) {
    const AttentionSpace s = attention_space(length, head_size);
    const std::int64_t operands = s.operand() * head_size + s.columns * s.width;
    return s.columns * s.columns + chunk_rows * s.window + s.reach * s.width + operands + length * s.width + 8 * W;
}

// Columns [lo, hi) of a product with all rows of A from `row` on.
struct Part {
    const float* a;
    std::int64_t stride, rows;
    int depth;
};
static void product(const Part& a, const float* operand, std::int64_t columns, float* to, std::int64_t stride) {
    static constexpr std::int64_t none[1] = {0};
    multiply<false>({a.a, a.stride, none, 1, a.depth, operand, to, stride, a.rows, columns, nullptr, nullptr, 0, false});
}

SK_INLINE vec load_entry(const std::uint16_t* p) { return load_half(p); }
SK_INLINE vec load_entry(const float* p) { return load(p); }

template <class T>
SK_INLINE void positions_of(const Attention& call, const T* table, float* rows, std::int64_t width) {
    for (std::int64_t c = 0; c < 2 * call.length; ++c) {
        const T* from = table + call.positions[c] * call.table_stride;
        int k = 0;
        for (; k + W <= call.head_size; k += W) store(rows + c * width + k, load_entry(from + k));
        if (k == call.head_size) continue;
        T rest[W] = {};
        std::memcpy(rest, from + k, static_cast<std::size_t>(call.head_size - k) * sizeof *rest);
        store(rows + c * width + k, load_entry(rest));
    }
}

// The table's rows that the sentence reaches, as an operand [2 length columns].
SK_INLINE void pack_positions(const Attention& call, const RelativeTable& table, float* rows, float* operand) {
    const std::int64_t width = round_up(call.head_size, W);
    if (table.halves)
        positions_of(call, table.halves, rows, width);
    else
        positions_of(call, table.floats, rows, width);
    pack_transposed(rows, width, 2 * call.length, call.head_size, operand);
}

// Rows [row, row + count) of the product of `a` with a relative operand, over the columns they reach: returns where
// column `length - row` of row `row` lies, that of distance -row.
SK_INLINE const float* relative(const Attention& call, const AttentionSpace& s, const Part& a, std::int64_t row,
                                const float* operand, float* to) {
    const std::int64_t first = (call.length - row - a.rows + 1) / operand_block * operand_block;
    const std::int64_t end = round_up(2 * call.length - row, operand_block);
    const std::int64_t last = end < s.reach ? end : s.reach;
    product(a, operand + first * a.depth, last - first, to, s.window);
    return to + call.length - row - first;
}

// scores[i][j] += q_i PK[j - i]
SK_INLINE void add_by_query(const Attention& call, const AttentionSpace& s, const float* operand, float* products,
                            float* scores) {
    for (std::int64_t row = 0; row < call.length; row += chunk_rows) {
        const std::int64_t count = call.length - row < chunk_rows ? call.length - row : chunk_rows;
        const Part part{call.q + row * call.stride, call.stride, count, call.head_size};
        const float* from = relative(call, s, part, row, operand, products);
        for (std::int64_t i = 0; i < count; ++i, from += s.window - 1) {
            float* to = scores + (row + i) * s.columns;
            for (std::int64_t j = 0; j < s.columns; j += W) store(to + j, load(to + j) + load(from + j));
        }
    }
}

// scores[i][j] += k_j PQ[i - j]
SK_INLINE void add_by_key(const Attention& call, const AttentionSpace& s, const float* operand, float* products,
                          float* scores) {
    for (std::int64_t column = 0; column < call.length; column += chunk_rows) {
        const std::int64_t count = call.length - column < chunk_rows ? call.length - column : chunk_rows;
        const Part part{call.k + column * call.stride, call.stride, count, call.head_size};
        const float* from = relative(call, s, part, column, operand, products);
        for (std::int64_t j = 0; j < count; j += W)
            for (std::int64_t i = 0; i < s.columns; i += W) {
                vec square[W];
                for (int r = 0; r < W; ++r) square[r] = load(from + (j + r) * (s.window - 1) + i);
                transpose(square);
                float* to = scores + i * s.columns + column + j;
                for (int r = 0; r < W; ++r, to += s.columns) store(to, load(to) + square[r]);
            }
    }
}

static void attend(const Attention& call) {
    const AttentionSpace s = attention_space(call.length, call.head_size);
    float* const scores = call.scratch;                               // [columns][columns]
    float* const products = scores + s.columns * s.columns;           // [chunk][window]
    float* const rows = products + chunk_rows * s.window + 4 * W;     // [reach][width]
    float* const operand = rows + s.reach * s.width;                  // K', PK or PQ
    float* const values = operand + s.operand() * call.head_size;     // V
    float* const context = values + s.columns * s.width;              // [length][width]
    const Part q{call.q, call.stride, call.length, call.head_size};
    pack_transposed(call.k, call.stride, call.length, call.head_size, operand);
    product(q, operand, s.columns, scores, s.columns);
    pack_positions(call, call.pk, rows, operand);
    add_by_query(call, s, operand, products, scores);
    pack_positions(call, call.pq, rows, operand);
    add_by_key(call, s, operand, products, scores);
    for (std::int64_t i = 0; i < call.length; ++i) softmax(scores + i * s.columns, call.length);
    pack_rows(call.v, call.stride, call.length, call.head_size, values);
    const Part weights{scores, s.columns, call.length, static_cast<int>(call.length)};
    if (s.width == call.head_size) return product(weights, values, s.width, call.out, call.out_stride);
    product(weights, values, s.width, context, s.width);
    for (std::int64_t i = 0; i < call.length; ++i)
        std::memcpy(call.out + i * call.out_stride, context + i * s.width,
                    static_cast<std::size_t>(call.head_size) * sizeof(float));
}

}  // namespace sk::SK_ISA
