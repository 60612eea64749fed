// C[rows][columns] = sum_s A_s[rows][depth] W_s[depth][columns], register-blocked.
//
// A is read as scalars (broadcast) from `segments` places: A_s starts at a + offsets[s], rows `lda` apart. That covers
// plain products, the groups of a Toom-Cook convolution (offset = tile) and direct convolutions (offset = tap).
// W is packed [column block][segment][depth][block width]; a block is up to NV vectors wide.
#pragma once

#include <utility>

#include "kernels/simd.h"

namespace sk::SK_ISA {

struct Product {
    const float* a;
    std::int64_t lda;
    const std::int64_t* offsets;
    int segments;
    int depth;
    const float* weights;
    float* c;
    std::int64_t ldc;
    std::int64_t rows;
    std::int64_t columns;  // a multiple of W
    // Epilogue of the fused variant: c = [c +] bias + [residual +] product.
    const float* bias;
    const float* residual;
    std::int64_t ldr;
    bool accumulate;
};

#if SK_REGISTERS == 32
constexpr int block_vectors = 2;
constexpr int rows_of(int vectors) { return vectors == 2 ? 12 : 24; }
#else
constexpr int block_vectors = 2;
constexpr int rows_of(int vectors) { return vectors == 2 ? 6 : 12; }
#endif

// A part of the next column block's weights, fetched into the second-level cache while this block computes: weights
// are read once per tile, from the last-level cache, and a stream of their own would stall the first block of rows.
struct Ahead {
    const char* at;
    std::int64_t step;  // bytes per inner iteration
};

// Stride: compile-time distance of the rows of A, or 0. With narrow rows 24 of them are in flight, and their addresses,
// computed at run time, spill to memory. Loops run at least once.
template <int R, int NV, bool Fetch, int Stride>
SK_INLINE void accumulate_block(const Product& p, const float* a, const float* w, Ahead ahead, vec (&sum)[R][NV]) {
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < NV; ++v) sum[r][v] = vec{};
    const std::int64_t lda = Stride ? Stride : p.lda;
    int segment = 0;
    do {
        const float* as = a + p.offsets[segment];
        const float* const end = as + p.depth;
        do {
            if constexpr (Fetch) __builtin_prefetch(ahead.at, 0, 2), ahead.at += ahead.step;
            vec weight[NV];
            for (int v = 0; v < NV; ++v) weight[v] = load(w + v * W);
#pragma GCC unroll 24
            for (int r = 0; r < R; ++r) {
                const vec x = splat(as[r * lda]);
                for (int v = 0; v < NV; ++v) sum[r][v] += x * weight[v];
            }
            w += NV * W;
        } while (++as != end);
    } while (++segment < p.segments);
}

template <int R, int NV, bool Fused, int Stride>
void block(const Product& p, std::int64_t row, std::int64_t column, const float* w, Ahead ahead) {
    vec sum[R][NV];
    accumulate_block<R, NV, NV == block_vectors, Stride>(p, p.a + row * p.lda, w, ahead, sum);
    float* c = p.c + row * p.ldc + column;
    for (int r = 0; r < R; ++r, c += p.ldc) {
        for (int v = 0; v < NV; ++v) {
            vec value = sum[r][v];
            if constexpr (Fused) {
                value += load(p.bias + column + v * W);
                if (p.residual) value += load(p.residual + (row + r) * p.ldr + column + v * W);
                if (p.accumulate) value += load(c + v * W);
            }
            store(c + v * W, value);
        }
    }
}

using Block = void (*)(const Product&, std::int64_t, std::int64_t, const float*, Ahead);

template <int NV, bool Fused, int Stride, class Rows>
struct Blocks;
template <int NV, bool Fused, int Stride, int... R>
struct Blocks<NV, Fused, Stride, std::integer_sequence<int, R...>> {
    static constexpr Block of[] = {block<R + 1, NV, Fused, Stride>...};  // of[rows - 1]
};

// One block of columns: rows are cut into nearly equal blocks, so that no small remainder runs at half speed.
// `next`: what to fetch meanwhile, `row_bytes` for every row of weights.
template <int NV, bool Fused, int Stride>
SK_INLINE void column_block(const Product& p, std::int64_t column, const float* w, const void* next, int row_bytes) {
    constexpr int most = rows_of(NV);
    using Table = Blocks<NV, Fused, Stride, std::make_integer_sequence<int, most>>;
    const std::int64_t depth = std::int64_t{p.segments} * p.depth, blocks = (p.rows + most - 1) / most;
    Ahead ahead{static_cast<const char*>(next), (row_bytes + blocks - 1) / blocks};
    for (std::int64_t row = 0, left = blocks; left > 0; --left) {
        const std::int64_t rows = (p.rows - row + left - 1) / left;
        Table::of[rows - 1](p, row, column, w, ahead);
        ahead.at += depth * ahead.step;
        row += rows;
    }
}

template <int NV, bool Fused, int Stride>
SK_INLINE void weighted_block(const Product& p, std::int64_t column, std::int64_t depth) {
    const float* w = p.weights + column * depth;
    column_block<NV, Fused, Stride>(p, column, w, w + depth * NV * W, NV * W * 4);
}

template <bool Fused>
SK_INLINE void multiply(const Product& p) {
    constexpr std::int64_t wide = block_vectors * W;
    const std::int64_t depth = std::int64_t{p.segments} * p.depth;
    std::int64_t column = 0;
    for (; column + wide <= p.columns; column += wide) {
        if (p.lda == wide)
            weighted_block<block_vectors, Fused, wide>(p, column, depth);
        else if (p.lda == 2 * wide)
            weighted_block<block_vectors, Fused, 2 * wide>(p, column, depth);
        else
            weighted_block<block_vectors, Fused, 0>(p, column, depth);
    }
    if (column == p.columns) return;
    if (p.lda == W)
        weighted_block<1, Fused, W>(p, column, depth);
    else
        weighted_block<1, Fused, 0>(p, column, depth);
}

}  // namespace sk::SK_ISA
