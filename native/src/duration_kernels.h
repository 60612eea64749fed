// Duration kernels: one table per instruction set.
#pragma once

namespace sk {

struct DurationKernels {};

}  // namespace sk
