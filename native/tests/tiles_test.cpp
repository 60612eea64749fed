// Convolutions by tiles (AMX) against direct ones in floats, over every way that channels, taps and lengths can be cut;
// nothing to do on other processors.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "decoder/pack.h"

namespace {

using sk::Form;
using sk::Inner;
using sk::Outer;

std::mt19937 generator(1);

std::vector<float> normal(std::int64_t count) {
    std::normal_distribution<float> distribution;
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = distribution(generator);
    return values;
}

struct Case {
    int inputs, outputs, taps, dilation;
    std::int64_t length;
};

// Out[lo, hi) = [out +] [residual +] conv(leaky(in)), the signal beginning and ending within the convolution's reach.
std::vector<float> convolved(const sk::Kernels& kernels, const sk::Conv& conv, const std::vector<float>& in,
                             const std::vector<float>& before, const Case& c, bool residual, bool accumulate) {
    const std::int64_t in_stride = sk::round_up(c.inputs, kernels.width);
    const std::int64_t out_stride = sk::round_up(c.outputs, kernels.width);
    std::vector<float> x = in, y = before, added = before;
    sk::Buffer scratch(sk::conv_scratch(conv, c.length, kernels.width));
    // What an earlier call may have left there.
    std::fill_n(scratch.data(), scratch.size(), NAN);
    const sk::Signal from{x.data(), -1, c.length + 2, in_stride}, to{y.data(), 0, c.length, out_stride};
    const sk::Signal more{added.data(), 0, c.length, out_stride};
    kernels.convolve(conv, {from, to, residual ? &more : nullptr, accumulate, 0.1f, 0, c.length, scratch.data()});
    return y;
}

double snr(const std::vector<float>& y, const std::vector<float>& truth) {
    double signal = 0.0, error = 1e-300;
    for (std::size_t i = 0; i < y.size(); ++i) {
        signal += double{truth[i]} * truth[i];
        error += (double{y[i]} - truth[i]) * (double{y[i]} - truth[i]);
    }
    return std::isfinite(error) ? 10.0 * std::log10(signal / error) : -999.0;
}

// Rounding to two halves is 2^-18 of a factor at most, -113 dB on average for each and 107 dB measured for many
// products; few outputs may be small by chance. A Toom-Cook level multiplies it by about 4, and a tile of which one
// output is wanted by more. 90 dB is what was asked of it.
double bound(Outer outer, std::int64_t rows) { return outer == Outer::direct ? 100.0 : rows > 1 ? 90.0 : 84.0; }

bool check(const sk::Kernels& kernels, const Case& c, Outer outer, Form form) {
    const std::vector<float> weight = normal(std::int64_t{c.inputs} * c.outputs * c.taps), bias = normal(c.outputs);
    const sk::Filter filter{weight.data(), bias.data(), c.outputs, c.inputs, c.taps, c.dilation};
    const sk::PackedConv tiles = sk::pack_conv(filter, kernels, {outer, Inner::none, form, true});
    const sk::PackedConv plain = sk::pack_conv(filter, kernels, {Outer::direct, Inner::none, form});
    std::vector<float> in = normal((c.length + 2) * sk::round_up(c.inputs, kernels.width));
    std::vector<float> before = normal(c.length * sk::round_up(c.outputs, kernels.width));
    const auto clear = [&](std::vector<float>& rows, int channels) {  // the padding of rows holds zeros
        const std::int64_t stride = sk::round_up(channels, kernels.width);
        for (std::size_t i = 0; i < rows.size(); ++i)
            if (static_cast<std::int64_t>(i) % stride >= channels) rows[i] = 0.0f;
    };
    clear(in, c.inputs);
    clear(before, c.outputs);
    bool good = true;
    for (bool residual : {false, true})
        for (bool accumulate : {false, true}) {
            if (accumulate && !residual) continue;
            const double found = snr(convolved(kernels, tiles.view, in, before, c, residual, accumulate),
                                     convolved(kernels, plain.view, in, before, c, residual, accumulate));
            if (found >= bound(outer, c.length)) continue;
            good = false;
            std::printf("FAILED %d -> %d channels, %d taps, dilation %d, %d rows, scheme %d, form %d: %.1f dB\n",
                        c.inputs, c.outputs, c.taps, c.dilation, static_cast<int>(c.length), static_cast<int>(outer),
                        static_cast<int>(form), found);
        }
    return good;
}

}  // namespace

int main() {
    const sk::Kernels* kernels = sk::find_kernels("amx");
    if (!kernels) return std::printf("this machine has no tiles\n"), 0;
    bool good = true;
    for (int inputs : {5, 16, 24, 32, 48, 64, 131})
        for (int outputs : {16, 24, 32, 48})
            for (int taps : {1, 2, 3, 7, 11})
                for (int dilation : {1, 3})
                    for (std::int64_t length : {1, 17, 130, 1700})
                        for (Form form : {Form::products, Form::codes})
                            for (Outer outer : {Outer::direct, Outer::f63, Outer::f44}) {
                                if ((outer == Outer::f63 && taps != 3) || (outer == Outer::f44 && taps < 4)) continue;
                                if (length == 1700 && (inputs % 16 || outputs % 32)) continue;  // takes long
                                good &= check(*kernels, {inputs, outputs, taps, dilation, length}, outer, form);
                            }
    std::printf(good ? "all passed\n" : "FAILED\n");
    return good ? 0 : 1;
}
