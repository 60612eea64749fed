// Rows of 8-bit codes times a strip by tiles of matrices (AMX): the weights' panels are operands as they lie, 16 groups
// of inputs of a panel being one tile. The sums are whole numbers, the same as everywhere.
#pragma once

#include <immintrin.h>

#include "kernels/byte_product.h"
#include "kernels/tiles.h"

namespace sk::SK_ISA {

constexpr int tile_inputs = tile_bytes / group_bytes * group_inputs;
constexpr std::int64_t least_tiled_rows = 4;

// Tiles 0, 1 and 4 have `first` rows, 2, 3 and 5 `second`: sums of two panels by two blocks of rows, and rows of codes.
struct alignas(64) TileShape {
    std::uint8_t palette = 1, start = 0, reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16];
    TileShape(std::uint8_t first, std::uint8_t second) : rows{first, first, second, second, first, second, 16, 16} {}
};

// Rows [row, row + first + second) of a strip of two panels: sums [first + second][32].
SK_INLINE void accumulate_tiles(const Strip& strip, std::int64_t row, std::int64_t first, Fetch fetch,
                                std::int64_t lines, std::int32_t* sums) {
    const ByteProduct& p = strip.product;
    const std::int64_t stride = p.rows.stride;
    const std::uint8_t *x = p.rows.codes + row * stride, *const end = x + p.linear->inputs, *y = x + first * stride;
    const std::int8_t *left = strip.weights, *right = strip.weights + strip.panel_bytes;
    __asm__ volatile("" ::: "memory");  // tile loads read what was written
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (; x != end; x += tile_inputs, y += tile_inputs, left += tile_bytes, right += tile_bytes) {
        for (std::int64_t i = 0; i < lines; ++i, fetch.at += 64) __builtin_prefetch(fetch.at, 0, 2);
        _tile_loadd(6, left, group_bytes);
        _tile_loadd(4, x, stride);
        _tile_dpbusd(0, 4, 6);
        _tile_loadd(7, right, group_bytes);
        _tile_dpbusd(1, 4, 7);
        _tile_loadd(5, y, stride);
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
    }
    constexpr int step = strip_outputs * sizeof(std::int32_t);
    _tile_stored(0, sums, step);
    _tile_stored(1, sums + panel_outputs, step);
    _tile_stored(2, sums + first * strip_outputs, step);
    _tile_stored(3, sums + first * strip_outputs + panel_outputs, step);
    __asm__ volatile("" ::: "memory");
}

SK_INLINE bool tiled(const Strip& strip, int vectors) {
    const ByteProduct& p = strip.product;
    return vectors * W == strip_outputs && p.count >= least_tiled_rows && p.linear->inputs % tile_inputs == 0;
}

// `fetch.step` is here the number of bytes to fetch in all.
SK_INLINE void tile_strip(const Strip& strip, Fetch fetch) {
    const ByteProduct& p = strip.product;
    alignas(64) std::int32_t sums[2 * tile_rows * strip_outputs];
    const std::int64_t blocks = ceil_div(p.count, 2 * tile_rows), steps = p.linear->inputs / tile_inputs;
    const std::int64_t lines = ceil_div(fetch.step, 64 * blocks * steps);
    for (std::int64_t row = 0, left = blocks; left > 0; --left) {
        const std::int64_t rows = ceil_div(p.count - row, left), first = (rows + 1) / 2;
        const TileShape shape(static_cast<std::uint8_t>(first), static_cast<std::uint8_t>(rows - first));
        _tile_loadconfig(&shape);
        accumulate_tiles(strip, row, first, fetch, lines, sums);
        for (int v = 0; v < strip_outputs / W; ++v)
            finish_codes(p, row, rows, strip.first + v * W, [&](std::int64_t r) {
                ints sum;
                std::memcpy(&sum, sums + r * strip_outputs + v * W, sizeof sum);
                return sum;
            });
        fetch.at += steps * lines * 64;
        row += rows;
    }
    _tile_release();
}

}  // namespace sk::SK_ISA
