// Which scheme a convolution uses: a table from measurements (native/README.md), not a model.
#pragma once

#include "memory/storage.h"
#include "kernels/toom_cook.h"

namespace sk {

// How a convolution's weights are kept; see Weights in kernels.h.
enum class Form { products, filter, codes };

struct Choice {
    Outer outer;
    Inner inner;
    Form form = Form::products;
    bool tiles = false;  // tiles.h
};

// From so many channels on the weights of a layer are kept as the filter itself, and transformed at use: two to four
// times fewer bytes to keep and to stream, for a few operations per weight and tile.
constexpr int filter_channels = 128;

inline Form choose_form(Storage storage) { return storage == Storage::int16 ? Form::codes : Form::filter; }

// By tiles where there are some and the weights are codes: a sum of two bfloat16 numbers is as exact as a code.
inline Choice choose(int inputs, int outputs, int taps, Storage storage, bool tiles) {
    const int channels = inputs < outputs ? inputs : outputs;
    const int groups = (taps + 3) / 4;
    const Form form = channels >= filter_channels ? choose_form(storage) : Form::products;
    // Longer inner tiles cost 5 dB of what float32 leaves, and nothing of what codes leave.
    const bool coded = storage == Storage::int16;
    if (tiles && coded) {
        const Outer outer = taps == 1 || channels <= 16 ? Outer::direct : taps <= 3 ? Outer::f63 : Outer::f44;
        return {outer, Inner::none, form, true};
    }
    if (taps == 1) return {Outer::direct, Inner::none, form};
    if (channels <= 8) return {taps <= 3 ? Outer::direct : Outer::f44, Inner::none, form};
    if (taps <= 3) return {Outer::f63, Inner::none, form};
    // What runs once a frame (conv_pre of a small voice): nested schemes would take 7 times the filter's memory there.
    if (inputs != outputs && form == Form::products) return {Outer::f44, Inner::none, form};
    if (taps == 7 && coded && channels >= 32) return {Outer::f87, Inner::none, form};
    if (groups == 2 && (coded || channels > 16)) return {Outer::f44, coded ? Inner::f62 : Inner::f32, form};
    if (groups == 3) return {Outer::f44, coded ? Inner::f63 : Inner::f43, form};
    return {Outer::f44, Inner::none};
}

// The phases of a transposed convolution. With very many channels the weights are the larger stream, and transformed
// ones are 1.75-2.5 times as many.
inline Choice choose_upsampling(int inputs, int taps, Storage storage, bool tiles) {
    if (tiles && storage == Storage::int16)
        return {Outer::direct, Inner::none, inputs > 256 ? Form::codes : Form::products, true};
    if (inputs > 256) return {Outer::direct, Inner::none, choose_form(storage)};
    if (inputs <= 16 || taps == 1 || taps > 4) return {Outer::direct, Inner::none};
    if (taps == 2) return {Outer::f42, Inner::none};
    return {taps == 3 ? Outer::f63 : Outer::f44, Inner::none};
}

}  // namespace sk
