// What the duration predictors ask of a set of kernels: one table per instruction set.
//
// Rows are time steps, channels padded to the vector width; the padding holds zeros.
#pragma once

#include <cstdint>

#include "kernels/stack_kernels.h"

namespace sk {

struct Rows {
    float* data;
    std::int64_t stride;
    std::int64_t count;
};

struct ChannelNorm {
    const float* gain;
    const float* bias;
    int channels;
};

// x + gelu(norm(mix(gelu(norm(depthwise(x)))))), the depthwise convolution with three taps `dilation` rows apart.
struct SeparableLayer {
    const float* taps;  // [3][stride], then the bias [stride]
    ChannelNorm first;
    Panels mix;
    ChannelNorm second;
    int dilation;
};

constexpr int spline_bins = 10;
constexpr int spline_parameters = 3 * spline_bins - 1;  // raw widths, heights and inner slopes
constexpr double spline_tail = 5.0;                     // outside [-5, 5] the spline is the identity

constexpr int most_taps = 64;

struct DurationKernels {
    // out = panels(x), count rows; x has taps - 1 further rows below. Weights are floats.
    void (*affine)(const Panels& panels, const Rows& x, const Rows& out);

    // out = layer(x), count rows; x has `dilation` further rows above and below; scratch [2 count][stride].
    void (*separable)(const SeparableLayer& layer, const Rows& x, float* out, float* scratch);

    // In place: norm(max(x, 0)).
    void (*relu_norm)(const ChannelNorm& norm, const Rows& x);

    // out[t] = at[t] weight + bias + condition[t]; out has the stride of `condition`.
    void (*lift)(const float* at, const float* weight, const float* bias, const Rows& condition, float* out);

    // In place: y[t] goes through the inverse of the spline with the parameters theta[t], whose widths and heights are
    // multiplied by `scale` first.
    void (*spline)(const Rows& theta, float scale, float* y);
};

}  // namespace sk
