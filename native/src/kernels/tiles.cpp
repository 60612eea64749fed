// The kernel table of processors with AMX: convolutions by tiles (tiles.h), the rest as with AVX-512.
#include "kernels/conv_product.h"
#include "kernels/tile_blocks.h"
#include "kernels/tile_panels.h"
#include "kernels/transform.h"

namespace sk::avx512 {
extern const Kernels table;
extern const StackKernels stack_table;
extern const DurationKernels duration_table;
}  // namespace sk::avx512

namespace sk::SK_ISA {

// A direct convolution as a scheme.
template <>
struct OuterTransform<Outer::direct> {
    static constexpr int outputs = 1, points = 1;
    SK_INLINE void input(const vec* d, vec* v) { v[0] = d[0]; }
    SK_INLINE void output(const vec* v, vec* y) { y[0] = v[0]; }
};

namespace {

// The points of one tile of the input, `d` time steps apart from t on; rows outside the signal read as zero.
template <class T>
SK_INLINE void transformed(const Signal& in, std::int64_t t, std::int64_t d, bool inside, int channel, vec slope,
                           vec* v) {
    vec x[T::points];
    for (int j = 0; j < T::points; ++j)
        x[j] = inside || in.has(t + j * d) ? leaky(load(in.row(t + j * d) + channel), slope) : vec{};
    T::input(x, v);
}

template <Outer O, bool Narrow>
void split_rows(const Conv& conv, const ConvCall& call, std::int64_t lo, const TileRows& rows, char* to) {
    using T = OuterTransform<O>;
    const vec slope = splat(call.slope);
    const std::int64_t d = conv.dilation;
    for (std::int64_t c = 0; c < d; ++c)
        for (std::int64_t j = 0; j < rows.rows; ++j, to += Narrow ? tile_depth : 2 * tile_depth) {
            const std::int64_t t = lo - conv.pad + c + d * T::outputs * j;
            const bool inside = call.in.has(t) && call.in.has(t + (T::points - 1) * d);
            char* at = to;
            for (int k = 0; k < conv.inputs; k += tile_depth, at += rows.block) {
                vec a[T::points], b[T::points] = {};
                transformed<T>(call.in, t, d, inside, k, slope, a);
                if (!Narrow && k + W < conv.inputs) transformed<T>(call.in, t, d, inside, k + W, slope, b);
                for (int p = 0; p < T::points; ++p) store_split<Narrow>(a[p], b[p], at + p * rows.point, rows.half);
            }
        }
}

// One group of taps of one input, transformed; `codes` and `scales` are those of the group's first tap.
template <Outer O>
SK_INLINE void group_filter(const std::int16_t* codes, const float* scales, std::int64_t scale_row, int taps, vec* u) {
    constexpr Scheme outer = outer_scheme(O);
    for (int p = 0; p < outer.points; ++p) u[p] = vec{};
    for (int k = 0; k < outer.taps; ++k) {
        if (k >= taps) break;
        const vec w = load_codes(codes + k * panel_columns) * load(scales + k * scale_row);
#pragma GCC unroll 8
        for (int p = 0; p < outer.points; ++p)
            if (filter_factor(outer, p, k) != 0.0) u[p] += w * static_cast<float>(filter_factor(outer, p, k));
    }
}

// The operands of outputs [column, column + 16 N) from codes.
template <Outer O, int N>
void expand_codes(const Conv& conv, int column, char* to) {
    constexpr Scheme outer = outer_scheme(O);
    constexpr std::int64_t half = N * tile_bytes;
    const TileSteps steps = tile_steps(conv.inputs, conv.groups);
    const std::int64_t point = steps.count() * 2 * half, scale_row = scales_of(conv, 1) - scales_of(conv, 0);
    if (!steps.full(conv.inputs, conv.groups)) std::memset(to, 0, static_cast<std::size_t>(outer.points * point));
    for (int g = 0; g < conv.groups; ++g) {
        const int tap = g * outer.taps, taps = conv.taps - tap;
        const float* scales = scales_of(conv, tap) + column;
        const std::int16_t* codes = filter_block(conv, conv.weights.codes, column) + tap * panel_columns;
        const std::int64_t input = std::int64_t{conv.taps} * panel_columns;
        for (int i = 0; i < conv.inputs; i += 2, codes += 2 * input) {
            const TilePlace place = steps.place(i, g);
            char* const at = to + place.step * 2 * half + place.depth / 2 * 64;
            for (int v = 0; v < N; ++v) {
                vec even[outer.points], odd[outer.points] = {};
                group_filter<O>(codes + v * W, scales + v * W, scale_row, taps, even);
                if (i + 1 < conv.inputs) group_filter<O>(codes + input + v * W, scales + v * W, scale_row, taps, odd);
                for (int p = 0; p < outer.points; ++p)
                    split_pair(even[p], odd[p], at + p * point + v * tile_bytes, half);
            }
        }
    }
}

// Floats of one point's products: not all of them in the same sets of the first-level cache.
template <int N>
constexpr int product_plane = most_rows<N> * N * W + 32;

// out = [out +] [residual +] bias + what the scheme makes of the products c [point][plane] for `count` of their rows;
// the first output is that of time t.
template <Outer O, int N, bool Residual, bool Accumulate>
SK_INLINE void write_rows(const Conv& conv, const ConvCall& call, const float* c, std::int64_t plane, std::int64_t t,
                          std::int64_t hi, std::int64_t count, int column) {
    using T = OuterTransform<O>;
    const std::int64_t d = conv.dilation, step = d * call.out.stride;
    const std::int64_t residual_step = Residual ? d * call.residual->stride : 0;
    float* to = call.out.row(t) + column;
    const float* residual = Residual ? call.residual->row(t) + column : nullptr;
    for (std::int64_t r = 0; r < count; ++r, c += N * W) {
        const std::int64_t left = ceil_div(hi - t - r * d * T::outputs, d),
                           valid = left < T::outputs ? left : T::outputs;
        for (int v = 0; v < N; ++v) {
            vec m[T::points], y[T::outputs];
            for (int p = 0; p < T::points; ++p) m[p] = load(c + p * plane + v * W);
            T::output(m, y);
            const vec bias = load(conv.bias + column + v * W);
            for (int j = 0; j < T::outputs; ++j) {
                if (j >= valid) break;
                vec value = y[j] + bias;
                if constexpr (Residual) value += load(residual + j * residual_step + v * W);
                if constexpr (Accumulate) value += load(to + j * step + v * W);
                store(to + j * step + v * W, value);
            }
        }
        to += T::outputs * step;
        if constexpr (Residual) residual += T::outputs * residual_step;
    }
}

template <Outer O, int N>
SK_INLINE void write(const Conv& conv, const ConvCall& call, const float* c, std::int64_t plane, std::int64_t t,
                     std::int64_t hi, std::int64_t count, int column) {
    if (call.accumulate)
        write_rows<O, N, true, true>(conv, call, c, plane, t, hi, count, column);
    else if (call.residual)
        write_rows<O, N, true, false>(conv, call, c, plane, t, hi, count, column);
    else
        write_rows<O, N, false, false>(conv, call, c, plane, t, hi, count, column);
}

// Outputs [column, column + 16 N) of a pass.
template <Outer O, int N, bool Narrow>
void column_tiles(const Conv& conv, const ConvCall& call, std::int64_t lo, std::int64_t hi, const TileRows& rows,
                  const char* split, const char* weights, int column, Fetch fetch) {
    using T = OuterTransform<O>;
    const TileSteps steps = tile_steps(conv.inputs, conv.groups);
    constexpr int stride = Narrow ? tile_depth : 2 * tile_depth;
    constexpr int plane = product_plane<N>;
    const std::int64_t point = steps.count() * 2 * N * tile_bytes, d = conv.dilation;
    alignas(64) float c[T::points * plane];
    for (std::int64_t k = 0; k < d; ++k) {
        const std::int64_t count = ceil_div(ceil_div(hi - lo - k, d), T::outputs);  // of this class
        for (std::int64_t j = 0; j < count;) {
            const int done = rows_of_next<N>(count - j);
            Operand a{split + (k * rows.rows + j) * stride, (Narrow ? 2 : 1) * stride, rows.block, rows.half};
            settle();
            for (int p = 0; p < T::points; ++p, a.at += rows.point)
                block<N, stride>(done, a, steps, weights + p * point, c + p * plane, fetch);
            settle();
            const std::int64_t here = count - j < done ? count - j : done;
            write<O, N>(conv, call, c, plane, lo + k + d * T::outputs * j, hi, here, column);
            j += here;
        }
    }
}

// The next column block's codes, to be fetched while this one's products are made.
template <Outer O>
SK_INLINE Fetch codes_after(const Conv& conv, const TileRows& rows, int column) {
    const int next = column + panel_columns;
    if (!conv.weights.codes || next >= conv.padded_outputs) return {nullptr, 0};
    const std::int64_t blocks = conv.dilation * ceil_div(rows.outputs, 2 * tile_rows) * OuterTransform<O>::points;
    const std::int64_t steps = tile_steps(conv.inputs, conv.groups).count() * blocks;
    const std::int64_t lines = std::int64_t{conv.inputs} * conv.taps * panel_columns * 2 / 64;
    return {reinterpret_cast<const char*>(filter_block(conv, conv.weights.codes, next)), ceil_div(lines, steps)};
}

template <Outer O, bool Narrow>
void tile_products(const Conv& conv, const ConvCall& call, std::int64_t lo, std::int64_t hi) {
    const TileRows rows = tile_rows_of(conv, hi - lo);
    const std::int64_t panel_bytes = tile_panel_floats(conv, panel_columns) * 4;
    char* const panel = reinterpret_cast<char*>(call.scratch);  // operands of codes
    char* const halves = panel + (conv.weights.codes ? panel_bytes : 0);
    split_rows<O, Narrow>(conv, call, lo, rows, halves);
    const char* weights = conv.weights.codes ? panel : reinterpret_cast<const char*>(conv.weights.products);
    int column = 0;
    for (; column + panel_columns <= conv.padded_outputs; column += panel_columns) {
        if (conv.weights.codes) expand_codes<O, 2>(conv, column, panel);
        column_tiles<O, 2, Narrow>(conv, call, lo, hi, rows, halves, weights, column,
                                   codes_after<O>(conv, rows, column));
        if (!conv.weights.codes) weights += panel_bytes;
    }
    if (column == conv.padded_outputs) return;
    if (conv.weights.codes) expand_codes<O, 1>(conv, column, panel);
    column_tiles<O, 1, Narrow>(conv, call, lo, hi, rows, halves, weights, column, {nullptr, 0});
}

template <Outer O>
void tile_convolution(const Conv& conv, const ConvCall& call) {
    const std::int64_t length = call.hi - call.lo, pass = ceil_div(length, ceil_div(length, most_tile_pass(conv)));
    _tile_loadconfig(&whole_tiles);
    for (std::int64_t lo = call.lo; lo < call.hi; lo += pass) {
        const std::int64_t hi = lo + pass < call.hi ? lo + pass : call.hi;
        if (tile_steps(conv.inputs, conv.groups).narrow())
            tile_products<O, true>(conv, call, lo, hi);
        else
            tile_products<O, false>(conv, call, lo, hi);
    }
    _tile_release();
}

void convolve(const Conv& conv, const ConvCall& call) {
    if (!conv.tiles) return avx512::table.convolve(conv, call);
    if (conv.outer == Outer::direct) return tile_convolution<Outer::direct>(conv, call);
    if (conv.outer == Outer::f63) return tile_convolution<Outer::f63>(conv, call);
    tile_convolution<Outer::f44>(conv, call);
}

void last(const Signal& in, const LastConv& conv, float slope, std::int64_t lo, std::int64_t hi, float* out) {
    avx512::table.finish(in, conv, slope, lo, hi, out);
}

}  // namespace

constexpr TileKernels tile_kernels{split_input, tile_panel};

extern const Kernels table;
const Kernels table{SK_NAME,      W, block_vectors * W, convolve, last, &avx512::stack_table, &avx512::duration_table,
                    &tile_kernels};

}  // namespace sk::SK_ISA
