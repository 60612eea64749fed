// Dense layers, same-size convolutions and relative attention of one instruction set; see kernels.cpp.
#include "kernels/panels.h"
#include "kernels/window_attention.h"

namespace sk::SK_ISA {

static void pack_operand(const float* rows, std::int64_t count, int width, float* to) {
    pack_rows(rows, width, count, width, to);
}

static void norm(const NormCall& n, std::int64_t lo, std::int64_t hi) {
    for (std::int64_t t = lo; t < hi; ++t)
        layer_norm(n.x + t * n.x_stride, n.add ? n.add + t * n.add_stride : nullptr, n.gain, n.bias, n.channels,
                   norm_epsilon, n.out + t * n.out_stride);
}

// Exponentials alone: 1 - 2 / (1 + e^2a) is within 1e-7 of tanh, and what follows is a sum over all channels.
SK_INLINE vec gated(vec a, vec b) { return (1.0f - 2.0f / (1.0f + exp(2.0f * a))) / (1.0f + exp(-b)); }

static void gate(const GateCall& g, std::int64_t lo, std::int64_t hi) {
    const int whole = g.channels / W * W, rest = g.channels - whole;
    for (std::int64_t t = lo; t < hi; ++t) {
        const float *a = g.in + t * g.in_stride, *b = a + g.channels;
        const float *for_a = g.condition, *for_b = for_a + g.channels;
        float* out = g.out + t * g.out_stride;
        for (int k = 0; k < whole; k += W)
            store(out + k, gated(load(a + k) + load(for_a + k), load(b + k) + load(for_b + k)));
        if (rest)
            store(out + whole, gated(load_rest(a + whole, rest) + load_rest(for_a + whole, rest),
                                     load_rest(b + whole, rest) + load_rest(for_b + whole, rest)));
    }
}

extern const StackKernels stack_table;
const StackKernels stack_table{pack,      product,     toom_input, toom_panel, pack_operand,
                               pack_keys, pack_values, attend,     norm,   gate};

}  // namespace sk::SK_ISA
