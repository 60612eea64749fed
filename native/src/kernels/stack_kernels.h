// What the transformer stack and dense layers ask of an instruction set; see dense.h and stack.h.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace sk {

// Weights as floats, [column block][tap][input][columns], a block being two vectors of outputs (the last one maybe one), or
// as codes with a scale per output, [panel][tap][input][panel_columns].
struct Panels {
    int taps;
    int inputs;
    int outputs;
    std::int64_t padded_outputs;
    const float* values;        // null when there are codes
    const std::int16_t* codes;  // null when there are values
    const float* scales;        // [padded_outputs] or more, with codes
    const float* bias;          // [padded_outputs]
};

// Where weight(tap, input, output) lies before packing: at weight[tap * tap_stride + input * input_stride + output].
struct PlainWeights {
    const float* weight;
    std::int64_t tap_stride;
    std::int64_t input_stride;
};

// One panel of a product or direct convolution, up to panel_columns outputs: out = bias + sum_k W_k in[t + k - (taps - 1) / 2] for rows of outputs
// from `column` on. Rows of `in` outside [0, rows) are read as they lie in memory.
struct PanelCall {
    std::int64_t column;
    std::int64_t rows;
    const float* in;
    std::int64_t in_stride;
    float* out;
    std::int64_t out_stride;
    bool relu;
    float* scratch;  // panel_scratch floats; in the direct form only with codes
};

// Toom-Cook convolution over 8 points: planes [point][tile][row]. F(4,5): 4 outputs a tile, F(6,3): 6.
constexpr int toom_points = 8;
SK_HEADER constexpr bool toom_taps(int taps) { return taps == 3 || taps == 5; }
SK_HEADER constexpr int toom_outputs(int taps) { return toom_points + 1 - taps; }
constexpr int toom_depth = 192;     // inputs whose transformed filters of one panel are held at once
constexpr int product_depth = 512;  // inputs whose expanded codes of one panel are held at once

struct ToomPlanes {
    float* data;
    std::int64_t plane;  // floats of a point's plane
    std::int64_t row;    // floats of a tile's row
};

// Rows split for tiles (tiles.h): [high, low][block of inputs][row][64 or 32 bytes].
struct SplitRows {
    char* data;
    std::int64_t block;  // bytes
    std::int64_t half;
};

constexpr int window = 4;  // relative attention reaches this far
constexpr int window_size = 2 * window + 1;
constexpr float norm_epsilon = 1e-5f;


// Floats of a row of attention scores: an odd number of vectors, so that rows do not share a cache set.
SK_HEADER constexpr std::int64_t score_stride(std::int64_t rows, int width) {
    return (ceil_div(rows, width) | 1) * width;
}

SK_HEADER constexpr std::int64_t window_scratch(std::int64_t queries, std::int64_t rows, int head_width, int width) {
    const std::int64_t mixed = round_up(head_width, width);
    return queries * (score_stride(rows, width) + round_up(window_size, width) + mixed) + mixed;
}

// Floats of one worker for a panel over `rows` rows at once.
SK_HEADER constexpr std::int64_t direct_scratch(const Panels& panels) {
    const int depth = panels.inputs < product_depth ? panels.inputs : product_depth;
    return panels.codes ? std::int64_t{depth} * panel_columns : 0;
}
SK_HEADER constexpr std::int64_t toom_scratch(const Panels& panels, std::int64_t rows) {
    const std::int64_t depth = panels.inputs < toom_depth ? panels.inputs : toom_depth;
    return toom_points * panel_columns * (depth + ceil_div(rows, toom_outputs(panels.taps)));
}

// Relative attention of one run: qkv [rows][3 channels], heads side by side in each third.
struct WindowAttention {
    const float* qkv;
    std::int64_t qkv_stride;
    std::int64_t rows;
    int channels;
    int heads;
    float* keys;    // [head] packed by pack_head: transposed, and values as they are
    float* values;  // [head]
    std::int64_t keys_size, values_size;  // floats of a head
    const float* relative_keys;           // operands, see StackLayer
    const float* relative_values;
    float* out;  // [rows][channels]
    std::int64_t out_stride;
};

struct NormCall {
    const float* x;
    const float* add;  // may be null
    const float* gain;
    const float* bias;
    float* out;
    std::int64_t x_stride, add_stride, out_stride;
    int channels;
};

// out = tanh(a + condition's first half) . sigmoid(b + its second half) of rows [a | b], both halves `channels` wide.
struct GateCall {
    const float* in;
    const float* condition;  // [2 channels]
    float* out;
    std::int64_t in_stride, out_stride;
    int channels;
};

struct StackKernels {
    // Fills the panels' weights from plain ones: values, or codes and scales where codes is not null.
    void (*pack)(const Panels& panels, const PlainWeights& plain, float* values, std::int16_t* codes, float* scales);
    void (*product)(const Panels& panels, const PanelCall& call);
    // Planes of tiles [first, last) of rows `in`, whose row before row 0 and after the last one are zeros.
    void (*toom_input)(const Panels& panels, const PanelCall& call, const ToomPlanes& planes, std::int64_t first,
                       std::int64_t last);
    // One panel of rows [call.out, + call.rows) from tile 0 of the planes on; call.in is not read.
    void (*toom_panel)(const Panels& panels, const PanelCall& call, const ToomPlanes& planes);
    // rows [count][width], contiguous, as a product's operand of count * round_up(width, vector) floats.
    void (*pack_rows)(const float* rows, std::int64_t count, int width, float* to);
    void (*pack_keys)(const WindowAttention& attention, int head);
    void (*pack_values)(const WindowAttention& attention, int head);
    // Queries [lo, hi) of a head; scratch of window_scratch floats.
    void (*attend)(const WindowAttention& attention, int head, std::int64_t lo, std::int64_t hi, float* scratch);
    void (*norm)(const NormCall& norm, std::int64_t lo, std::int64_t hi);
    void (*gate)(const GateCall& gate, std::int64_t lo, std::int64_t hi);  // rows; padding of `out` becomes zero
};

// Layers with codes by tiles.
struct TileKernels {
    // Rows [first, last) of the split input, counted from the first that an output reads.
    void (*split_input)(const Panels& panels, const PanelCall& call, const SplitRows& rows, std::int64_t first,
                        std::int64_t last);
    // One panel of rows [call.out, + call.rows) from split row 0 on; call.in is not read.
    void (*panel)(const Panels& panels, const PanelCall& call, const SplitRows& rows);
};

}  // namespace sk
