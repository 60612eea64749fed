// Byte kernels: one table per instruction set.
#pragma once

namespace sk {

struct ByteKernels {};

}  // namespace sk
