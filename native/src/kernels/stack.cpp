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

extern const StackKernels stack_table;
const StackKernels stack_table{pack,      product,     toom_input, toom_panel, pack_operand,
                               pack_keys, pack_values, attend,     norm};

}  // namespace sk::SK_ISA
