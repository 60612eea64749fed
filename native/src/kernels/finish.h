// The last convolution, to one channel, and tanh.
#pragma once

#include <math.h>

#include "../kernels.h"
#include "simd.h"

namespace sk::SK_ISA {

SK_INLINE float sum_lanes(vec v) {
    float parts[W];
    store(parts, v);
    for (int half = W / 2; half > 0; half /= 2)
        for (int i = 0; i < half; ++i) parts[i] += parts[i + half];
    return parts[0];
}

// out[t] = tanh(sum_k w[k] . leaky(in[t + k - pad]))
SK_INLINE void finish(const Signal& in, const float* weights, int taps, float slope, std::int64_t lo, std::int64_t hi,
                      float* out) {
    const vec s = splat(slope);
    for (std::int64_t t = lo; t < hi; ++t) {
        vec sum{};
        for (int k = 0; k < taps; ++k) {
            const std::int64_t at = t + k - (taps - 1) / 2;
            if (!in.has(at)) continue;
            for (std::int64_t c = 0; c < in.stride; c += W)
                sum += leaky(load(in.row(at) + c), s) * load(weights + k * in.stride + c);
        }
        out[t - lo] = ::tanhf(sum_lanes(sum));
    }
}

}  // namespace sk::SK_ISA
