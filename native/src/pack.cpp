#include "pack.h"

#include <algorithm>
#include <cstring>

namespace sk {

namespace {

// Where element (row k, output column) of a [segments * depth][columns] product lies: column blocks of `block` floats,
// the last ones narrower by whole vectors.
class ColumnBlocks {
  public:
    ColumnBlocks(const Kernels& kernels, std::int64_t rows, int columns)
        : rows_(rows),
          wide_(columns / kernels.columns * kernels.columns),
          block_(kernels.columns),
          width_(kernels.width) {}
    std::int64_t at(std::int64_t row, int column) const {
        const int block = column < wide_ ? block_ : width_;
        const int first = column < wide_ ? column / block_ * block_ : wide_ + (column - wide_) / width_ * width_;
        return first * rows_ + row * block + (column - first);
    }

  private:
    std::int64_t rows_;
    int wide_, block_, width_;
};

Buffer pad_bias(const float* bias, int outputs, int padded) {
    Buffer buffer(padded);
    if (bias) std::memcpy(buffer.data(), bias, sizeof(float) * outputs);
    return buffer;
}

// Factors of the nested filter transform, [tap][outer point, inner point].
std::vector<double> nested_factors(const Conv& conv) {
    const Scheme outer = outer_scheme(conv.outer), inner = inner_scheme(conv.inner);
    std::vector<double> factors;
    for (int tap = 0; tap < conv.taps; ++tap)
        for (int p = 0; p < outer.points; ++p)
            for (int q = 0; q < inner.points; ++q)
                factors.push_back(filter_factor(outer, p, tap % outer.taps) *
                                  filter_factor(inner, q, tap / outer.taps));
    return factors;
}

// weights [outer point, inner point][column block][input][...]: one product per point pair. Column blocks are filled
// one after the other, because each is contiguous in every product.
Buffer pack_nested(const Filter& f, const Conv& conv, const Kernels& kernels) {
    const std::vector<double> factors = nested_factors(conv);
    const int points = static_cast<int>(factors.size()) / f.taps;
    const ColumnBlocks blocks(kernels, f.inputs, conv.padded_outputs);
    const std::int64_t size = std::int64_t{f.inputs} * conv.padded_outputs;
    Buffer packed(points * size);
    std::vector<double> sums(points);
    for (int first = 0; first < f.outputs; first += kernels.columns)
        for (int i = 0; i < f.inputs; ++i)
            for (int o = first; o < std::min(first + kernels.columns, f.outputs); ++o) {
                const float* w = f.weight + (std::int64_t{o} * f.inputs + i) * f.taps;
                std::fill(sums.begin(), sums.end(), 0.0);
                for (int tap = 0; tap < f.taps; ++tap)
                    for (int p = 0; p < points; ++p) sums[p] += factors[tap * points + p] * w[tap];
                float* to = packed.data() + blocks.at(i, o);
                for (int p = 0; p < points; ++p) to[p * size] = static_cast<float>(sums[p]);
            }
    return packed;
}

// weights [outer point][column block][group][input][...]: the groups are segments of one product.
Buffer pack_flat(const Filter& f, const Conv& conv, const Kernels& kernels) {
    const Scheme outer = outer_scheme(conv.outer);
    const std::int64_t rows = std::int64_t{conv.groups} * f.inputs;
    const ColumnBlocks blocks(kernels, rows, conv.padded_outputs);
    const std::int64_t size = rows * conv.padded_outputs;
    Buffer packed(outer.points * size);
    for (int o = 0; o < f.outputs; ++o)
        for (int i = 0; i < f.inputs; ++i) {
            const float* w = f.weight + (std::int64_t{o} * f.inputs + i) * f.taps;
            for (int p = 0; p < outer.points; ++p)
                for (int g = 0; g < conv.groups; ++g) {
                    double sum = 0.0;
                    for (int k = 0; k < outer.taps && g * outer.taps + k < f.taps; ++k)
                        sum += filter_factor(outer, p, k) * w[g * outer.taps + k];
                    packed.data()[p * size + blocks.at(std::int64_t{g} * f.inputs + i, o)] = static_cast<float>(sum);
                }
        }
    return packed;
}

// weights [column block][tap][input][...]
Buffer pack_direct(const Filter& f, const Conv& conv, const Kernels& kernels) {
    const std::int64_t rows = std::int64_t{f.taps} * f.inputs;
    const ColumnBlocks blocks(kernels, rows, conv.padded_outputs);
    Buffer packed(rows * conv.padded_outputs);
    for (int o = 0; o < f.outputs; ++o)
        for (int i = 0; i < f.inputs; ++i)
            for (int k = 0; k < f.taps; ++k)
                packed.data()[blocks.at(std::int64_t{k} * f.inputs + i, o)] =
                    f.weight[(std::int64_t{o} * f.inputs + i) * f.taps + k];
    return packed;
}

// Phases [first, last) of a transposed filter as an ordinary one. Phase p: taps j = start + rate q, q = 0, 1, …, read
// x[t + shift - q], so that tap k = taps - 1 - q of the ordinary filter has pad taps - 1 - shift.
PhaseGroup pack_phases(const Filter& f, int rate, int first, int last, const Kernels& kernels, double scale) {
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
    PhaseGroup group{first, pack_conv(ordinary, kernels, choose_upsampling(f.inputs, taps))};
    group.conv.view.pad = taps - 1 - shift;
    return group;
}

}  // namespace

PackedConv pack_conv(const Filter& f, const Kernels& kernels, Choice choice) {
    PackedConv packed;
    Conv& conv = packed.view;
    conv = {f.inputs,     f.outputs,    static_cast<int>(round_up(f.outputs, kernels.width)),
            f.taps,       f.dilation,   (f.taps - 1) / 2 * f.dilation,
            choice.outer, choice.inner, 1,
            nullptr,      nullptr};
    conv.groups = static_cast<int>(ceil_div(f.taps, outer_scheme(conv.outer).taps));
    if (conv.outer == Outer::direct)
        packed.weights = pack_direct(f, conv, kernels);
    else if (conv.inner == Inner::none)
        packed.weights = pack_flat(f, conv, kernels);
    else
        packed.weights = pack_nested(f, conv, kernels);
    packed.bias = pad_bias(f.bias, f.outputs, conv.padded_outputs);
    conv.weights = packed.weights.data();
    conv.bias = packed.bias.data();
    return packed;
}

std::vector<PhaseGroup> pack_upsampling(const Filter& f, int rate, const Kernels& kernels, double scale) {
    const int pad = (f.taps - rate) / 2;
    std::vector<PhaseGroup> groups;
    for (int first = 0; first < rate;) {
        const int last = std::min(rate, ((first + pad) / rate + 1) * rate - pad);  // the phases of one shift
        groups.push_back(pack_phases(f, rate, first, last, kernels, scale));
        first = last;
    }
    return groups;
}

}  // namespace sk
