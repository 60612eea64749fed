// The kernel table of one instruction set. CMake compiles this file once per set with
// SK_ISA (namespace), SK_NAME (string), SK_WIDTH (floats per vector) and SK_REGISTERS (vector registers).
#include "kernels/kernels.h"

#include "kernels/conv_direct.h"
#include "kernels/conv_toomcook.h"
#include "kernels/finish.h"

namespace sk::SK_ISA {

template <Inner I>
void convolve_f44(const Conv& conv, const ConvCall& call) {
    toom_cook<Outer::f44, I>(conv, call);
}

static void convolve(const Conv& conv, const ConvCall& call) {
    if (conv.outer == Outer::direct) return direct(conv, call);
    if (conv.outer == Outer::f42) return toom_cook<Outer::f42, Inner::none>(conv, call);
    if (conv.outer == Outer::f43) return toom_cook<Outer::f43, Inner::none>(conv, call);
    if (conv.outer == Outer::f63) return toom_cook<Outer::f63, Inner::none>(conv, call);
    if (conv.outer == Outer::f87) return toom_cook<Outer::f87, Inner::none>(conv, call);
    switch (conv.inner) {
        case Inner::none: return convolve_f44<Inner::none>(conv, call);
        case Inner::f22: return convolve_f44<Inner::f22>(conv, call);
        case Inner::f32: return convolve_f44<Inner::f32>(conv, call);
        case Inner::f62: return convolve_f44<Inner::f62>(conv, call);
        case Inner::f23: return convolve_f44<Inner::f23>(conv, call);
        case Inner::f43: return convolve_f44<Inner::f43>(conv, call);
        case Inner::f63: return convolve_f44<Inner::f63>(conv, call);
    }
}

static void last(const Signal& in, const LastConv& conv, float slope, std::int64_t lo, std::int64_t hi, float* out) {
    finish(in, conv, slope, lo, hi, out);
}

extern const StackKernels stack_table;
extern const DurationKernels duration_table;
extern const Kernels table;
const Kernels table{SK_NAME, W, block_vectors* W, convolve, last, &stack_table, &duration_table, nullptr};

}  // namespace sk::SK_ISA
