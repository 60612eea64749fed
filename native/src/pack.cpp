#include "pack.h"

#include <cstring>

namespace sk {

namespace {

// Where element (row k, output column) of a [segments * depth][columns] product lies: column blocks of `block` floats,
// the last ones narrower by whole vectors.
class ColumnBlocks {
  public:
    ColumnBlocks(const Kernels& kernels, std::int64_t rows, int columns)
        : rows_(rows), wide_(columns / kernels.columns * kernels.columns), block_(kernels.columns), width_(kernels.width) {}
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

// Factors of the nested filter transform: point -> its weight for every tap of the whole filter.
std::vector<double> nested_factors(const Conv& conv) {
    const Scheme outer = outer_scheme(conv.outer), inner = inner_scheme(conv.inner);
    std::vector<double> factors;  // [outer point][inner point][tap]
    for (int p = 0; p < outer.points; ++p)
        for (int q = 0; q < inner.points; ++q)
            for (int tap = 0; tap < conv.taps; ++tap)
                factors.push_back(filter_factor(outer, p, tap % outer.taps) * filter_factor(inner, q, tap / outer.taps));
    return factors;
}

// weights [outer point][inner point][column block][input][...]: one product per point pair.
Buffer pack_nested(const Filter& f, const Conv& conv, const Kernels& kernels) {
    const std::vector<double> factors = nested_factors(conv);
    const int points = static_cast<int>(factors.size()) / f.taps;
    const ColumnBlocks blocks(kernels, f.inputs, conv.padded_outputs);
    const std::int64_t size = std::int64_t{f.inputs} * conv.padded_outputs;
    Buffer packed(points * size);
    for (int o = 0; o < f.outputs; ++o)
        for (int i = 0; i < f.inputs; ++i) {
            const float* w = f.weight + (std::int64_t{o} * f.inputs + i) * f.taps;
            float* to = packed.data() + blocks.at(i, o);
            for (int p = 0; p < points; ++p) {
                double sum = 0.0;
                for (int tap = 0; tap < f.taps; ++tap) sum += factors[p * f.taps + tap] * w[tap];
                to[p * size] = static_cast<float>(sum);
            }
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

// One phase of a transposed filter: taps j = start + rate q, weights [column block][q][input][...].
Buffer pack_phase(const Filter& f, int start, int rate, int taps, const Kernels& kernels, double scale) {
    const int padded = static_cast<int>(round_up(f.outputs, kernels.width));
    const ColumnBlocks blocks(kernels, std::int64_t{taps} * f.inputs, padded);
    Buffer packed(std::int64_t{taps} * f.inputs * padded);
    for (int i = 0; i < f.inputs; ++i)
        for (int o = 0; o < f.outputs; ++o)
            for (int q = 0; q < taps; ++q)
                packed.data()[blocks.at(std::int64_t{q} * f.inputs + i, o)] = static_cast<float>(
                    scale * f.weight[(std::int64_t{i} * f.outputs + o) * f.taps + start + rate * q]);
    return packed;
}

}  // namespace

PackedConv pack_conv(const Filter& f, const Kernels& kernels, Choice choice) {
    PackedConv packed;
    Conv& conv = packed.view;
    conv = {f.inputs, f.outputs, static_cast<int>(round_up(f.outputs, kernels.width)), f.taps, f.dilation,
            (f.taps - 1) / 2 * f.dilation, choice.outer, choice.inner, 1, nullptr, nullptr};
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

PackedUpsampling pack_upsampling(const Filter& f, int rate, const Kernels& kernels, double scale) {
    PackedUpsampling packed;
    const int pad = (f.taps - rate) / 2;
    for (int phase = 0; phase < rate; ++phase) {
        // Output t rate + phase takes tap j from input t + (phase + pad - j) / rate, for j = phase + pad modulo rate.
        const int start = (phase + pad) % rate;
        const int taps = static_cast<int>(ceil_div(f.taps - start, rate));
        packed.weights.push_back(pack_phase(f, start, rate, taps, kernels, scale));
        packed.phases.push_back({taps, (phase + pad - start) / rate, packed.weights.back().data()});
    }
    const int padded = static_cast<int>(round_up(f.outputs, kernels.width));
    packed.bias = pad_bias(f.bias, f.outputs, padded);
    packed.view = {f.inputs, f.outputs, padded, rate, packed.phases.data(), packed.bias.data()};
    return packed;
}

}  // namespace sk
