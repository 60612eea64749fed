// Rows of 8-bit codes times a strip of packed weights, register-blocked; the sums stay whole numbers to the end.
#pragma once

#include <utility>

#include "kernels/dot.h"
#if defined(SK_SPILLS)
#include "kernels/spills.h"
#endif

namespace sk::SK_ISA {

#if !defined(SK_SPILLS)
constexpr int code_bytes = sizeof(Code);  // of a code in memory, see ByteKernels
constexpr std::int64_t row_head = 0;      // bytes of a row before its codes
SK_INLINE void spill(std::uint8_t*, std::int64_t, int) {}
#endif

// A strip of panels: `weights` [panels][inputs / 4][16][4], outputs [first, first + 16 panels).
struct Strip {
    const ByteProduct& product;
    const std::int8_t* weights;
    std::int64_t first;
    std::int64_t panel_bytes;
};

// The following strip's weights on their way into the second-level cache, a piece per inner step.
struct Fetch {
    const std::int8_t* at;
    std::int64_t step;
};

// Where the weights of vector `v` of outputs begin.
SK_INLINE const std::int8_t* weights_of(const Strip& strip, int v) {
    return strip.weights + v / panel_vectors * strip.panel_bytes + v % panel_vectors * 4 * W;
}

#if defined(__ARM_FEATURE_MATMUL_INT8)

// R rows times NV vectors of outputs, the first being number `vector` of the strip: an instruction multiplies two rows of
// eight codes with the weights of two outputs, which two groups of inputs give when their lanes are zipped.
template <int R, int NV>
SK_INLINE void accumulate_codes(const Strip& strip, std::int64_t row, int vector, Fetch fetch, Sum (&sum)[R][NV]) {
    constexpr int pairs = (R + 1) / 2;  // the last row is its own partner where it has none
    const ByteProduct& p = strip.product;
    const std::int8_t* w[NV];
    for (int v = 0; v < NV; ++v) w[v] = weights_of(strip, vector + v);
    int32x4_t tile[pairs][NV][2];  // of outputs 0 and 1, 2 and 3: the first row's two sums, the second row's
    for (int r = 0; r < pairs; ++r)
        for (int v = 0; v < NV; ++v) tile[r][v][0] = tile[r][v][1] = vdupq_n_s32(0);
    const std::uint8_t* const from = p.rows.codes + row * p.rows.stride;
    for (std::int64_t k = 0; k < p.linear->inputs; k += 2 * group_inputs) {
        __builtin_prefetch(fetch.at, 0, 2);
        fetch.at += 2 * fetch.step;
        int8x16_t part[NV][2];
        for (int v = 0; v < NV; ++v) {
            const int32x4_t now = vreinterpretq_s32_s8(vld1q_s8(w[v]));
            const int32x4_t next = vreinterpretq_s32_s8(vld1q_s8(w[v] + group_bytes));
            part[v][0] = vreinterpretq_s8_s32(vzip1q_s32(now, next));
            part[v][1] = vreinterpretq_s8_s32(vzip2q_s32(now, next));
            w[v] += 2 * group_bytes;
        }
#pragma GCC unroll 12
        for (int r = 0; r < pairs; ++r) {
            const std::uint8_t* const x = from + 2 * r * p.rows.stride + k;
            const uint8x16_t both = vcombine_u8(vld1_u8(x), vld1_u8(2 * r + 1 < R ? x + p.rows.stride : x));
#pragma GCC unroll 4
            for (int v = 0; v < NV; ++v)
                for (int half : {0, 1}) tile[r][v][half] = vusmmlaq_s32(tile[r][v][half], both, part[v][half]);
        }
    }
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < NV; ++v) {
            const int64x2_t low = vreinterpretq_s64_s32(tile[r / 2][v][0]), high = vreinterpretq_s64_s32(tile[r / 2][v][1]);
            sum[r][v] = (ints)(r % 2 ? vzip2q_s64(low, high) : vzip1q_s64(low, high));
        }
}

#elif defined(SK_SPILLS)

// R rows times NV vectors of outputs, the first being number `vector` of the strip.
template <int R, int NV>
SK_INLINE void accumulate_codes(const Strip& strip, std::int64_t row, int vector, Fetch fetch, Sum (&sum)[R][NV]) {
    const ByteRows& rows = strip.product.rows;
    const std::uint8_t* const from = rows.codes + row * rows.stride;
    const std::int8_t* w[NV];
    for (int v = 0; v < NV; ++v) w[v] = weights_of(strip, vector + v);
    const std::int64_t inputs = strip.product.linear->inputs;
    if (rows.zero)
        accumulate_bytes<R, NV, true>(from, rows.stride, inputs, w, fetch.at, fetch.step, sum);
    else
        accumulate_bytes<R, NV, false>(from, rows.stride, inputs, w, fetch.at, fetch.step, sum);
}

