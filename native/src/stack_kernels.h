// Stack kernels: one table per instruction set.
#pragma once

namespace sk {

struct StackKernels {};

}  // namespace sk
