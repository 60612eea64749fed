// The last convolution, to one channel, and tanh.
#pragma once

#include <cstring>
#include <utility>

#include "kernels/kernels.h"
#include "kernels/math.h"
#include "kernels/simd.h"

namespace sk::SK_ISA {

// Lane sums of W vectors as one vector: log2(W) rounds, each adding the even and the odd lanes of neighbours.
template <int... I>
SK_INLINE vec add_pairs(vec a, vec b, const std::integer_sequence<int, I...>&) {
    return SK_SHUFFLE(a, b, 2 * I...) + SK_SHUFFLE(a, b, 2 * I + 1 ...);
}

SK_INLINE vec lane_sums(vec* v) {
    for (int count = W; count > 1; count /= 2)
        for (int i = 0; i < count / 2; ++i)
            v[i] = add_pairs(v[2 * i], v[2 * i + 1], std::make_integer_sequence<int, W>());
    return v[0];
}

// Per lane of channels: sum over the taps and channel vectors of w[k] . leaky(in[t + k - pad]).
SK_INLINE vec tap_sum(const Signal& in, const float* weights, int taps, vec slope, std::int64_t t) {
    vec sum{};
    for (int k = 0; k < taps; ++k) {
        const std::int64_t at = t + k - (taps - 1) / 2;
        if (!in.has(at)) continue;
        const float* row = in.row(at);
        for (std::int64_t c = 0; c < in.stride; c += W)
            sum += leaky(load(row + c), slope) * load(weights + k * in.stride + c);
    }
    return sum;
}

// out[t - lo] = tanh(sum_k w[k] . leaky(in[t + k - pad]) + bias)
SK_INLINE void finish(const Signal& in, const LastConv& conv, float slope, std::int64_t lo, std::int64_t hi,
                      float* out) {
    const vec s = splat(slope);
    for (std::int64_t t = lo; t < hi; t += W) {
        vec sums[W];
        for (int i = 0; i < W; ++i) sums[i] = tap_sum(in, conv.weights, conv.taps, s, t + i);
        float values[W];
        store(values, tanh(lane_sums(sums) + splat(conv.bias)));
        std::memcpy(out + t - lo, values, static_cast<std::size_t>(hi - t < W ? hi - t : W) * sizeof(float));
    }
}

}  // namespace sk::SK_ISA
