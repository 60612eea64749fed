// Products of tiles (tiles.h): floats as pairs of bfloat16 numbers, and blocks of rows times a panel's operands.
#pragma once

#include <immintrin.h>

#include <cstring>
#include "kernels/simd.h"

#include "kernels/tiles.h"

namespace sk::SK_ISA {

struct alignas(64) TileConfig {
    std::uint8_t palette = 1, start = 0, reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
constexpr TileConfig whole_tiles;

// What the compiler knows of memory ends here: it does not see that tile loads read it.
SK_INLINE void settle() { __asm__ volatile("" ::: "memory"); }

// Two vectors of floats as the high and the low halves of 32 numbers.
struct Halves {
    __m512i high, low;
};

SK_INLINE __m512i rounded(__m512 first, __m512 second) { return (__m512i)_mm512_cvtne2ps_pbh(second, first); }
SK_INLINE __m512 widened(__m256i half) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

SK_INLINE Halves split(__m512 first, __m512 second) {
    const __m512i high = rounded(first, second);
    const __m512 a = widened(_mm512_castsi512_si256(high)), b = widened(_mm512_extracti64x4_epi64(high, 1));
    return {high, rounded(_mm512_sub_ps(first, a), _mm512_sub_ps(second, b))};
}

template <bool Narrow>
SK_INLINE void store_split(vec a, vec b, char* high, std::int64_t half) {
    const Halves x = split((__m512)a, (__m512)b);
    if constexpr (Narrow) {
        _mm256_storeu_si256((__m256i*)high, _mm512_castsi512_si256(x.high));
        _mm256_storeu_si256((__m256i*)(high + half), _mm512_castsi512_si256(x.low));
    } else {
        _mm512_storeu_si512(high, x.high);
        _mm512_storeu_si512(high + half, x.low);
    }
}

// Numbers 2p and 2p + 1 of the inner dimension as rows of operands: [16][2], the low halves `half` bytes on.
SK_INLINE void split_pair(vec even, vec odd, char* to, std::int64_t half) {
    const Halves x = split((__m512)even, (__m512)odd);
    alignas(64) static constexpr std::uint16_t order[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                            21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                            11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i by = _mm512_load_si512(order);
    _mm512_store_si512(to, _mm512_permutexvar_epi16(by, x.high));
    _mm512_store_si512(to + half, _mm512_permutexvar_epi16(by, x.low));
}

// Where the split rows of a block lie, and how far a group, a block of inputs and the low halves are.
struct Operand {
    const char* at;
    std::int64_t group, block, half;
};

// The next weights on their way into the second-level cache, some lines a step.
struct Fetch {
    const char* at;
    std::int64_t lines;
    inline __attribute__((always_inline)) void step() {
        for (std::int64_t i = 0; i < lines; ++i, at += 64) __builtin_prefetch(at, 0, 2);
    }
};

// 32 rows x 32 outputs of all steps into c [32][32].
template <int Stride>
SK_INLINE void wide_block(const Operand& a, TileSteps steps, const char* b, float* c, Fetch& fetch) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int block = 0; block < steps.blocks; ++block) {
        const char* high = a.at + block * a.block;
        for (int g = 0; g < steps.groups; ++g, high += a.group, b += 4 * tile_bytes) {
            fetch.step();
            const char *low = high + a.half, *next = high + tile_rows * Stride, *next_low = low + tile_rows * Stride;
            _tile_loadd(6, b, 64);
            _tile_loadd(4, low, Stride);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(7, b + tile_bytes, 64);
            _tile_dpbf16ps(1, 4, 7);
            _tile_loadd(5, next_low, Stride);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
            _tile_loadd(4, high, Stride);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            _tile_loadd(5, next, Stride);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
            _tile_loadd(6, b + 2 * tile_bytes, 64);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(7, b + 3 * tile_bytes, 64);
            _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_stored(0, c, 128);
    _tile_stored(1, c + 16, 128);
    _tile_stored(2, c + 512, 128);
    _tile_stored(3, c + 528, 128);
}

// 16 rows x 32 outputs of all steps into c [16][32].
template <int Stride>
SK_INLINE void flat_block(const Operand& a, TileSteps steps, const char* b, float* c, Fetch& fetch) {
    _tile_zero(0);
    _tile_zero(1);
    for (int block = 0; block < steps.blocks; ++block) {
        const char* high = a.at + block * a.block;
        for (int g = 0; g < steps.groups; ++g, high += a.group, b += 4 * tile_bytes) {
            fetch.step();
            _tile_loadd(6, b, 64);
            _tile_loadd(7, b + tile_bytes, 64);
            _tile_loadd(4, high + a.half, Stride);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            _tile_loadd(5, high, Stride);
            _tile_dpbf16ps(0, 5, 6);
            _tile_dpbf16ps(1, 5, 7);
            _tile_loadd(2, b + 2 * tile_bytes, 64);
            _tile_loadd(3, b + 3 * tile_bytes, 64);
            _tile_dpbf16ps(0, 5, 2);
            _tile_dpbf16ps(1, 5, 3);
        }
    }
    _tile_stored(0, c, 128);
    _tile_stored(1, c + 16, 128);
}

// 64 rows x 16 outputs of all steps into c [64][16].
template <int Stride>
SK_INLINE void tall_block(const Operand& a, TileSteps steps, const char* b, float* c, Fetch& fetch) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int block = 0; block < steps.blocks; ++block) {
        const char* high = a.at + block * a.block;
        for (int g = 0; g < steps.groups; ++g, high += a.group, b += 2 * tile_bytes) {
            fetch.step();
            const char* low = high + a.half;
            _tile_loadd(6, b, 64);
            _tile_loadd(7, b + tile_bytes, 64);
            _tile_loadd(4, high, Stride);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(5, high + 16 * Stride, Stride);
            _tile_dpbf16ps(1, 5, 6);
            _tile_dpbf16ps(0, 4, 7);
            _tile_loadd(4, high + 32 * Stride, Stride);
            _tile_dpbf16ps(2, 4, 6);
            _tile_dpbf16ps(1, 5, 7);
            _tile_loadd(5, high + 48 * Stride, Stride);
            _tile_dpbf16ps(3, 5, 6);
            _tile_dpbf16ps(2, 4, 7);
            _tile_loadd(4, low, Stride);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(3, 5, 7);
            _tile_loadd(5, low + 16 * Stride, Stride);
            _tile_dpbf16ps(1, 5, 6);
            _tile_loadd(4, low + 32 * Stride, Stride);
            _tile_dpbf16ps(2, 4, 6);
            _tile_loadd(5, low + 48 * Stride, Stride);
            _tile_dpbf16ps(3, 5, 6);
        }
    }
    _tile_stored(0, c, 64);
    _tile_stored(1, c + 256, 64);
    _tile_stored(2, c + 512, 64);
    _tile_stored(3, c + 768, 64);
}

// 16 rows x 16 outputs.
template <int Stride>
SK_INLINE void small_block(const Operand& a, TileSteps steps, const char* b, float* c, Fetch& fetch) {
    _tile_zero(0);
    for (int block = 0; block < steps.blocks; ++block) {
        const char* high = a.at + block * a.block;
        for (int g = 0; g < steps.groups; ++g, high += a.group, b += 2 * tile_bytes) {
            fetch.step();
            _tile_loadd(6, b, 64);
            _tile_loadd(7, b + tile_bytes, 64);
            _tile_loadd(4, high, Stride);
            _tile_loadd(5, high + a.half, Stride);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(0, 4, 7);
            _tile_dpbf16ps(0, 5, 6);
        }
    }
    _tile_stored(0, c, 64);
}

// Rows of the largest block of 16 N outputs.
template <int N>
constexpr int most_rows = N == 2 ? 2 * tile_rows : 4 * tile_rows;

// How many of `left` rows the next block has: all it can, or 16.
template <int N>
SK_INLINE int rows_of_next(std::int64_t left) {
    return left > most_rows<N> - tile_rows ? most_rows<N> : tile_rows;
}

// `rows` rows (rows_of_next) times 16 N outputs of all steps into c [rows][16 N].
template <int N, int Stride>
SK_INLINE void block(int rows, const Operand& a, TileSteps steps, const char* b, float* c, Fetch& fetch) {
    const bool whole = rows == most_rows<N>;
    if constexpr (N == 2)
        whole ? wide_block<Stride>(a, steps, b, c, fetch) : flat_block<Stride>(a, steps, b, c, fetch);
    else
        whole ? tall_block<Stride>(a, steps, b, c, fetch) : small_block<Stride>(a, steps, b, c, fetch);
}

}  // namespace sk::SK_ISA
