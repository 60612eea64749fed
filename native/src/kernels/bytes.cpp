#include "../byte_kernels.h"

#include "simd.h"

namespace sk::SK_ISA {

extern const ByteKernels byte_table;
const ByteKernels byte_table{};

}  // namespace sk::SK_ISA
