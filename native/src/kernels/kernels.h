// What the decoder asks of a set of kernels. Each instruction set provides one `Kernels` table (see kernels/).
//
// Signals are channels-last: a row is one time step, `stride` floats long (channels padded to the vector width; the
// padding holds zeros). Rows outside [first, first + count) read as zero.
#pragma once

#include <cstddef>
#include <cstdint>

#include "memory/storage.h"
#include "kernels/toom_cook.h"

// Inlined always: this header is compiled for several instruction sets, and the linker keeps one copy of what is not.
#define SK_HEADER inline __attribute__((always_inline))

namespace sk {

struct Signal {
    float* data;
    std::int64_t first;
    std::int64_t count;
    std::int64_t stride;

    SK_HEADER float* row(std::int64_t t) const { return data + (t - first) * stride; }
    SK_HEADER bool has(std::int64_t t) const { return t >= first && t < first + count; }
};

// The weights of a convolution, in one of three forms; `columns` is the width of a column block.
struct Weights {
    const float* products;      // transformed: [product][column block][segment][input][columns], or operands of tiles
    const float* filter;        // to be transformed at use: [column block][input][tap][columns]
    const std::int16_t* codes;  // of the filter: [panel][input][tap][panel_columns]
    const float* scales;        // of the codes: [tap][padded_outputs, rounded up to panel_columns]
};

// A convolution whose weights are packed for one instruction set: y[t] = bias + sum_k W_k x[t + d k - pad].
struct Conv {
    int inputs;
    int outputs;
    int padded_outputs;
    int taps;
    int dilation;
    int pad;  // may be negative
    Outer outer;
    Inner inner;
    bool tiles;    // products by tiles (tiles.h)
    int groups;    // ceil(taps / outer taps)
    int segments;  // of one product: the groups, or 1 with an inner scheme
    Weights weights;
    const float* bias;  // [padded_outputs]
};

// One call of a convolution: out[lo, hi) = [out +] [residual +] conv(leaky(in, slope)).
struct ConvCall {
    Signal in;
    Signal out;
    const Signal* residual;  // may be null; may be the same memory as out
    bool accumulate;
    float slope;
    std::int64_t lo;
    std::int64_t hi;
    float* scratch;
};

// How a Toom-Cook convolution cuts `length` outputs: `dilation` residue classes of `tiles_in` input tiles each, of
// which the first tiles are outputs; `super` inner tiles per class.
struct Tiling {
    std::int64_t tiles;     // output tiles per class
    std::int64_t tiles_in;  // input tiles per class
    std::int64_t super;     // inner tiles per class
    std::int64_t plane;     // floats of one point's plane
    std::int64_t row;       // floats of one row of a plane
    std::int64_t wide;      // floats of one inner plane
};

// The convolution to one channel: weights [taps][stride of its input].
struct LastConv {
    const float* weights;
    int taps;
    float bias;
};

struct StackKernels;     // stack_kernels.h: dense layers and convolutions of the flow and the encoder
struct DurationKernels;  // duration_kernels.h: the duration predictors
struct TileKernels;      // stack_kernels.h: the same layers by tiles

struct Kernels {
    const char* name;
    int width;    // floats per vector
    int columns;  // output channels of one register block
    void (*convolve)(const Conv&, const ConvCall&);
    // out[t - lo] = tanh(bias + sum_k w[k] . leaky(in[t + k - pad])) for t in [lo, hi)
    void (*finish)(const Signal& in, const LastConv& conv, float slope, std::int64_t lo, std::int64_t hi, float* out);
    const StackKernels* stack;
    const DurationKernels* durations;
    const TileKernels* tiles;  // where convolutions and layers by tiles (tiles.h) are to be had, or null
};

SK_HEADER constexpr std::int64_t round_up(std::int64_t value, std::int64_t unit) {
    return (value + unit - 1) / unit * unit;
}
SK_HEADER constexpr std::int64_t ceil_div(std::int64_t value, std::int64_t unit) { return (value + unit - 1) / unit; }

Tiling tiling(const Conv& conv, std::int64_t length, int width);

// Floats of the panels that weights are brought into at use, for one outer point; they are the head of the scratch.
SK_HEADER constexpr std::int64_t panel_floats(const Conv& conv, int width) {
    if (conv.weights.products) return 0;
    return std::int64_t{conv.segments} * inner_scheme(conv.inner).points * conv.inputs * 2 * width;
}

// Outputs that a direct convolution computes at once.
constexpr std::int64_t direct_rows = 192;

// Floats of scratch that a convolution over `length` outputs needs.
std::int64_t conv_scratch(const Conv& conv, std::int64_t length, int width);

// The kernels for a name, or the best ones of this machine for an empty name; null if unknown or not usable here.
const Kernels* find_kernels(const char* name);
const char* usable_kernels();

}  // namespace sk