#else

// R rows times NV vectors of outputs, the first being number `vector` of the strip.
template <int R, int NV>
SK_INLINE void accumulate_codes(const Strip& strip, std::int64_t row, int vector, Fetch fetch, Sum (&sum)[R][NV]) {
    const ByteProduct& p = strip.product;
    const std::int8_t* w[NV];
    for (int v = 0; v < NV; ++v) w[v] = weights_of(strip, vector + v);
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < NV; ++v) sum[r][v] = Sum{};
    const std::uint8_t* const from = p.rows.codes + row * p.rows.stride;
    const std::int64_t row_bytes = p.linear->inputs * static_cast<std::int64_t>(sizeof(Code));
    for (std::int64_t k = 0; k < row_bytes; k += group_inputs * sizeof(Code)) {
        __builtin_prefetch(fetch.at, 0, 2);
        fetch.at += fetch.step;
        Weight part[NV];
        for (int v = 0; v < NV; ++v) part[v] = weight(w[v]), w[v] += group_bytes;
#pragma GCC unroll 12
        for (int r = 0; r < R; ++r) {
            const Inputs x = inputs(reinterpret_cast<const Code*>(from + r * p.rows.stride + k));
#pragma GCC unroll 4
            for (int v = 0; v < NV; ++v) sum[r][v] = dot(sum[r][v], part[v], x);
        }
    }
}

#endif

// Outputs [at, at + W) of rows [row, row + count), whose sums `sum_of` gives.
template <class Sums>
SK_INLINE void finish_codes(const ByteProduct& p, std::int64_t row, std::int64_t count, std::int64_t at, const Sums& sum_of) {
    ints excess;  // what the zero point adds to every sum
    std::memcpy(&excess, p.linear->sums + at, sizeof excess);
    excess *= p.rows.zero + code_offset(p.rows.zero);
    const vec scale = load(p.linear->scale + at), bias = load(p.linear->bias + at);
    for (std::int64_t r = 0; r < count; ++r) {
        const vec value = __builtin_convertvector(sum_of(r) - excess, vec) * scale;
        const vec y = value * p.rows.scale[row + r] + bias;
        store(p.out + (row + r) * p.stride + at, p.gelu ? gelu(y) : y);
    }
}

template <int R, int NV>
void code_block(const Strip& strip, std::int64_t row, int vector, Fetch fetch) {
    Sum sum[R][NV];
    accumulate_codes<R, NV>(strip, row, vector, fetch, sum);
    for (int v = 0; v < NV; ++v)
        finish_codes(strip.product, row, R, strip.first + (vector + v) * W,
                     [&](std::int64_t r) { return total(sum[r][v]); });
}

using CodeBlock = void (*)(const Strip&, std::int64_t, int, Fetch);

template <int NV, class Rows>
struct CodeBlocks;
template <int NV, int... R>
struct CodeBlocks<NV, std::integer_sequence<int, R...>> {
    static constexpr CodeBlock of[] = {code_block<R + 1, NV>...};  // of[rows - 1]
};

// All rows, in nearly equal blocks, so that no small remainder runs at half speed.
template <int NV>
SK_INLINE void code_columns(const Strip& strip, int vector, Fetch fetch, std::int64_t passes) {
    using Table = CodeBlocks<NV, std::make_integer_sequence<int, block_rows>>;
    const std::int64_t count = strip.product.count, blocks = ceil_div(count, block_rows);
    const std::int64_t steps = strip.product.linear->inputs / group_inputs;
    fetch.step = ceil_div(fetch.step, blocks * passes * steps);
    fetch.at += vector / NV * blocks * steps * fetch.step;
    for (std::int64_t row = 0, left = blocks; left > 0; --left) {
        const std::int64_t rows = ceil_div(count - row, left);
        Table::of[rows - 1](strip, row, vector, fetch);
        fetch.at += steps * fetch.step;
        row += rows;
    }
}

}  // namespace sk::SK_ISA

#if defined(SK_TILES)
#include "kernels/byte_tiles.h"
#endif

