// Exact sums by an instruction that saturates: `vpmaddubsw` adds two products of an unsigned and a signed byte to 16 bits.
//
// The sum of a pair fits whatever the weights are if its inputs are small enough: codes around zero, with the weights as
// the unsigned operand (moved by 128), while two of one sign come to at most 128 (255 · 128 < 2^15); codes above a floor,
// themselves the unsigned operand, while they come to at most 255. Few pairs of a row are larger. What they have beyond it
// is taken from their first input and kept behind the row as a group of inputs of its own, a spill, multiplied once more.
//
// A row: head, codes (a multiple of 32, zeros at the end), spills.
#pragma once

#include <cstddef>

#include "kernels/dot.h"

namespace sk::SK_ISA {

struct RowHead {
    std::int32_t sum;  // of the codes around zero: their products with weights moved by 128 are 128 sum too large
    std::int32_t spills;
};

struct RowSpill {
    std::int32_t group;
    std::int32_t codes;  // of its four inputs
};

constexpr int code_bytes = 3;  // a code, and as much as its share of a spill can be
constexpr std::int64_t row_head = 32;
constexpr std::int64_t spill_step = 32;  // codes looked at together

SK_INLINE const std::uint8_t* spills_of(const std::uint8_t* row, std::int64_t inputs) {
    return row + row_head + ceil_div(inputs, spill_step) * spill_step;
}

// Codes as they were stored → codes that fit, spills and the head.
static void spill(std::uint8_t* row, std::int64_t n, int zero) {
    std::uint8_t *const codes = row + row_head, *to = const_cast<std::uint8_t*>(spills_of(row, n)), *const first = to;
    std::memset(codes + n, 0, static_cast<std::size_t>(to - codes - n));
    const __m256i one = _mm256_set1_epi8(1), one_wide = _mm256_set1_epi16(1), low = _mm256_set1_epi16(0xff);
    const __m256i most = _mm256_set1_epi16(zero ? 128 : 255), least = _mm256_set1_epi16(-128);
    __m256i sum = _mm256_setzero_si256();
    for (std::int64_t k = 0; codes + k < first; k += spill_step) {
        const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + k));
        const __m256i pairs = zero ? _mm256_maddubs_epi16(one, x) : _mm256_maddubs_epi16(x, one);
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, one_wide));
        const __m256i over = _mm256_sub_epi16(pairs, _mm256_max_epi16(_mm256_min_epi16(pairs, most), least));
        if (_mm256_testz_si256(over, over)) continue;
        const __m256i taken = _mm256_and_si256(over, low);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + k), _mm256_sub_epi8(x, taken));
        std::int32_t groups[spill_step / group_inputs];
        std::memcpy(groups, &taken, sizeof groups);
        for (std::int64_t g = 0; g < spill_step / group_inputs; ++g)
            if (groups[g]) {
                const RowSpill more{static_cast<std::int32_t>(k / group_inputs + g), groups[g]};
                std::memcpy(to, &more, sizeof more);
                to += sizeof more;
            }
    }
    std::int32_t sums[8];
    std::memcpy(sums, &sum, sizeof sums);
    RowHead head{0, static_cast<std::int32_t>((to - first) / static_cast<std::int64_t>(sizeof(RowSpill)))};
    for (std::int32_t part : sums) head.sum += part;
    std::memcpy(row, &head, sizeof head);
}

#if SK_WIDTH == 16
SK_INLINE ints pairs_of_bytes(ints a, ints b) { return (ints)_mm512_maddubs_epi16((__m512i)a, (__m512i)b); }
SK_INLINE ints pairs_summed(ints a) { return (ints)_mm512_madd_epi16((__m512i)a, _mm512_set1_epi16(1)); }
#else
SK_INLINE ints pairs_of_bytes(ints a, ints b) { return (ints)_mm256_maddubs_epi16((__m256i)a, (__m256i)b); }
SK_INLINE ints pairs_summed(ints a) { return (ints)_mm256_madd_epi16((__m256i)a, _mm256_set1_epi16(1)); }
#endif

// `Around`: the codes are around zero, the weights unsigned.
template <bool Around>
SK_INLINE ints weight(const std::int8_t* p) {
    ints w;
    std::memcpy(&w, p, sizeof w);
    return Around ? w ^ static_cast<std::int32_t>(0x80808080) : w;
}
template <bool Around>
SK_INLINE Sum dot(Sum sum, ints w, ints x) {
    return sum + pairs_summed(Around ? pairs_of_bytes(w, x) : pairs_of_bytes(x, w));
}

// R rows of codes from `from` on times NV vectors of outputs, whose weights begin at `w`.
template <int R, int NV, bool Around>
SK_INLINE void accumulate_bytes(const std::uint8_t* from, std::int64_t stride, std::int64_t inputs, const std::int8_t* const (&w)[NV],
                                const std::int8_t* fetch, std::int64_t fetch_step, Sum (&sums)[R][NV]) {
    Sum sum[R][NV];
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < NV; ++v) sum[r][v] = Around ? ints{} - 128 * load_int(from + r * stride) : ints{};
    const std::uint8_t* const codes = from + row_head;
    for (std::int64_t k = 0; k < inputs; k += group_inputs) {
        __builtin_prefetch(fetch, 0, 2);
        fetch += fetch_step;
        ints part[NV];
        for (int v = 0; v < NV; ++v) part[v] = weight<Around>(w[v] + k * panel_outputs);
#pragma GCC unroll 12
        for (int r = 0; r < R; ++r) {
            const ints x = ints{} + load_int(codes + r * stride + k);
#pragma GCC unroll 4
            for (int v = 0; v < NV; ++v) sum[r][v] = dot<Around>(sum[r][v], part[v], x);
        }
    }
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < NV; ++v) sums[r][v] = sum[r][v];
    for (int r = 0; r < R; ++r) {
        const std::uint8_t* const row = from + r * stride;
        const std::uint8_t* at = spills_of(row, inputs);
        for (std::int32_t left = load_int(row + offsetof(RowHead, spills)); left > 0; --left, at += sizeof(RowSpill)) {
            const std::int64_t group = load_int(at) * std::int64_t{group_bytes};
            const ints x = ints{} + load_int(at + offsetof(RowSpill, codes));
            for (int v = 0; v < NV; ++v) sums[r][v] = dot<Around>(sums[r][v], weight<Around>(w[v] + group), x);
        }
    }
}

}  // namespace sk::SK_ISA
