// Where a panel's weights lie (stack_kernels.h), and its codes as vectors.
#pragma once

#include "kernels/rows.h"
#include "kernels/stack_kernels.h"

namespace sk::SK_ISA {

typedef std::int16_t shorts __attribute__((vector_size(SK_WIDTH * 2)));
typedef std::int16_t unaligned_shorts __attribute__((vector_size(SK_WIDTH * 2), aligned(2), may_alias));

SK_INLINE vec load(const std::int16_t* p) {
    return __builtin_convertvector(*reinterpret_cast<const unaligned_shorts*>(p), vec);
}

alignas(64) constexpr float zero_bias[panel_columns] = {};

SK_INLINE std::int64_t panel_width(const Panels& p, std::int64_t column) {
    const std::int64_t left = p.padded_outputs - column;
    return left < panel_columns ? left : panel_columns;
}

// body(width, at) for each column block of the panel from `column` on, `at` being how far it lies behind that.
template <class Body>
SK_INLINE void each_block(const Panels& p, std::int64_t column, const Body& body) {
    const std::int64_t panel = panel_width(p, column);
    for (std::int64_t at = 0, width = 0; at < panel; at += width) {
        width = block_width(column + at, p.padded_outputs);
        body(width, at);
    }
}

// Distance of the rows of weights.
SK_INLINE std::int64_t row_of(const float*, std::int64_t width) { return width; }
SK_INLINE std::int64_t row_of(const std::int16_t*, std::int64_t) { return panel_columns; }

// Where the column block from `column` on begins in all weights.
SK_INLINE const float* block_of(const Panels& p, const float* values, std::int64_t column) {
    return values + column * p.taps * p.inputs;
}
SK_INLINE const std::int16_t* block_of(const Panels& p, const std::int16_t* codes, std::int64_t column) {
    return codes + column / panel_columns * panel_columns * p.taps * p.inputs + column % panel_columns;
}

}  // namespace sk::SK_ISA