namespace sk::SK_ISA {

// `fetch.step` is here the number of bytes to fetch in all.
SK_INLINE void code_strip(const Strip& strip, int vectors, Fetch fetch) {
#if defined(SK_TILES)
    if (tiled(strip, vectors)) return tile_strip(strip, fetch);
#endif
    int vector = 0;
    for (; vector + block_width_vectors <= vectors; vector += block_width_vectors)
        code_columns<block_width_vectors>(strip, vector, fetch, vectors / block_width_vectors);
    if (vector < vectors) code_columns<1>(strip, vector, fetch, 1);
}

// 4-bit weights of `panels` panels from `panel` on, as the bytes they stand for.
SK_INLINE void expand(const ByteLinear& linear, std::int64_t panel, std::int64_t panels, std::int8_t* to) {
    typedef std::uint16_t halves __attribute__((vector_size(SK_WIDTH * 4)));
    typedef std::uint8_t bytes __attribute__((vector_size(SK_WIDTH * 4)));
    typedef std::uint8_t outputs __attribute__((vector_size(SK_WIDTH)));
    constexpr int pairs_per_block = block_inputs / group_inputs / 2;
    const std::int64_t blocks = linear.inputs / block_inputs;
    const std::uint8_t* pair = linear.pairs + panel * blocks * pairs_per_block * group_bytes;
    const std::uint8_t* factor = linear.factors + panel * blocks * panel_outputs;
    for (std::int64_t b = 0; b < panels * blocks; ++b, factor += panel_outputs)
        for (int v = 0; v < panel_vectors; ++v) {
            outputs packed;
            std::memcpy(&packed, factor + v * W, sizeof packed);
            const ints wide = __builtin_convertvector(packed, ints), m = wide & 15;
            const halves by = (halves)(m | m << 16);
            const bytes least = (bytes)(m * (wide >> 4) * 0x01010101);
            for (int g = 0; g < pairs_per_block; ++g) {
                const std::int64_t at = ((b * pairs_per_block + g) * panel_vectors + v) * 4 * W;
                std::int8_t* const out = to + (2 * (b * pairs_per_block + g) * panel_vectors + v) * 4 * W;
                halves both;
                std::memcpy(&both, pair + at, sizeof both);
                // Two codes in a 16-bit lane: a product of at most 225 does not reach the upper one.
                const bytes low = (bytes)((both & 0x0f0f) * by) - least, high = (bytes)((both >> 4 & 0x0f0f) * by) - least;
                std::memcpy(out, &low, sizeof low);
                std::memcpy(out + group_bytes, &high, sizeof high);
            }
        }
}

static void multiply_codes(const ByteProduct& p) {
    const ByteLinear& linear = *p.linear;
    const std::int64_t panel_bytes = linear.inputs * panel_outputs;
    for (std::int64_t first = p.first; first < p.last; first += strip_outputs) {
        const std::int64_t width = p.last - first < strip_outputs ? p.last - first : std::int64_t{strip_outputs};
        const std::int64_t panel = first / panel_outputs, panels = width / panel_outputs;
        const std::int8_t* weights = linear.codes + panel * panel_bytes;
        Fetch fetch{weights + panels * panel_bytes, first + width < p.last ? panels * panel_bytes : 0};
        if (linear.pairs) {
            expand(linear, panel, panels, p.scratch);
            weights = p.scratch;
            const std::int64_t bytes = panel_bytes / 2;
            fetch.at = reinterpret_cast<const std::int8_t*>(linear.pairs + (panel + panels) * bytes);
            fetch.step /= 2;
        }
        if (fetch.step == 0) fetch.at = weights;
        code_strip({p, weights, first, panel_bytes}, static_cast<int>(width / W), fetch);
    }
}

// A row as codes, to its own peak; returns the scale. The order of operations is that of the graph.
static float quantize_row(const float* x, const float* factor, std::int64_t n, int zero, std::uint8_t* codes) {
    const vec floor = splat(zero ? 0.0f : gelu_floor);
    const auto value = [&](std::int64_t k) { return factor ? load(x + k) * load(factor + k) : load(x + k) - floor; };
    vec peaks{};
    for (std::int64_t k = 0; k < n; k += W) peaks = larger(peaks, magnitude(value(k)));
    const float most = maximum(peaks) * (zero ? 1.0f / 127 : 1.0f / 255), scale = most > 1e-30f ? most : 1e-30f;
    const vec steps = splat(1.0f / scale), rounding = splat(12582912.0f);  // 1.5 * 2^23, bits 0x4b400000
    Code* const to = reinterpret_cast<Code*>(codes + row_head);
    const int first = 0x4b400000 - zero - code_offset(zero);
    for (std::int64_t k = 0; k < n; k += W) store_codes(to + k, (ints)(value(k) * steps + rounding) - first);
    spill(codes, n, zero);
    return scale;
}

}  // namespace sk::SK_ISA
