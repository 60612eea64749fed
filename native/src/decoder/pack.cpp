#include "decoder/pack.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace sk {

namespace {

Buffer pad_bias(const float* bias, int outputs, int padded) {
    Buffer buffer(padded);
    if (bias) std::memcpy(buffer.data(), bias, sizeof(float) * outputs);
    return buffer;
}

int block_width(const Conv& conv, const Kernels& kernels, int first) {
    return conv.padded_outputs - first >= kernels.columns ? kernels.columns : kernels.width;
}

int products_of(const Conv& conv) { return outer_scheme(conv.outer).points * inner_scheme(conv.inner).points; }

// Factors of the filter transform, [tap][product = (outer point, inner point)][segment]. Without an inner scheme the
// groups are segments of one product; a direct convolution is the scheme F(1,1), each tap its own group.
std::vector<double> transform_factors(const Conv& conv) {
    const Scheme outer = outer_scheme(conv.outer), inner = inner_scheme(conv.inner);
    std::vector<double> factors;
    for (int tap = 0; tap < conv.taps; ++tap) {
        const int group = tap / outer.taps;
        for (int p = 0; p < outer.points; ++p)
            for (int q = 0; q < inner.points; ++q)
                for (int s = 0; s < conv.segments; ++s) {
                    const double within = filter_factor(outer, p, tap % outer.taps);
                    const bool nested = conv.inner != Inner::none;
                    factors.push_back(nested ? within * filter_factor(inner, q, group) : group == s ? within : 0.0);
                }
    }
    return factors;
}

// One block of output columns of every product: values [product][segment, input][width].
class ColumnBlock {
  public:
    ColumnBlock(const Filter& filter, const Conv& conv)
        : filter_(filter), conv_(conv), factors_(transform_factors(conv)) {}

    std::int64_t rows() const { return std::int64_t{conv_.segments} * conv_.inputs; }
    int products() const { return products_of(conv_); }
    const float* product(int index) const { return values_.data() + index * rows() * width_; }

    void transform(int first, int width) {
        width_ = width;
        values_.assign(static_cast<std::size_t>(products() * rows() * width), 0.0f);
        for (int column = 0; column < std::min(width, filter_.outputs - first); ++column)
            for (int i = 0; i < conv_.inputs; ++i) transform_one(first + column, column, i);
    }

  private:
    // Summed in double precision, rounded once.
    void transform_one(int output, int column, int input) {
        const std::size_t points = static_cast<std::size_t>(products()) * conv_.segments;
        const float* w = filter_.weight + (std::int64_t{output} * filter_.inputs + input) * filter_.taps;
        sums_.assign(points, 0.0);
        for (int tap = 0; tap < filter_.taps; ++tap)
            for (std::size_t p = 0; p < points; ++p) sums_[p] += factors_[tap * points + p] * w[tap];
        float* to = values_.data() + std::int64_t{input} * width_ + column;
        for (std::size_t p = 0; p < points; ++p) to[p * conv_.inputs * width_] = static_cast<float>(sums_[p]);
    }

