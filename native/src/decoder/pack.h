// Weight packing: filters are transformed in double precision, rounded once, and laid out as the products read them.
#pragma once

#include "decoder/choose.h"
#include "decoder/model.h"
#include "kernels/tiles.h"

namespace sk {

struct Filter {
    const float* weight;  // [outputs][inputs][taps]
    const float* bias;    // [outputs] or null
    int outputs;
    int inputs;
    int taps;
    int dilation;
};

// The form of a convolution's weights in the end: not every scheme has every form.
Form form_of(int taps, Choice choice);

// With `codes`, of a filter in the form of codes, its weight is not read.
PackedConv pack_conv(const Filter& filter, const Kernels& kernels, Choice choice, const sk_codes* codes = nullptr);

// Transposed filter: weight [inputs][outputs][taps], upsampling by `rate`, padding (taps - rate) / 2; `scale`
// multiplies the weights, not the bias.
std::vector<PhaseGroup> pack_upsampling(const Filter& filter, int rate, const Kernels& kernels, Storage storage,
                                        double scale);

}  // namespace sk
