// Self-attention with learned relative keys and values within ±4 positions, for a block of queries of one head.
//
//   q [queries][D] · K^T -> scores [queries][rows], + q · relative keys on the band, softmax,
//   · V, + (weights on the band) · relative values.    q is already divided by sqrt(D).
#pragma once

#include "kernels/stack_kernels.h"
#include "kernels/gemm.h"
#include "kernels/rows.h"

namespace sk::SK_ISA {

// The queries (0), keys (1) or values (2) of a head, in row 0.
SK_INLINE const float* third(const WindowAttention& a, int which, int head) {
    return a.qkv + which * std::int64_t{a.channels} + std::int64_t{head} * (a.channels / a.heads);
}

static void pack_keys(const WindowAttention& a, int head) {
    pack_transposed(third(a, 1, head), a.qkv_stride, a.rows, a.channels / a.heads, a.keys + head * a.keys_size);
}

static void pack_values(const WindowAttention& a, int head) {
    pack_rows(third(a, 2, head), a.qkv_stride, a.rows, a.channels / a.heads, a.values + head * a.values_size);
}

// Calls f(query - lo, key, place in the window) for every key within the window of queries [lo, hi).
template <class F>
SK_INLINE void for_band(std::int64_t rows, std::int64_t lo, std::int64_t hi, const F& f) {
    for (std::int64_t i = lo; i < hi; ++i)
        for (int d = 0; d < window_size; ++d) {
            const std::int64_t key = i + d - window;
            if (key >= 0 && key < rows) f(i - lo, key, d);
        }
}

// A product over the queries of a block.
SK_INLINE Product query_product(const float* a, std::int64_t lda, std::int64_t queries, std::int64_t depth) {
    static constexpr std::int64_t zero = 0;
    Product p{};
    p.a = a;
    p.lda = lda;
    p.offsets = &zero;
    p.segments = 1;
    p.depth = static_cast<int>(depth);
    p.rows = queries;
    return p;
}

// WindowAttention weights [queries][stride]; `near` [queries][near_stride] becomes those on the band, zero outside the text.
SK_INLINE void attention_weights(const WindowAttention& a, int head, std::int64_t lo, std::int64_t hi, float* scores,
                                 float* near) {
    const std::int64_t queries = hi - lo, stride = score_stride(a.rows, W), near_stride = round_up(window_size, W);
    Product p = query_product(third(a, 0, head) + lo * a.qkv_stride, a.qkv_stride, queries, a.channels / a.heads);
    p.weights = a.keys + head * a.keys_size;
    p.c = scores;
    p.ldc = stride;
    p.columns = round_up(a.rows, W);
    multiply<false>(p);
    p.weights = a.relative_keys;
    p.c = near;
    p.ldc = p.columns = near_stride;
    multiply<false>(p);
    for_band(a.rows, lo, hi, [&](std::int64_t i, std::int64_t key, int d) {
        scores[i * stride + key] += near[i * near_stride + d];
    });
    for (std::int64_t i = 0; i < queries; ++i) softmax(scores + i * stride, a.rows);
    std::memset(near, 0, sizeof(float) * static_cast<std::size_t>(queries * near_stride));
    for_band(a.rows, lo, hi, [&](std::int64_t i, std::int64_t key, int d) {
        near[i * near_stride + d] = scores[i * stride + key];
    });
}

static void attend(const WindowAttention& a, int head, std::int64_t lo, std::int64_t hi, float* scratch) {
    const int depth = a.channels / a.heads;
    const std::int64_t queries = hi - lo, stride = score_stride(a.rows, W), mixed_stride = round_up(depth, W),
                       near_stride = round_up(window_size, W);
    float* scores = scratch;
    float* near = scores + queries * stride;
    float* mixed = near + queries * near_stride;
    float* zeros = mixed + queries * mixed_stride;
    std::memset(zeros, 0, sizeof(float) * static_cast<std::size_t>(mixed_stride));
    attention_weights(a, head, lo, hi, scores, near);
    Product p = query_product(scores, stride, queries, a.rows);
    p.weights = a.values + head * a.values_size;
    p.c = mixed;
    p.ldc = p.columns = mixed_stride;
    multiply<false>(p);
    p = query_product(near, near_stride, queries, window_size);
    p.weights = a.relative_values;
    p.c = mixed;
    p.ldc = p.columns = mixed_stride;
    p.bias = zeros;
    p.accumulate = true;
    multiply<true>(p);
    for (std::int64_t i = 0; i < queries; ++i)
        std::memcpy(a.out + (lo + i) * a.out_stride + std::int64_t{head} * depth, mixed + i * mixed_stride,
                    sizeof(float) * static_cast<std::size_t>(depth));
}

}  // namespace sk::SK_ISA