    const Filter& filter_;
    const Conv& conv_;
    const std::vector<double> factors_;
    int width_ = 0;
    std::vector<float> values_;
    std::vector<double> sums_;
};

// [product][column block][segment, input][columns], a block at a time.
void pack_products(const Filter& filter, const Kernels& kernels, PackedConv& packed) {
    const Conv& conv = packed.view;
    ColumnBlock block(filter, conv);
    const std::int64_t size = block.rows() * conv.padded_outputs;
    packed.weights = Buffer(block.products() * size);
    for (int first = 0, width = 0; first < conv.padded_outputs; first += width) {
        width = block_width(conv, kernels, first);
        block.transform(first, width);
        for (int p = 0; p < block.products(); ++p)
            std::memcpy(packed.weights.data() + p * size + first * block.rows(), block.product(p),
                        sizeof(float) * block.rows() * width);
    }
    packed.view.weights.products = packed.weights.data();
}

// Steps between the taps and the inputs of a column block that is kept untransformed.
struct Steps {
    std::int64_t tap, input;
};

Steps steps_of(const Conv& conv, int width) { return {width, std::int64_t{conv.taps} * width}; }

// [column block] of taps as they are.
void fill_block(const Filter& f, int first, int width, Steps steps, float* to) {
    for (int o = first; o < std::min(first + width, f.outputs); ++o)
        for (int i = 0; i < f.inputs; ++i)
            for (int tap = 0; tap < f.taps; ++tap)
                to[tap * steps.tap + i * steps.input + o - first] =
                    f.weight[(std::int64_t{o} * f.inputs + i) * f.taps + tap];
}

void pack_filter(const Filter& filter, const Kernels& kernels, PackedConv& packed) {
    Conv& conv = packed.view;
    const std::int64_t rows = std::int64_t{conv.taps} * conv.inputs;
    packed.weights = Buffer(rows * conv.padded_outputs);
    for (int first = 0, width = 0; first < conv.padded_outputs; first += width) {
        width = block_width(conv, kernels, first);
        fill_block(filter, first, width, steps_of(conv, width), packed.weights.data() + first * rows);
    }
    conv.weights.filter = packed.weights.data();
}

constexpr float least_coded = 1e-30f;  // the inverse of a smaller weight is no float

// One tap and output column: codes = rint(values / scale); the scale is the largest value / 32767.
float encode(const float* values, std::int64_t step, int count, std::int16_t* codes) {
    constexpr float most = 32767.0f, rounding = 1.5f * (1 << 23);  // adding it leaves no fraction
    float largest = 0.0f;
    for (int i = 0; i < count; ++i) largest = std::max(largest, std::abs(values[i * step]));
    const float inverse = largest > least_coded ? most / largest : 0.0f;
    for (int i = 0; i < count; ++i)
        codes[i * step] = static_cast<std::int16_t>(values[i * step] * inverse + rounding - rounding);
    return largest / most;
}

void pack_codes(const Filter& filter, PackedConv& packed) {
    Conv& conv = packed.view;
    const std::int64_t rows = std::int64_t{conv.taps} * conv.inputs, outputs = round_up(conv.outputs, panel_columns);
    packed.weights = Buffer(ceil_div(rows * outputs, 2));
    packed.scales = Buffer(conv.taps * outputs);
    std::int16_t* codes = reinterpret_cast<std::int16_t*>(packed.weights.data());
    std::vector<float> block;
    for (int first = 0; first < conv.outputs; first += panel_columns) {
        const Steps steps = steps_of(conv, panel_columns);
        block.assign(static_cast<std::size_t>(rows * panel_columns), 0.0f);
        fill_block(filter, first, panel_columns, steps, block.data());
        for (int tap = 0; tap < conv.taps; ++tap)
            for (int c = 0; c < panel_columns; ++c) {
                const std::int64_t at = tap * steps.tap + c;
                packed.scales.data()[tap * outputs + first + c] =
                    encode(block.data() + at, steps.input, conv.inputs, codes + first * rows + at);
            }
    }
    conv.weights.codes = codes;
    conv.weights.scales = packed.scales.data();
}

// The nearest bfloat16 number; halfway, the even one.
std::uint16_t nearest_half(float x) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
    return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float value_of(std::uint16_t half) { return std::bit_cast<float>(std::uint32_t{half} << 16); }

// [column block][point][step][high, low][column tile][pair of inputs][output][2], the order of tiles.h; transformed in double
// precision.
void pack_tiles(const Filter& f, PackedConv& packed) {
    const Conv& conv = packed.view;
    const Scheme outer = outer_scheme(conv.outer);
    const TileSteps steps = tile_steps(f.inputs, conv.groups);
    const int whole = conv.padded_outputs / panel_columns, rest = conv.padded_outputs % panel_columns;
    packed.weights = Buffer(whole * tile_panel_floats(conv, panel_columns) + tile_panel_floats(conv, rest));
    std::uint16_t* const halves = reinterpret_cast<std::uint16_t*>(packed.weights.data());
    for (int o = 0; o < f.outputs; ++o) {
        const int tiles = o / panel_columns < whole ? panel_columns / tile_columns : rest / tile_columns;
        std::uint16_t* const panel = halves + 2 * (o / panel_columns) * tile_panel_floats(conv, panel_columns);
        for (int i = 0; i < f.inputs; ++i) {
            const float* w = f.weight + (std::int64_t{o} * f.inputs + i) * f.taps;
            for (int p = 0; p < outer.points; ++p)
                for (int g = 0; g < conv.groups; ++g) {
                    double sum = 0.0;
                    for (int k = 0; k < outer.taps && g * outer.taps + k < f.taps; ++k)
                        sum += filter_factor(outer, p, k) * w[g * outer.taps + k];
                    const TilePlace at = steps.place(i, g);
                    std::uint16_t* const to = panel + tile_halves * (2 * tiles * (p * steps.count() + at.step) +
                                                                     o % panel_columns / tile_columns) +
                                              at.depth / 2 * 2 * tile_columns + o % tile_columns * 2 + at.depth % 2;
                    to[0] = nearest_half(static_cast<float>(sum));
                    to[tiles * tile_halves] = nearest_half(static_cast<float>(sum - value_of(to[0])));
                }
        }
    }
    packed.view.weights.products = packed.weights.data();
}

// Phases [first, last) of a transposed filter as an ordinary one. Phase p: taps j = start + rate q, q = 0, 1, …, read
// x[t + shift - q], so that tap k = taps - 1 - q of the ordinary filter has pad taps - 1 - shift.
PhaseGroup pack_phases(const Filter& f, int rate, int first, int last, const Kernels& kernels, Storage storage,
                       double scale) {
    const int pad = (f.taps - rate) / 2, width = static_cast<int>(round_up(f.outputs, kernels.width));
    const int shift = (first + pad) / rate;
    const int taps = static_cast<int>(ceil_div(f.taps - (first + pad) % rate, rate));
    const int outputs = (last - first) * width;
    std::vector<float> weight(static_cast<std::size_t>(outputs) * f.inputs * taps), bias(outputs);
    for (int phase = first; phase < last; ++phase)
        for (int o = 0; o < f.outputs; ++o) {
            const int column = (phase - first) * width + o;
            bias[column] = f.bias[o];
            for (int i = 0; i < f.inputs; ++i)
                for (int q = 0, j = (phase + pad) % rate; j < f.taps; ++q, j += rate)
                    weight[(std::size_t(column) * f.inputs + i) * taps + taps - 1 - q] =
                        static_cast<float>(scale * f.weight[(std::int64_t{i} * f.outputs + o) * f.taps + j]);
        }
    const Filter ordinary{weight.data(), bias.data(), outputs, f.inputs, taps, 1};
    PhaseGroup group{first, pack_conv(ordinary, kernels, choose_upsampling(f.inputs, taps, storage, kernels.tiles != nullptr))};
    group.conv.view.pad = taps - 1 - shift;
    return group;
}

}  // namespace

