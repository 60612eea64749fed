// Direct convolution and transposed convolution for few channels: the activated input is copied once, with its zero
// padding, and every tap is one segment of a fused product.
#pragma once

#include "../kernels.h"
#include "gemm.h"

namespace sk::SK_ISA {

// to[t - lo] = leaky(in[t]) for t in [lo, hi), zero outside the signal; rows `row` floats apart.
SK_INLINE void activate(const Signal& in, std::int64_t lo, std::int64_t hi, float slope, std::int64_t row, float* to) {
    const vec s = splat(slope);
    for (std::int64_t t = lo; t < hi; ++t, to += row) {
        const float* from = in.has(t) ? in.row(t) : nullptr;
        for (std::int64_t k = 0; k < row; k += W) store(to + k, from ? leaky(load(from + k), s) : vec{});
    }
}

// Rows of one pass: the copy and the outputs stay in the first-level cache.
constexpr std::int64_t direct_rows = 192;

SK_INLINE void direct_pass(const Conv& conv, const ConvCall& call, const std::int64_t* offsets, std::int64_t lo,
                           std::int64_t hi) {
    const std::int64_t row = round_up(conv.inputs, W);
    const std::int64_t reach = std::int64_t{conv.taps - 1} * conv.dilation;
    activate(call.in, lo - conv.pad, hi - conv.pad + reach, call.slope, row, call.scratch);
    Product p{};
    p.a = call.scratch;
    p.lda = row;
    p.offsets = offsets;
    p.segments = conv.taps;
    p.depth = conv.inputs;
    p.weights = conv.weights;
    p.c = call.out.row(lo);
    p.ldc = call.out.stride;
    p.rows = hi - lo;
    p.columns = conv.padded_outputs;
    p.bias = conv.bias;
    p.residual = call.residual ? call.residual->row(lo) : nullptr;
    p.ldr = call.residual ? call.residual->stride : 0;
    p.accumulate = call.accumulate;
    multiply<true>(p);
}

SK_INLINE void direct(const Conv& conv, const ConvCall& call) {
    std::int64_t offsets[64];
    for (int k = 0; k < conv.taps; ++k) offsets[k] = std::int64_t{k} * conv.dilation * round_up(conv.inputs, W);
    for (std::int64_t lo = call.lo; lo < call.hi; lo += direct_rows)
        direct_pass(conv, call, offsets, lo, lo + direct_rows < call.hi ? lo + direct_rows : call.hi);
}

// One phase of a transposed convolution over input positions [t0, t1): out[t * rate + phase].
SK_INLINE void upsample_phase(const Upsampling& up, const ConvCall& call, int phase, std::int64_t t0, std::int64_t t1,
                              std::int64_t first) {
    const std::int64_t row = round_up(up.inputs, W);
    const Phase& ph = up.phases[phase];
    // Outputs outside [lo, hi) are not written.
    const std::int64_t begin = call.lo > t0 * up.rate + phase ? t0 + 1 : t0;
    const std::int64_t end = (t1 - 1) * up.rate + phase >= call.hi ? t1 - 1 : t1;
    if (begin >= end) return;
    std::int64_t offsets[64];
    for (int q = 0; q < ph.taps; ++q) offsets[q] = (ph.shift - q) * row;
    Product p{};
    p.a = call.scratch + (begin - first) * row;
    p.lda = row;
    p.offsets = offsets;
    p.segments = ph.taps;
    p.depth = up.inputs;
    p.weights = ph.weights;
    p.c = call.out.row(begin * up.rate + phase);
    p.ldc = call.out.stride * up.rate;
    p.rows = end - begin;
    p.columns = up.padded_outputs;
    p.bias = up.bias;
    multiply<true>(p);
}

SK_INLINE void transposed(const Upsampling& up, const ConvCall& call) {
    std::int64_t before = 0, after = 0;  // how far the taps of any phase reach
    for (int i = 0; i < up.rate; ++i) {
        const std::int64_t last = up.phases[i].shift, start = last - up.phases[i].taps + 1;
        before = -start > before ? -start : before;
        after = last > after ? last : after;
    }
    const std::int64_t t_lo = call.lo / up.rate, t_hi = (call.hi + up.rate - 1) / up.rate;
    for (std::int64_t t0 = t_lo; t0 < t_hi; t0 += direct_rows) {
        const std::int64_t t1 = t0 + direct_rows < t_hi ? t0 + direct_rows : t_hi;
        activate(call.in, t0 - before, t1 + after, call.slope, round_up(up.inputs, W), call.scratch);
        for (int i = 0; i < up.rate; ++i) upsample_phase(up, call, i, t0, t1, t0 - before);
    }
}

}  // namespace sk::SK_ISA
