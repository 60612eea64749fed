// C[rows][columns] = sum_s A_s[rows][depth] W_s[depth][columns], register-blocked.
//
// A is read as scalars (broadcast) from `segments` places: A_s starts at a + offsets[s], rows `lda` apart. That covers
// plain products, the groups of a Toom-Cook convolution (offset = tile) and direct convolutions (offset = tap).
// W is packed [column block][segment][depth][block width]; a block is up to NV vectors wide.
#pragma once

#include <utility>

#include "simd.h"

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

template <int R, int NV>
SK_INLINE void accumulate_block(const Product& p, const float* a, const float* w, vec (&sum)[R][NV]) {
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < NV; ++v) sum[r][v] = vec{};
    const std::int64_t lda = p.lda;
    for (int s = 0; s < p.segments; ++s) {
        const float* as = a + p.offsets[s];
        for (int k = 0; k < p.depth; ++k, w += NV * W) {
            vec weight[NV];
            for (int v = 0; v < NV; ++v) weight[v] = load(w + v * W);
#pragma GCC unroll 24
            for (int r = 0; r < R; ++r) {
                const vec x = splat(as[r * lda + k]);
                for (int v = 0; v < NV; ++v) sum[r][v] += x * weight[v];
            }
        }
    }
}

template <int R, int NV, bool Fused>
void block(const Product& p, std::int64_t row, std::int64_t column, const float* w) {
    vec sum[R][NV];
    accumulate_block<R, NV>(p, p.a + row * p.lda, w, sum);
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

using Block = void (*)(const Product&, std::int64_t, std::int64_t, const float*);

template <int NV, bool Fused, class Rows>
struct Blocks;
template <int NV, bool Fused, int... R>
struct Blocks<NV, Fused, std::integer_sequence<int, R...>> {
    static constexpr Block of[] = {block<R + 1, NV, Fused>...};  // of[rows - 1]
};

// One block of columns: rows are cut into nearly equal blocks, so that no small remainder runs at half speed.
template <int NV, bool Fused>
SK_INLINE void column_block(const Product& p, std::int64_t column, const float* w) {
    constexpr int most = rows_of(NV);
    using Table = Blocks<NV, Fused, std::make_integer_sequence<int, most>>;
    for (std::int64_t row = 0, left = (p.rows + most - 1) / most; left > 0; --left) {
        const std::int64_t rows = (p.rows - row + left - 1) / left;
        Table::of[rows - 1](p, row, column, w);
        row += rows;
    }
}

template <bool Fused>
SK_INLINE void multiply(const Product& p) {
    const float* w = p.weights;
    const std::int64_t depth = std::int64_t{p.segments} * p.depth;
    std::int64_t column = 0;
    for (; column + block_vectors * W <= p.columns; column += block_vectors * W, w += depth * block_vectors * W)
        column_block<block_vectors, Fused>(p, column, w);
    for (; column < p.columns; column += W, w += depth * W) column_block<1, Fused>(p, column, w);
}

}  // namespace sk::SK_ISA
