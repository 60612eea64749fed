// Direct convolution, for few channels or a single tap: the activated input is copied once, with its zero
// padding, and every tap is one segment of a fused product.
#pragma once

#include "kernels/conv_product.h"

namespace sk::SK_ISA {

// to[t - lo] = leaky(in[t]) for t in [lo, hi), zero outside the signal; rows `row` floats apart.
SK_INLINE void activate(const Signal& in, std::int64_t lo, std::int64_t hi, float slope, std::int64_t row, float* to) {
    const vec s = splat(slope);
    for (std::int64_t t = lo; t < hi; ++t, to += row) {
        const float* from = in.has(t) ? in.row(t) : nullptr;
        for (std::int64_t k = 0; k < row; k += W) store(to + k, from ? leaky(load(from + k), s) : vec{});
    }
}

SK_INLINE void direct_pass(const Conv& conv, const ConvCall& call, const std::int64_t* offsets, std::int64_t lo,
                           std::int64_t hi) {
    const std::int64_t row = round_up(conv.inputs, W);
    const std::int64_t reach = std::int64_t{conv.taps - 1} * conv.dilation;
    float* activated = call.scratch + panel_floats(conv, W);
    activate(call.in, lo - conv.pad, hi - conv.pad + reach, call.slope, row, activated);
    Product p = conv_product(conv, 0);
    p.a = activated;
    p.lda = row;
    p.offsets = offsets;
    p.c = call.out.row(lo);
    p.ldc = call.out.stride;
    p.rows = hi - lo;
    p.bias = conv.bias;
    p.residual = call.residual ? call.residual->row(lo) : nullptr;
    p.ldr = call.residual ? call.residual->stride : 0;
    p.accumulate = call.accumulate;
    if (conv.weights.codes)
        expanded_product(conv, p, call.scratch);
    else
        multiply<true>(p);
}

SK_INLINE void direct(const Conv& conv, const ConvCall& call) {
    std::int64_t offsets[64];
    for (int k = 0; k < conv.taps; ++k) offsets[k] = std::int64_t{k} * conv.dilation * round_up(conv.inputs, W);
    for (std::int64_t lo = call.lo; lo < call.hi; lo += direct_rows)
        direct_pass(conv, call, offsets, lo, lo + direct_rows < call.hi ? lo + direct_rows : call.hi);
}

}  // namespace sk::SK_ISA
