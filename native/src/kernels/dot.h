// Sums of four products of 8-bit numbers, one per lane of 32 bits: activations (broadcast) times weights.
//
// Exact everywhere: nothing saturates. Where the only instruction for bytes does, rows hold what it can sum and a list of
// the rest (spills.h). Where there is none, both sides are widened to 16 bits; a group of four weights a b c d then becomes
// (a c) and (b d), and the activations are stored in that order.
#pragma once

#include <cstring>
#include <type_traits>

#include "kernels/byte_kernels.h"
#include "kernels/math.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace sk::SK_ISA {

constexpr int panel_vectors = panel_outputs / W;

SK_INLINE std::int32_t load_int(const void* p) {
    std::int32_t value;
    std::memcpy(&value, p, sizeof value);
    return value;
}

#if defined(SK_VNNI)

using Code = std::uint8_t;
using Sum = ints;
using Weight = ints;
using Inputs = ints;
#if SK_WIDTH == 16
constexpr int block_rows = 12, block_width_vectors = 2;
SK_INLINE Sum dot(Sum sum, Weight w, Inputs x) { return (ints)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)x, (__m512i)w); }
#else
constexpr int block_rows = 6, block_width_vectors = 2;
SK_INLINE Sum dot(Sum sum, Weight w, Inputs x) {
    return (ints)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)x, (__m256i)w);
}
#endif
SK_INLINE Weight weight(const std::int8_t* p) {
    ints w;
    std::memcpy(&w, p, sizeof w);
    return w;
}
SK_INLINE Inputs inputs(const Code* x) { return ints{} + load_int(x); }
SK_INLINE ints total(Sum sum) { return sum; }

#elif defined(__AVX2__)

#define SK_SPILLS
using Code = std::uint8_t;
using Sum = ints;
constexpr int block_rows = SK_REGISTERS == 32 ? 12 : 5, block_width_vectors = 2;
SK_INLINE ints total(Sum sum) { return sum; }

#elif defined(__x86_64__)

using Code = std::int16_t;
using Sum = ints;
struct Weight {
    ints even, odd;
};
using Inputs = Weight;
constexpr int block_rows = 4, block_width_vectors = 2;
SK_INLINE ints pairs_summed(ints a, ints b) { return (ints)_mm_madd_epi16((__m128i)a, (__m128i)b); }
typedef std::int16_t shorts __attribute__((vector_size(SK_WIDTH * 4)));
SK_INLINE Weight weight(const std::int8_t* p) {
    shorts w;
    std::memcpy(&w, p, sizeof w);
    return {(ints)((w << 8) >> 8), (ints)(w >> 8)};
}
SK_INLINE Inputs inputs(const Code* x) { return {ints{} + load_int(x), ints{} + load_int(x + 2)}; }
SK_INLINE Sum dot(Sum sum, Weight w, Inputs x) {
    return sum + (pairs_summed(w.even, x.even) + pairs_summed(w.odd, x.odd));
}
SK_INLINE ints total(Sum sum) { return sum; }

#elif defined(__ARM_FEATURE_MATMUL_INT8)

using Code = std::uint8_t;
using Sum = ints;
constexpr int block_rows = 10, block_width_vectors = 2;  // products of matrices: accumulate_codes of byte_product.h
SK_INLINE ints total(Sum sum) { return sum; }

#elif defined(__aarch64__)

using Code = std::int8_t;  // these instructions take two signed operands
using Weight = int8x16_t;
using Inputs = int8x16_t;
SK_INLINE Weight weight(const std::int8_t* p) { return vld1q_s8(p); }
SK_INLINE Inputs inputs(const Code* x) { return vreinterpretq_s8_s32(vdupq_n_s32(load_int(x))); }
#if defined(__ARM_FEATURE_DOTPROD)
using Sum = ints;
constexpr int block_rows = 6, block_width_vectors = 4;
SK_INLINE Sum dot(Sum sum, Weight w, Inputs x) { return (ints)vdotq_s32((int32x4_t)sum, w, x); }
SK_INLINE ints total(Sum sum) { return sum; }
#else
struct Sum {
    int32x4_t low, high;  // two lanes per output
};
constexpr int block_rows = 5, block_width_vectors = 2;
SK_INLINE Sum dot(Sum sum, Weight w, Inputs x) {
    const int8x8_t x8 = vget_low_s8(x);
    return {vpadalq_s16(sum.low, vmull_s8(vget_low_s8(w), x8)), vpadalq_s16(sum.high, vmull_s8(vget_high_s8(w), x8))};
}
SK_INLINE ints total(Sum sum) { return (ints)vpaddq_s32(sum.low, sum.high); }
#endif

#else

using Code = std::uint8_t;
using Sum = ints;
struct Weight {
    std::int8_t at[4 * W];
};
using Inputs = const Code*;
constexpr int block_rows = 2, block_width_vectors = 2;
SK_INLINE Weight weight(const std::int8_t* p) {
    Weight w;
    std::memcpy(&w, p, sizeof w);
    return w;
}
SK_INLINE Inputs inputs(const Code* x) { return x; }
SK_INLINE Sum dot(Sum sum, const Weight& w, Inputs x) {
    for (int o = 0; o < W; ++o)
        for (int i = 0; i < 4; ++i) sum[o] += w.at[4 * o + i] * x[i];
    return sum;
}
SK_INLINE ints total(Sum sum) { return sum; }

#endif

// Added to codes around `zero` as they are stored, so that they fit the instruction.
SK_INLINE constexpr int code_offset([[maybe_unused]] int zero) {
#if defined(SK_SPILLS)
    return -zero;  // both signs as they are
#else
    return std::is_same_v<Code, std::int8_t> ? -signed_zero : 0;
#endif
}

template <int... L>
SK_INLINE ints inner_swapped(ints x, std::integer_sequence<int, L...>) {  // of every four lanes
    return SK_SHUFFLE(x, x, ((L & ~3) | (L & 1) << 1 | (L >> 1 & 1))...);
}

// W whole numbers as codes; `to` is where the first of them belongs in the row.
SK_INLINE void store_codes(Code* to, ints values) {
    typedef Code codes __attribute__((vector_size(SK_WIDTH * sizeof(Code))));
    if constexpr (sizeof(Code) == 2) values = inner_swapped(values, Lanes{});
    const codes narrow = __builtin_convertvector(values, codes);
    std::memcpy(to, &narrow, sizeof narrow);
}

}  // namespace sk::SK_ISA
