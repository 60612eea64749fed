#include "../duration_kernels.h"

#include "simd.h"

namespace sk::SK_ISA {

extern const DurationKernels duration_table;
const DurationKernels duration_table{};

}  // namespace sk::SK_ISA
