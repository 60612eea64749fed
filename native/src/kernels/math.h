// Functions of whole vectors: exp, tanh, erf, GELU, sums over lanes, transposition.
//
// Polynomials are our own minimax fits. Errors against double precision, over all floats that matter: exp 1.5 ulp, tanh
// 1.5e-7 relative, erf 1.2e-7 absolute.
#pragma once

#include <utility>

#include "kernels/simd.h"

namespace sk::SK_ISA {

typedef std::int32_t ints __attribute__((vector_size(SK_WIDTH * 4)));
using Lanes = std::make_integer_sequence<int, W>;

#if defined(__clang__) || __GNUC__ >= 12
#define SK_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SK_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, ints{__VA_ARGS__})
#endif

// NaN in `a` stays: a damaged voice must be noticed.
SK_INLINE vec smaller(vec a, vec b) { return b < a ? b : a; }
SK_INLINE vec larger(vec a, vec b) { return b > a ? b : a; }
SK_INLINE vec magnitude(vec x) { return (vec)((ints)x & 0x7fffffff); }
SK_INLINE vec with_sign_of(vec x, vec sign) { return (vec)(((ints)x & 0x7fffffff) | ((ints)sign & ~0x7fffffff)); }

// e^x: x = n ln 2 + r with |r| <= ln 2 / 2. Below -87.3 the result is that of -87.3 (1e-38), above 88 that of 88.
SK_INLINE vec exp(vec x) {
    x = larger(smaller(x, splat(88.0f)), splat(-87.3f));
    const vec rounding = splat(12582912.0f);  // 1.5 * 2^23: adding it leaves a whole number, in the lowest bits
    const vec shifted = x * 1.44269504f + rounding, n = shifted - rounding;
    const vec r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    vec q = splat(0.00139504822f);
    q = q * r + 0.00836888794f;
    q = q * r + 0.04166620597f;
    q = q * r + 0.16666518152f;
    q = q * r + 0.5f;
    const vec power = (vec)(((ints)shifted << 23) + 0x3f800000);
    return ((q * r) * r + r + 1.0f) * power;
}

// Odd polynomial below 0.65, beyond it 1 - 2 / (1 + e^2|x|).
SK_INLINE vec tanh(vec x) {
    const vec a = magnitude(x), u = a * a;
    vec s = splat(-0.005515160695f);
    s = s * u + 0.0204694165f;
    s = s * u - 0.05368802185f;
    s = s * u + 0.1333083033f;
    s = s * u - 0.3333325985f;
    const vec large = 1.0f - 2.0f / (exp(a + a) + 1.0f);
    return with_sign_of(a < 0.65f ? (s * u) * a + a : large, x);
}

// Odd polynomial below 0.95, beyond it 1 - e^(-p(|x|)) with p fitted to -ln erfc.
SK_INLINE vec erf(vec x) {
    const vec a = smaller(magnitude(x), splat(3.95f)), u = a * a;
    vec s = splat(-0.000588676892f);
    s = s * u + 0.00497311540f;
    s = s * u - 0.02675333433f;
    s = s * u + 0.11281466484f;
    s = s * u - 0.37612462044f;
    s = (s * u + 1.12837910652f) * a;
    vec p = splat(2.14962402e-5f);
    p = p * a - 0.000439107768f;
    p = p * a + 0.00419361750f;
    p = p * a - 0.0251789838f;
    p = p * a + 0.108372502f;
    p = p * a + 0.633262575f;
    p = p * a + 1.12955689f;
    p = p * a - 0.000183446187f;
    const vec large = 1.0f - exp(-p);
    return with_sign_of(a < 0.95f ? s : large, x);
}

// x / 2 (1 + erf(x / sqrt 2))
SK_INLINE vec gelu(vec x) { return 0.5f * x * (1.0f + erf(x * 0.70710678f)); }

template <int S, int... L>
SK_INLINE vec exchanged(vec x, std::integer_sequence<int, L...>) {
    return SK_SHUFFLE(x, x, (L ^ S)...);
}
template <int S, int... L>
SK_INLINE vec low_blocks(vec a, vec b, std::integer_sequence<int, L...>) {
    return SK_SHUFFLE(a, b, ((L & S) ? W + L - S : L)...);
}
template <int S, int... L>
SK_INLINE vec high_blocks(vec a, vec b, std::integer_sequence<int, L...>) {
    return SK_SHUFFLE(a, b, ((L & S) ? W + L : L + S)...);
}

template <int S = W / 2>
SK_INLINE float sum(vec x) {
    if constexpr (S == 0)
        return x[0];
    else
        return sum<S / 2>(x + exchanged<S>(x, Lanes{}));
}

template <int S = W / 2>
SK_INLINE float maximum(vec x) {
    if constexpr (S == 0)
        return x[0];
    else
        return maximum<S / 2>(larger(x, exchanged<S>(x, Lanes{})));
}

// Rows become columns: log2 W rounds that exchange blocks of S lanes between rows S apart.
template <int S = 1>
SK_INLINE void transpose(vec (&rows)[W]) {
    if constexpr (S < W) {
#pragma GCC unroll 16
        for (int i = 0; i < W; ++i) {
            if (i & S) continue;
            const vec a = rows[i], b = rows[i + S];
            rows[i] = low_blocks<S>(a, b, Lanes{});
            rows[i + S] = high_blocks<S>(a, b, Lanes{});
        }
        transpose<S * 2>(rows);
    }
}

}  // namespace sk::SK_ISA
