// Which scheme a convolution uses: a table from measurements (native/README.md), not a model.
#pragma once

#include "toom_cook.h"

namespace sk {

struct Choice {
    Outer outer;
    Inner inner;
};

// Many channels take the smaller inner schemes: 1.5 times fewer weights to keep and to stream for every chunk, which
// short chunks gain from and long ones lose 2 % by.
inline Choice choose(int inputs, int outputs, int taps) {
    const int channels = inputs < outputs ? inputs : outputs;
    const int groups = (taps + 3) / 4;
    const bool many = channels >= 256;
    if (taps == 1 || channels <= 8) return {Outer::direct, Inner::none};
    if (taps <= 3) return {channels <= 16 ? Outer::direct : Outer::f63, Inner::none};
    if (channels <= 16) return {Outer::f44, Inner::none};
    if (groups == 2 && channels > 32) return {Outer::f44, many ? Inner::f22 : Inner::f32};
    if (groups == 3) return {Outer::f44, many ? Inner::f23 : Inner::f43};
    return {Outer::f44, Inner::none};
}

// The phases of a transposed convolution. With very many channels the weights are the larger stream, and transformed
// ones are 1.75-2.5 times as many.
inline Choice choose_upsampling(int inputs, int taps) {
    if (inputs > 256 || inputs <= 16 || taps == 1 || taps > 4) return {Outer::direct, Inner::none};
    if (taps == 2) return {Outer::f42, Inner::none};
    return {taps == 3 ? Outer::f63 : Outer::f44, Inner::none};
}

}  // namespace sk
