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

extern const ByteKernels byte_table;
const ByteKernels byte_table{SK_NAME,      SK_SET, sizeof(Code),  multiply_codes,
                             quantize_row, attend, add_and_norm, attention_scratch};

}  // namespace sk::SK_ISA
