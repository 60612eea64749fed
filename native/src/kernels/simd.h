// The vector type of this instruction set: GCC/Clang vector extensions, no intrinsics. SK_WIDTH floats per vector.
// Included only by kernels.cpp, which is compiled once per instruction set with its own SK_ISA namespace, so that no
// inline function of one set can be linked into another.
#pragma once

#include <cstdint>

namespace sk::SK_ISA {

constexpr int W = SK_WIDTH;
typedef float vec __attribute__((vector_size(SK_WIDTH * 4)));
typedef std::int32_t int_vec __attribute__((vector_size(SK_WIDTH * 4)));
typedef std::int16_t code_vec __attribute__((vector_size(SK_WIDTH * 2), aligned(2), may_alias));
typedef float unaligned_vec __attribute__((vector_size(SK_WIDTH * 4), aligned(4), may_alias));

#define SK_INLINE static inline __attribute__((always_inline))

SK_INLINE vec load(const float* p) { return *reinterpret_cast<const unaligned_vec*>(p); }
SK_INLINE void store(float* p, vec v) { *reinterpret_cast<unaligned_vec*>(p) = v; }
SK_INLINE vec load_codes(const std::int16_t* p) {
    return __builtin_convertvector(__builtin_convertvector(*reinterpret_cast<const code_vec*>(p), int_vec), vec);
}
SK_INLINE vec splat(float s) { return s - vec{}; }
SK_INLINE vec leaky(vec x, vec slope) {  // slopes are in (0, 1]
    vec y = x * slope;
    return x > y ? x : y;
}

}  // namespace sk::SK_ISA
