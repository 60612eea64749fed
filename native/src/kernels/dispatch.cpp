// Chooses the kernel table at run time, and the arithmetic of tilings that kernels and decoder share.
#include <cstring>
#include <string>

#include "cpu/cpu.h"
#include "kernels/kernels.h"
#include "kernels/tiles.h"

namespace sk {

#define SK_DECLARE(isa)         \
    namespace isa {             \
    extern const Kernels table; \
    }
#if defined(__x86_64__)
#if defined(SK_HAS_AMX)
SK_DECLARE(amx)
#endif
SK_DECLARE(avx512)
SK_DECLARE(avx2)
SK_DECLARE(sse2)
#elif defined(__aarch64__)
SK_DECLARE(neon)
#else
SK_DECLARE(generic)
#endif

namespace {

// Tables of this machine, best first.
const Kernels* usable(int index) {
#if defined(__x86_64__)
    const Kernels* all[] = {
#if defined(SK_HAS_AMX)
        cpu().amx ? &amx::table : nullptr,
#endif
        cpu().avx512 ? &avx512::table : nullptr, cpu().avx2 ? &avx2::table : nullptr, &sse2::table};
#elif defined(__aarch64__)
    const Kernels* all[] = {&neon::table};
#else
    const Kernels* all[] = {&generic::table};
#endif
    for (const Kernels* kernels : all)
        if (kernels && index-- == 0) return kernels;
    return nullptr;
}

std::string list_names() {
    std::string names;
    for (int i = 0; const Kernels* kernels = usable(i); ++i) names += (i ? "," : "") + std::string(kernels->name);
    return names;
}

}  // namespace

const Kernels* find_kernels(const char* name) {
    if (!name || !*name) return usable(0);
    for (int i = 0; const Kernels* kernels = usable(i); ++i)
        if (std::strcmp(kernels->name, name) == 0) return kernels;
    return nullptr;
}

const char* usable_kernels() {
    static const std::string names = list_names();
    return names.c_str();
}

Tiling tiling(const Conv& conv, std::int64_t length, int width) {
    const Scheme outer = outer_scheme(conv.outer), inner = inner_scheme(conv.inner);
    Tiling tl{};
    tl.tiles = ceil_div(ceil_div(length, conv.dilation), outer.outputs);
    tl.super = ceil_div(tl.tiles, inner.outputs);
    const bool nested = conv.inner != Inner::none;
    tl.tiles_in = nested ? tl.super * inner.outputs + inner.taps - 1 : tl.tiles + conv.groups - 1;
    tl.row = round_up(conv.inputs > conv.outputs ? conv.inputs : conv.outputs, width);
    // An odd number of cache lines between planes keeps the points of a tile in different cache sets.
    tl.plane = round_up(conv.dilation * tl.tiles_in * tl.row, 32) + 16;
    tl.wide = nested ? round_up(conv.dilation * tl.super * tl.row, 32) + 16 : 0;
    return tl;
}

std::int64_t conv_scratch(const Conv& conv, std::int64_t length, int width) {
    if (conv.tiles) return tile_scratch(conv, length);
    const std::int64_t panel = panel_floats(conv, width);
    if (conv.outer == Outer::direct) {
        const std::int64_t rows =
            (length < direct_rows ? length : direct_rows) + std::int64_t{conv.taps - 1} * conv.dilation;
        return panel + rows * round_up(conv.inputs, width);
    }
    const Tiling tl = tiling(conv, length, width);
    const Scheme outer = outer_scheme(conv.outer), inner = inner_scheme(conv.inner);
    const std::int64_t products = conv.inner != Inner::none ? 2 * inner.points * tl.wide
                                  : conv.groups == 1        ? tl.plane
                                                            : outer.points * tl.plane;
    return panel + outer.points * tl.plane + products;
}

}  // namespace sk
