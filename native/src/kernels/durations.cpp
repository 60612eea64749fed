// Kernels of the duration predictors; compiled once per instruction set (see kernels.cpp).
#include "kernels/duration_kernels.h"

#include "kernels/spline.h"

namespace sk::SK_ISA {

namespace {

constexpr float norm_epsilon = 1e-5f;

void affine(const Panels& panels, const Rows& x, const Rows& out) {
    std::int64_t offsets[most_taps];
    for (int k = 0; k < panels.taps; ++k) offsets[k] = k * x.stride;
    Product p{};
    p.a = x.data;
    p.lda = x.stride;
    p.offsets = offsets;
    p.segments = panels.taps;
    p.depth = panels.inputs;
    p.weights = panels.values;
    p.c = out.data;
    p.ldc = out.stride;
    p.rows = out.count;
    p.columns = panels.padded_outputs;
    p.bias = panels.bias;
    multiply<true>(p);
}

SK_INLINE void normalize(const ChannelNorm& norm, float* row) {
    layer_norm(row, nullptr, norm.gain, norm.bias, norm.channels, norm_epsilon, row);
}

// out = bias + taps over the rows x - reach, x, x + reach; rows are `stride` floats long.
SK_INLINE void depthwise(const float* taps, const float* x, std::int64_t reach, std::int64_t stride, float* out) {
    for (std::int64_t c = 0; c < stride; c += W) {
        vec sum = load(taps + 3 * stride + c) + load(taps + c) * load(x - reach + c);
        sum += load(taps + stride + c) * load(x + c);
        store(out + c, sum + load(taps + 2 * stride + c) * load(x + reach + c));
    }
}

void separable(const SeparableLayer& layer, const Rows& x, float* out, float* scratch) {
    const std::int64_t s = x.stride;
    const Rows fed{scratch, s, x.count}, mixed{scratch + x.count * s, s, x.count};
    for (std::int64_t t = 0; t < x.count; ++t) {
        float* row = fed.data + t * s;
        depthwise(layer.taps, x.data + t * s, layer.dilation * s, s, row);
        normalize(layer.first, row);
        for (std::int64_t c = 0; c < s; c += W) store(row + c, gelu(load(row + c)));
    }
    affine(layer.mix, fed, mixed);
    for (std::int64_t t = 0; t < x.count; ++t) {
        float* row = mixed.data + t * s;
        normalize(layer.second, row);
        for (std::int64_t c = t * s; c < (t + 1) * s; c += W)
            store(out + c, load(x.data + c) + gelu(load(mixed.data + c)));
    }
}

void relu_norm(const ChannelNorm& norm, const Rows& x) {
    for (std::int64_t t = 0; t < x.count; ++t) {
        float* row = x.data + t * x.stride;
        for (std::int64_t c = 0; c < x.stride; c += W) {
            const vec v = load(row + c);
            store(row + c, v < 0.0f ? vec{} : v);  // NaN stays NaN
        }
        normalize(norm, row);
    }
}

void lift(const float* at, const float* weight, const float* bias, const Rows& condition, float* out) {
    for (std::int64_t t = 0; t < condition.count; ++t) {
        const vec z = splat(at[t]);
        for (std::int64_t c = 0; c < condition.stride; c += W) {
            const std::int64_t i = t * condition.stride + c;
            store(out + i, z * load(weight + c) + load(bias + c) + load(condition.data + i));
        }
    }
}

void spline(const Rows& theta, float scale, float* y) {
    for (std::int64_t t = 0; t < theta.count; ++t) y[t] = spline_inverse(theta.data + t * theta.stride, scale, y[t]);
}

}  // namespace

extern const DurationKernels duration_table;
const DurationKernels duration_table{affine, separable, relu_norm, lift, spline};

}  // namespace sk::SK_ISA