// The forms that kernels/conv_product.h can transform at use.
Form form_of(int taps, Choice choice) {
    const int groups = inner_scheme(choice.inner).taps;
    const bool chosen = choice.inner != Inner::none && choice.inner != Inner::f22 && choice.inner != Inner::f23;
    const bool nested = chosen && (taps == 4 * groups - 1 || taps == 4 * groups - 3);
    const bool single = (choice.outer == Outer::f63 || choice.outer == Outer::f87) && taps == outer_scheme(choice.outer).taps;
    if (choice.outer == Outer::direct || choice.tiles) return choice.form == Form::codes ? Form::codes : Form::products;
    return nested || single ? choice.form : Form::products;
}

PackedConv pack_conv(const Filter& f, const Kernels& kernels, Choice choice, const sk_codes* codes) {
    PackedConv packed;
    Conv& conv = packed.view;
    conv = {f.inputs,     f.outputs,    static_cast<int>(round_up(f.outputs, kernels.width)),
            f.taps,       f.dilation,   (f.taps - 1) / 2 * f.dilation,
            choice.outer, choice.inner, choice.tiles, static_cast<int>(ceil_div(f.taps, outer_scheme(choice.outer).taps)),
            1,            {},           nullptr};
    if (conv.inner == Inner::none) conv.segments = conv.groups;
    const Form form = form_of(f.taps, choice);
    if (conv.tiles && form == Form::products)
        pack_tiles(f, packed);
    else if (form == Form::products)
        pack_products(f, kernels, packed);
    if (form == Form::filter) pack_filter(f, kernels, packed);
    if (form == Form::codes && codes) {
        conv.weights.codes = codes->codes;
        conv.weights.scales = codes->scales;
    } else if (form == Form::codes) {
        pack_codes(f, packed);
    }
    packed.bias = pad_bias(f.bias, f.outputs, conv.padded_outputs);
    conv.bias = packed.bias.data();
    return packed;
}

std::vector<PhaseGroup> pack_upsampling(const Filter& f, int rate, const Kernels& kernels, Storage storage,
                                        double scale) {
    const int pad = (f.taps - rate) / 2;
    std::vector<PhaseGroup> groups;
    for (int first = 0; first < rate;) {
        const int last = std::min(rate, ((first + pad) / rate + 1) * rate - pad);  // the phases of one shift
        groups.push_back(pack_phases(f, rate, first, last, kernels, storage, scale));
        first = last;
    }
    return groups;
}

}  // namespace sk
