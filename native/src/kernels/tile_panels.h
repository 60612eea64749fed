// Panels of the flow's layers (stack_kernels.h) by tiles: rows are split once, and a panel's codes, whole numbers of 16
// bits, are exactly two bfloat16 numbers; their scale comes at the end.
#pragma once

#include "kernels/panel_codes.h"
#include "kernels/tile_blocks.h"

namespace sk::SK_ISA {

// Rows [first, last) of the split input, counted from the first that an output reads.
static void split_input(const Panels& p, const PanelCall& call, const SplitRows& rows, std::int64_t first,
                        std::int64_t last) {
    const bool narrow = tile_steps(p.inputs, p.taps).narrow();
    const std::int64_t count = call.rows + p.taps - 1;  // behind them a row of zeros, for a pair of taps
    const auto part = [&](const float* from, int k) {
        return p.inputs - k >= W ? load(from + k) : p.inputs > k ? load_rest(from + k, p.inputs - k) : vec{};
    };
    for (std::int64_t r = first; r < last; ++r) {
        const float* from = call.in + (r - (p.taps - 1) / 2) * call.in_stride;
        char* to = rows.data + r * (narrow ? tile_depth : 2 * tile_depth);
        for (int k = 0; k < p.inputs; k += tile_depth, to += rows.block) {
            const vec a = r < count ? part(from, k) : vec{};
            if (narrow)
                store_split<true>(a, vec{}, to, rows.half);
            else
                store_split<false>(a, r < count ? part(from, k + W) : vec{}, to, rows.half);
        }
    }
}

// The operands of one panel.
template <int N>
SK_INLINE void expand_panel(const Panels& p, std::int64_t column, char* to) {
    const TileSteps steps = tile_steps(p.inputs, p.taps);
    const std::int16_t* codes = block_of(p, p.codes, column);
    constexpr std::int64_t half = N * tile_bytes;
    if (!steps.full(p.inputs, p.taps)) std::memset(to, 0, static_cast<std::size_t>(steps.count() * 2 * half));
    for (int tap = 0; tap < p.taps; ++tap)
        for (int i = 0; i < p.inputs; i += 2, codes += 2 * panel_columns) {
            const bool odd = i + 1 < p.inputs;
            const TilePlace place = steps.place(i, tap);
            char* const at = to + place.step * 2 * half + place.depth / 2 * 64;
            for (int v = 0; v < N; ++v)
                split_pair(load(codes + v * W), odd ? load(codes + panel_columns + v * W) : vec{}, at + v * tile_bytes,
                           half);
            if (!odd) codes -= panel_columns;
        }
}

// out = bias + scale c, optionally max(., 0), for `count` rows.
template <int N>
SK_INLINE void write_panel(const Panels& p, const PanelCall& call, const float* c, std::int64_t row,
                           std::int64_t count) {
    for (int v = 0; v < N; ++v) {
        const std::int64_t column = call.column + v * W;
        const vec scale = load(p.scales + column), bias = load(p.bias + column);
        float* to = call.out + row * call.out_stride + column;
        for (std::int64_t r = 0; r < count; ++r, to += call.out_stride) {
            const vec y = load(c + (r * N + v) * W) * scale + bias;
            store(to, call.relu ? larger(y, vec{}) : y);
        }
    }
}

template <int N, int Stride>
SK_INLINE void panel_tiles(const Panels& p, const PanelCall& call, const SplitRows& rows) {
    const TileSteps steps = tile_steps(p.inputs, p.taps);
    char* const weights = reinterpret_cast<char*>(call.scratch);
    alignas(64) float c[most_rows<N> * N * W];
    expand_panel<N>(p, call.column, weights);
    _tile_loadconfig(&whole_tiles);
    Fetch fetch{weights, 0};
    for (std::int64_t j = 0; j < call.rows;) {
        const Operand a{rows.data + j * Stride, (Stride == tile_depth ? 2 : 1) * Stride, rows.block, rows.half};
        const int done = rows_of_next<N>(call.rows - j);
        settle();
        block<N, Stride>(done, a, steps, weights, c, fetch);
        settle();
        const std::int64_t here = call.rows - j < done ? call.rows - j : done;
        write_panel<N>(p, call, c, j, here);
        j += here;
    }
    _tile_release();
}

// One panel of rows [call.out, + call.rows) from row 0 of the split ones on; call.in is not read.
static void tile_panel(const Panels& p, const PanelCall& call, const SplitRows& rows) {
    const bool narrow = tile_steps(p.inputs, p.taps).narrow(), wide = panel_width(p, call.column) == 2 * W;
    if (narrow)
        wide ? panel_tiles<2, tile_depth>(p, call, rows) : panel_tiles<1, tile_depth>(p, call, rows);
    else
        wide ? panel_tiles<2, 2 * tile_depth>(p, call, rows) : panel_tiles<1, 2 * tile_depth>(p, call, rows);
}

}  // namespace sk::SK_ISA
