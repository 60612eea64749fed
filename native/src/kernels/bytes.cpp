// The BERT's kernels of one variant of an instruction set. CMake compiles this file once per variant with SK_ISA
// (namespace), SK_NAME, SK_SET (the instruction set's name), SK_WIDTH, SK_REGISTERS, and SK_VNNI where there are byte products.
#include "kernels/byte_kernels.h"

#include "kernels/disentangled.h"
#include "kernels/byte_product.h"

namespace sk::SK_ISA {

static void add_and_norm(const float* x, const float* add, const float* gain, const float* bias, int n, float epsilon,
                         float* out) {
    layer_norm(x, add, gain, bias, n, epsilon, out);
}

static void gelu_row(float* x, std::int64_t n) {
    for (std::int64_t k = 0; k < n; k += W) store(x + k, gelu(load(x + k)));
}

extern const ByteKernels byte_table;
const ByteKernels byte_table{SK_NAME,      SK_SET, code_bytes,    multiply_codes,
                             quantize_row, attend, add_and_norm, attention_scratch, gelu_row};

}  // namespace sk::SK_ISA
