#include "../stack_kernels.h"

#include "simd.h"

namespace sk::SK_ISA {

extern const StackKernels stack_table;
const StackKernels stack_table{};

}  // namespace sk::SK_ISA
