// What the transformer stack and dense layers ask of an instruction set; see dense.h and stack.h.
#pragma once

#include <cstdint>

namespace sk {

// Weights [panel][tap][input][panel columns], a panel being two vectors of outputs (the last one maybe one vector):
// as floats, or as codes with a scale per output.
struct Panels {
    int taps;
    int inputs;
    int outputs;
    std::int64_t padded_outputs;
    const float* values;        // null when there are codes
    const std::int16_t* codes;  // null when there are values
    const float* scales;        // [padded_outputs], with codes
    const float* bias;          // [padded_outputs]
};

struct StackKernels {};

}  // namespace sk
