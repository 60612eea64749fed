// Times one convolution of a resblock under every scheme that fits it: the measurement behind src/choose.h.
//
//   tune [isa] [samples per tile] -> one line per (channels, kernel, dilation, scheme): direct-equivalent GFLOP/s of
//   one thread's CPU time
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "decoder/pack.h"

namespace {

struct Named {
    const char* name;
    sk::Choice choice;
};
using sk::Inner;
using sk::Outer;
const Named all[] = {{"direct", {Outer::direct, Inner::none}},   {"F(4,2)", {Outer::f42, Inner::none}},
                     {"F(4,3)", {Outer::f43, Inner::none}},      {"F(6,3)", {Outer::f63, Inner::none}},
                     {"F(4,4)", {Outer::f44, Inner::none}},      {"F(4,4)F(2,2)", {Outer::f44, Inner::f22}},
                     {"F(4,4)F(3,2)", {Outer::f44, Inner::f32}}, {"F(4,4)F(2,3)", {Outer::f44, Inner::f23}},
                     {"F(4,4)F(4,3)", {Outer::f44, Inner::f43}}, {"F(4,4)F(6,2)", {Outer::f44, Inner::f62}},
                     {"F(4,4)F(6,3)", {Outer::f44, Inner::f63}},
                     {"F(8,7)", {Outer::f87, Inner::none}},
                     {"tiles", {Outer::direct, Inner::none, sk::Form::products, true}},
                     {"tiles F(4,4)", {Outer::f44, Inner::none, sk::Form::products, true}},
                     {"tiles F(6,3)", {Outer::f63, Inner::none, sk::Form::products, true}},
                     {"tiles'", {Outer::direct, Inner::none, sk::Form::codes, true}},
                     {"tiles F(4,4)'", {Outer::f44, Inner::none, sk::Form::codes, true}},
                     {"tiles F(6,3)'", {Outer::f63, Inner::none, sk::Form::codes, true}},
                     // Transformed at use (Form::filter).
                     {"F(6,3)'", {Outer::f63, Inner::none, sk::Form::filter}},
                     {"F(8,7)'", {Outer::f87, Inner::none, sk::Form::filter}},
                     {"F(4,4)F(3,2)'", {Outer::f44, Inner::f32, sk::Form::filter}},
                     {"F(4,4)F(6,2)'", {Outer::f44, Inner::f62, sk::Form::filter}},
                     {"F(4,4)F(4,3)'", {Outer::f44, Inner::f43, sk::Form::filter}},
                     {"F(4,4)F(6,3)'", {Outer::f44, Inner::f63, sk::Form::filter}}};

bool fits(const sk::Choice& choice, int taps) {
    if (choice.outer == Outer::direct) return true;
    if (choice.outer == Outer::f42) return taps == 2;
    if (choice.outer == Outer::f87) return taps == 7;
    if (choice.outer != Outer::f44) return taps <= 3;
    if (choice.tiles) return true;
    const int groups = (taps + 3) / 4;
    return choice.inner == Inner::none ? taps > 3 : sk::inner_scheme(choice.inner).taps == groups;
}

double seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double best_seconds(const sk::Kernels& kernels, const sk::Conv& conv, std::int64_t length) {
    const std::int64_t stride = sk::round_up(conv.inputs, kernels.width), reach = 2 * conv.pad;
    sk::Buffer in((length + reach) * stride), out(length * stride),
        scratch(sk::conv_scratch(conv, length, kernels.width));
    for (std::int64_t i = 0; i < in.size(); ++i) in.data()[i] = static_cast<float>(std::rand() % 1000 - 500) * 0.002f;
    const sk::Signal from{in.data(), -conv.pad, length + reach, stride}, to{out.data(), 0, length, stride};
    double best = 1e9;
    for (int i = 0; i < 12; ++i) {
        const double start = seconds();
        kernels.convolve(conv, {from, to, nullptr, false, 0.1f, 0, length, scratch.data()});
        best = std::min(best, seconds() - start);
    }
    return best;
}

void measure(const sk::Kernels& kernels, int channels, int taps, int dilation, std::int64_t length) {
    std::vector<float> weight(static_cast<std::size_t>(channels) * channels * taps, 0.01f), bias(channels, 0.1f);
    std::printf("%4d %2d %d  %5ld:", channels, taps, dilation, static_cast<long>(length));
    for (const Named& named : all) {
        if (!fits(named.choice, taps) || (named.choice.tiles && !kernels.tiles)) continue;
        const sk::PackedConv conv =
            sk::pack_conv({weight.data(), bias.data(), channels, channels, taps, dilation}, kernels, named.choice);
        const double flops = 2.0 * channels * channels * taps * static_cast<double>(length);
        std::printf("  %s %.0f", named.name, flops / best_seconds(kernels, conv.view, length) * 1e-9);
    }
    std::printf("\n");
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
    const sk::Kernels* kernels = sk::find_kernels(argc > 1 ? argv[1] : "");
    if (!kernels) return 1;
    const std::int64_t given = argc > 2 ? std::atol(argv[2]) : 0;
    for (int channels : {256, 128, 64, 32, 16, 8})
        for (int taps : {3, 7, 11})
            for (int dilation : {1, 5})
                measure(*kernels, channels, taps, dilation, given ? given : 65536 / channels + 60);
    return 0;
}
