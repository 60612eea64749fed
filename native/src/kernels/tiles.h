// Convolution by tiles of matrices (AMX), whose products are of bfloat16 numbers: an operand is the sum of two.
//
// x = high + low + 2^-18 x, both with 8 significant bits, and a product is high high + high low + low high, summed in
// single precision; low low is 2^-18 of it. That is three products of tiles for one of floats, exact to 107 dB, at 512
// multiply-adds a cycle (a core's vectors do 32). Sums over 32 inputs, or over 16 inputs of two groups, are one
// instruction.
//
// The convolution is direct or of one Toom-Cook level (toom_cook.h). Rows are transformed and split once, class by
// class of the dilation, so that those of a tile lie side by side for every group of taps.
#pragma once

#include "kernels/kernels.h"

namespace sk {

constexpr int tile_rows = 16;
constexpr int tile_columns = 16;
constexpr int tile_depth = 32;  // numbers of a row
constexpr int tile_bytes = 1024;
constexpr int tile_halves = tile_bytes / 2;  // numbers of an operand

// Where an input and a group of taps are in the inner dimension: the step, and the number within its tile.
struct TilePlace {
    int step, depth;
};

// How the inner dimension is cut into steps of one tile.
struct TileSteps {
    int blocks;     // of inputs
    int groups;     // of taps, or pairs of them
    int row_bytes;  // of a split row
    SK_HEADER constexpr int count() const { return blocks * groups; }
    SK_HEADER constexpr bool narrow() const { return row_bytes == tile_depth; }
    // Whether every number of every tile stands for a weight; where not, zeros stand there.
    SK_HEADER constexpr bool full(int inputs, int taps) const {
        return narrow() ? inputs == tile_depth / 2 && taps % 2 == 0 : inputs % tile_depth == 0;
    }
    SK_HEADER constexpr TilePlace place(int input, int group) const {
        if (narrow()) return {group / 2, group % 2 * (tile_depth / 2) + input};
        return {input / tile_depth * groups + group, input % tile_depth};
    }
};

SK_HEADER constexpr TileSteps tile_steps(int inputs, int groups) {
    if (inputs <= tile_depth / 2) return {1, (groups + 1) / 2, tile_depth};
    return {static_cast<int>(ceil_div(inputs, tile_depth)), groups, 2 * tile_depth};
}

// Floats of the operands of `columns` outputs: [point][step][high, low][column tile][pair of inputs][output][2].
SK_HEADER constexpr std::int64_t tile_panel_floats(const Conv& conv, int columns) {
    const std::int64_t steps = tile_steps(conv.inputs, conv.groups).count();
    return outer_scheme(conv.outer).points * steps * 2 * (columns / tile_columns) * (tile_bytes / 4);
}

// The split input of one pass over `length` outputs: [point][high, low][block of inputs][class, row][row_bytes].
struct TileRows {
    std::int64_t outputs;  // rows per class whose products are wanted
    std::int64_t rows;     // per class
    std::int64_t block;    // bytes of a block of inputs
    std::int64_t half;     // bytes of the high halves
    std::int64_t point;    // bytes of a point
};

SK_HEADER constexpr TileRows tile_rows_of(const Conv& conv, std::int64_t length) {
    const TileSteps steps = tile_steps(conv.inputs, conv.groups);
    const std::int64_t outputs = ceil_div(ceil_div(length, conv.dilation), outer_scheme(conv.outer).outputs);
    // A pair of groups may read one row more; the last tile reads rows whose products are not wanted.
    const std::int64_t rows = outputs + conv.groups;
    const std::int64_t block = (conv.dilation * rows + tile_rows) * steps.row_bytes;
    return {outputs, rows, block, steps.blocks * block, 2 * steps.blocks * block};
}

// The split input of one pass, in bytes: with room for the rest in the second-level cache; more where weights become
// operands at use, which they do once a pass.
constexpr std::int64_t split_bytes_direct = 64 << 10;
constexpr std::int64_t split_bytes_transformed = 320 << 10;
constexpr std::int64_t split_bytes_codes = 1200 << 10;

SK_HEADER constexpr std::int64_t most_tile_pass(const Conv& conv) {
    const TileSteps steps = tile_steps(conv.inputs, conv.groups);
    const Scheme outer = outer_scheme(conv.outer);
    const std::int64_t bytes = conv.weights.codes ? split_bytes_codes
                               : outer.points > 1 ? split_bytes_transformed
                                                  : split_bytes_direct;
    const std::int64_t tiles = bytes / (outer.points * 2 * steps.row_bytes * steps.blocks);
    return (tiles ? tiles : 1) * outer.outputs;
}

// Floats of scratch for `length` outputs.
SK_HEADER constexpr std::int64_t tile_scratch(const Conv& conv, std::int64_t length) {
    const std::int64_t pass = length < most_tile_pass(conv) ? length : most_tile_pass(conv);
    const std::int64_t panel = conv.weights.codes ? tile_panel_floats(conv, panel_columns) : 0;
    return panel + outer_scheme(conv.outer).points * tile_rows_of(conv, pass).point / 4;
}

}  // namespace sk
