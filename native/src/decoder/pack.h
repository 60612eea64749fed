// Weight packing: filters are transformed in double precision, rounded once, and laid out as the products read them.
#pragma once

#include "decoder/choose.h"
#include "decoder/model.h"

namespace sk {

struct Filter {
    const float* weight;  // [outputs][inputs][taps]
    const float* bias;    // [outputs] or null
    int outputs;
    int inputs;
    int taps;
    int dilation;
};

PackedConv pack_conv(const Filter& filter, const Kernels& kernels, Choice choice);

// Transposed filter: weight [inputs][outputs][taps], upsampling by `rate`, padding (taps - rate) / 2; `scale`
// multiplies the weights, not the bias.
std::vector<PhaseGroup> pack_upsampling(const Filter& filter, int rate, const Kernels& kernels, Storage storage,
                                        double scale);

}  // namespace sk
