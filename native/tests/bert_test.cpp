// The BERT's kernels against plain double-precision sums, for every variant of this machine, and the C interface's answers
// to damaged weights. Prints one line per check; exits with 1 if one fails.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "sokuon_native.h"
#include "bert/bert.h"
#include "kernels/byte_kernels.h"

namespace {

int failures = 0;

void expect(bool good, const std::string& what) {
    if (!good) ++failures;
    std::printf("%s %s\n", good ? "ok  " : "FAIL", what.c_str());
}

std::string small(double x) {
    char text[16];
    std::snprintf(text, sizeof text, "%.1e", x);
    return text;
}

std::mt19937 generator(7);
int whole(int low, int high) { return std::uniform_int_distribution<int>(low, high)(generator); }
float normal() { return std::normal_distribution<float>()(generator); }

// A matrix as it lies in the file, and its whole numbers.
struct Weights {
    std::int64_t inputs, outputs;
    std::vector<std::int8_t> codes;
    std::vector<std::uint8_t> pairs, factors;
    std::vector<float> scale, bias;
    std::vector<std::int32_t> sums;
    std::vector<int> plain;  // [inputs][outputs]
    sk::ByteLinear view{};
};

std::int64_t place(const Weights& w, std::int64_t k, std::int64_t n) {
    return ((n / 16 * (w.inputs / 4) + k / 4) * 16 + n % 16) * 4 + k % 4;
}

void fill_bytes(Weights& w) {
    w.codes.resize(w.inputs * w.outputs);
    for (std::int64_t k = 0; k < w.inputs; ++k)
        for (std::int64_t n = 0; n < w.outputs; ++n)
            w.codes[place(w, k, n)] = static_cast<std::int8_t>(w.plain[k * w.outputs + n] = whole(-127, 127));
    w.view.codes = w.codes.data();
}

void fill_pairs(Weights& w, std::int64_t live) {  // zeros from input `live` on
    w.pairs.assign(w.inputs * w.outputs / 2, 0);
    w.factors.resize(w.inputs / 32 * w.outputs);
    for (std::int64_t n = 0; n < w.outputs; ++n)
        for (std::int64_t k = 0; k < w.inputs; ++k) {
            std::uint8_t& both = w.factors[(n / 16 * (w.inputs / 32) + k / 32) * 16 + n % 16];
            if (k % 32 == 0) {
                const int factor = whole(1, 15), most = std::min(127 / factor, 15);
                both = static_cast<std::uint8_t>(factor | whole(15 - most, most) << 4);
            }
            const int code = k < live ? whole(0, 15) : both >> 4;
            const std::int64_t at = ((n / 16 * (w.inputs / 8) + k / 8) * 16 + n % 16) * 4 + k % 4;
            w.pairs[at] = static_cast<std::uint8_t>(w.pairs[at] | code << (k % 8 < 4 ? 0 : 4));
            w.plain[k * w.outputs + n] = (both & 15) * (code - (both >> 4));
        }
    w.view.pairs = w.pairs.data();
    w.view.factors = w.factors.data();
}

Weights random_weights(std::int64_t live, std::int64_t outputs, int bits) {
    const std::int64_t inputs = bits == 8 ? live : (live + 31) / 32 * 32;
    Weights w{inputs, outputs, {}, {}, {}, {}, {}, {}, std::vector<int>(inputs * outputs), {}};
    bits == 8 ? fill_bytes(w) : fill_pairs(w, live);
    for (std::int64_t n = 0; n < outputs; ++n) {
        w.scale.push_back(0.001f * std::exp(normal()));
        w.bias.push_back(normal());
        w.sums.push_back(0);
        for (std::int64_t k = 0; k < inputs; ++k) w.sums[n] += w.plain[k * outputs + n];
    }
    w.view.inputs = inputs;
    w.view.outputs = outputs;
    w.view.scale = w.scale.data();
    w.view.bias = w.bias.data();
    w.view.sums = w.sums.data();
    return w;
}

double gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }

// Rows that are whole multiples of a step, the largest one at the end of the codes: their codes are known.
struct Known {
    std::vector<float> x, factor;
    std::vector<double> value;  // what the product should see
};

Known known_row(std::int64_t n, int zero) {
    const float step = 0.01f * static_cast<float>(whole(1, 9));
    const int low = zero ? -127 : 0, high = zero ? 127 : 255;
    Known row{std::vector<float>(n), std::vector<float>(n), std::vector<double>(n)};
    for (std::int64_t k = 0; k < n; ++k) {
        const int code = k == n / 2 ? high : whole(low, high);
        row.factor[k] = zero ? std::ldexp(1.0f, whole(-3, 3)) : 1.0f;
        row.x[k] = (static_cast<float>(code) * step + (zero ? 0.0f : sk::gelu_floor)) / row.factor[k];
        row.value[k] = static_cast<double>(code) * step;  // the floor is part of the layer's bias
    }
    return row;
}

void check_product(const sk::ByteKernels& kernels, const Weights& w, std::int64_t live, std::int64_t rows, int zero) {
    const std::int64_t stride = sk::row_bytes(w.inputs, kernels.code_bytes), out_stride = w.outputs + 16;
    std::vector<std::uint8_t> codes(rows * stride, 0xaa);  // whatever was there before
    std::vector<float> scales(rows), out(rows * out_stride, -1e9f);
    std::vector<std::int8_t> scratch(w.inputs * sk::strip_outputs);
    std::vector<Known> known;
    for (std::int64_t r = 0; r < rows; ++r) {
        known.push_back(known_row(live, zero));
        const float* factor = zero ? known[r].factor.data() : nullptr;
        scales[r] = kernels.quantize(known[r].x.data(), factor, live, zero, codes.data() + r * stride);
    }
    const bool bent = rows % 2;
    const std::int64_t middle = std::min<std::int64_t>(sk::strip_outputs, w.outputs);
    for (const auto& [first, last] : {std::pair{std::int64_t{0}, middle}, std::pair{middle, w.outputs}})
        kernels.multiply({&w.view, {codes.data(), stride, scales.data(), zero}, rows, first, last, out.data(),
                          out_stride, bent, scratch.data()});
    double worst = 0;
    for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t n = 0; n < w.outputs; ++n) {
            double sum = 0, size = 0;
            for (std::int64_t k = 0; k < live; ++k) {
                sum += known[r].value[k] * w.plain[k * w.outputs + n];
                size += std::abs(known[r].value[k] * w.plain[k * w.outputs + n]);
            }
            const double y = sum * w.scale[n] + w.bias[n];
            const double error = std::abs(out[r * out_stride + n] - (bent ? gelu(y) : y));
            worst = std::max(worst, error / (size * w.scale[n] + std::abs(w.bias[n])));
        }
    // The sums are exact; what is left is the rounding of scales, of the sum as a float, and erf's 1.2e-7.
    expect(worst < 1e-6, std::string(kernels.name) + " product " + std::to_string(rows) + " x " +
                             std::to_string(w.inputs) + " x " + std::to_string(w.outputs) +
                             (w.view.codes ? " 8 bits" : " 4 bits") + (zero ? "" : " above the floor") + " error " +
                             small(worst));
}

void check_products(const sk::ByteKernels& kernels) {
    for (int bits : {8, 4})
        for (auto [inputs, outputs] : {std::pair{32, 16}, std::pair{96, 32}, std::pair{64, 80}, std::pair{48, 16}, std::pair{192, 64}}) {
            const Weights w = random_weights(inputs, outputs, bits);
            for (std::int64_t rows : {1, 2, 3, 5, 7, 11, 12, 13, 25, 33, 65}) check_product(kernels, w, inputs, rows, sk::signed_zero);
            check_product(kernels, w, inputs, 9, 0);
        }
}

// The largest sums that can occur: nothing may saturate, in one row or in several.
void check_extremes(const sk::ByteKernels& kernels, std::int64_t rows) {
    constexpr std::int64_t outputs = 32;
    for (int zero : {sk::signed_zero, 0}) {
        Weights w = random_weights(64, outputs, 8);
        for (std::int64_t n = 0; n < outputs; ++n)
            for (std::int64_t k = 0; k < 64; ++k) w.codes[place(w, k, n)] = n % 2 ? 127 : -127;
        for (std::int64_t n = 0; n < outputs; ++n) w.sums[n] = 64 * (n % 2 ? 127 : -127);
        const std::int64_t stride = sk::row_bytes(64, kernels.code_bytes);
        std::vector<std::uint8_t> codes(rows * stride);
        std::vector<float> x(64, zero ? -1.0f : 1.0f), out(rows * outputs), scale(rows);
        for (std::int64_t r = 0; r < rows; ++r)
            scale[r] = kernels.quantize(x.data(), nullptr, 64, zero, codes.data() + r * stride);
        kernels.multiply({&w.view, {codes.data(), stride, scale.data(), zero}, rows, 0, outputs, out.data(), outputs, false, nullptr});
        bool good = true;
        for (std::int64_t i = 0; i < rows * outputs; ++i) {
            const std::int64_t n = i % outputs;
            const double sum = (zero ? -127.0 : 255.0) * w.sums[n] * scale[0] * w.scale[n];
            good = good && std::abs(out[i] - sum - w.bias[n]) <= 1e-6 * (std::abs(sum) + std::abs(w.bias[n]));
        }
        expect(good, std::string(kernels.name) + " largest sums of " + std::to_string(rows) + " rows" + (zero ? "" : " above the floor"));
    }
}

double half(std::uint16_t bits) {
    const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    const double size = exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24);
    return bits >> 15 ? -size : size;
}

void check_attention(const sk::ByteKernels& kernels, std::int64_t length, int size) {
    const std::int64_t stride = 3 * size + 8, heads = 2, reach = 20, table_stride = heads * size;
    std::vector<float> rows(length * stride), out(length * size + 1, 7.0f);
    for (float& x : rows) x = 0.5f * normal();
    std::vector<std::uint16_t> tables[2];
    for (auto& table : tables)
        for (std::int64_t i = 0; i < (2 * reach + 1) * table_stride; ++i)  // sizes to 1, down to subnormal ones
            table.push_back(static_cast<std::uint16_t>(whole(0, 1) << 15 | whole(i % 50 ? 11 : 0, 14) << 10 | whole(0, 1023)));
    std::vector<std::int32_t> positions;
    for (std::int64_t c = -length; c < length; ++c)
        positions.push_back(static_cast<std::int32_t>(std::clamp(c, -reach, reach) + reach));
    std::vector<float> scratch(kernels.attention_scratch(length, size)), floats[2], again(out);
    const float *q = rows.data(), *k = q + size, *v = k + size;
    const auto attend = [&](sk::RelativeTable pk, sk::RelativeTable pq, float* to) {
        kernels.attend({q, k, v, stride, length, size, pk + size, pq + size, table_stride, positions.data(), to, size,
                        scratch.data()});
    };
    attend({tables[0].data(), nullptr}, {tables[1].data(), nullptr}, out.data());
    for (int t : {0, 1})
        for (std::uint16_t bits : tables[t]) floats[t].push_back(static_cast<float>(half(bits)));
    attend({nullptr, floats[0].data()}, {nullptr, floats[1].data()}, again.data());
    double worst = 0;
    const std::int64_t step = length > 200 ? 37 : 1;
    for (std::int64_t i = 0; i < length; i += step) {
        std::vector<double> weights(length);
        double total = 0;
        for (std::int64_t j = 0; j < length; ++j) {
            double score = 0;
            for (int d = 0; d < size; ++d) {
                const std::int64_t pk = positions[j - i + length] * table_stride + size + d;
                const std::int64_t pq = positions[i - j + length] * table_stride + size + d;
                const double qi = q[i * stride + d], kj = k[j * stride + d];
                score += qi * kj + qi * half(tables[0][pk]) + kj * half(tables[1][pq]);
            }
            total += weights[j] = std::exp(score);
        }
        for (int d = 0; d < size; ++d) {
            double sum = 0;
            for (std::int64_t j = 0; j < length; ++j) sum += weights[j] / total * v[j * stride + d];
            worst = std::max(worst, std::abs(sum - out[i * size + d]));
        }
    }
    // Scores reach some 30 in size, so float32 leaves them 2e-6; values are of size 1.
    expect(worst < 2e-5 && out.back() == 7.0f && out == again, std::string(kernels.name) + " attention " + std::to_string(length) +
                                                    " rows, heads of " + std::to_string(size) + " error " +
                                                    small(worst));
}

// Tensors of a small random BERT, by name.
class Model {
  public:
    Model(int bits, int kernel) : config{48, 2, 24, 64, 2, 5, kernel, bits, 1e-7f} {
        for (int i = 0; i < config.layers; ++i) {
            const std::string layer = "encoder.layer." + std::to_string(i), attention = layer + ".attention";
            for (const char* part : {"query", "key", "value"}) linear(attention + ".self." + part + "_proj", 48, 48);
            for (const char* part : {"pk", "pq"}) {
                std::vector<std::uint16_t> table(11 * 48);
                for (auto& bits16 : table) bits16 = static_cast<std::uint16_t>(whole(0, 1) << 15 | 11 << 10 | whole(0, 1023));
                std::vector<float> floats;
                for (std::uint16_t bits16 : table) floats.push_back(static_cast<float>(half(bits16)));
                config.bits == 32 ? add(attention + ".self." + part, floats) : add(attention + ".self." + part, table);
            }
            linear(attention + ".output.dense", 48, 48);
            linear(layer + ".intermediate.dense", 48, 64);
            linear(layer + ".output.dense", 64, 48);
            for (const std::string& name : {attention + ".self.damping", layer + ".intermediate.damping"}) row(name);
            norm(attention + ".output.LayerNorm");
            norm(layer + ".output.LayerNorm");
        }
        linear("encoder.conv.conv", kernel * 48, 48);
        norm("encoder.conv.LayerNorm");
    }

    std::vector<sk_view> views() const {
        std::vector<sk_view> all;
        for (const auto& [name, bytes] : tensors)
            all.push_back({name.c_str(), bytes.data(), static_cast<std::int64_t>(bytes.size())});
        return all;
    }

    sk_bert* create(std::string* reason = nullptr) const {
        char error[256] = "";
        const auto all = views();
        sk_bert* bert = sk_bert_create(&config, all.data(), static_cast<std::int64_t>(all.size()), "", error, sizeof error);
        if (reason) *reason = error;
        return bert;
    }

    sk_bert_config config;
    std::map<std::string, std::vector<std::uint8_t>> tensors;

  private:
    template <class T>
    void add(const std::string& name, const std::vector<T>& values) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(values.data());
        tensors[name].assign(bytes, bytes + values.size() * sizeof(T));
    }
    void row(const std::string& name) { add(name, std::vector<float>(48, 1.0f)); }
    void norm(const std::string& name) { row(name + ".weight"), add(name + ".bias", std::vector<float>(48, 0.1f)); }
    void linear(const std::string& name, std::int64_t inputs, std::int64_t outputs) {
        if (config.bits == 32) {
            std::vector<float> weight, bias;
            for (std::int64_t i = 0; i < inputs * outputs; ++i)
                weight.push_back(normal() / std::sqrt(static_cast<float>(inputs)));
            for (std::int64_t i = 0; i < outputs; ++i) bias.push_back(normal());
            add(name + ".weight", weight), add(name + ".bias", bias);
            return;
        }
        const Weights w = random_weights(inputs, outputs, config.bits);
        config.bits == 8 ? add(name + ".weight", w.codes) : add(name + ".weight", w.pairs);
        if (config.bits == 4) add(name + ".factors", w.factors);
        add(name + ".scale", w.scale), add(name + ".bias", w.bias), add(name + ".sums", w.sums);
    }
};

std::vector<float> run(const sk_bert* bert, const std::vector<float>& rows, const std::vector<std::int64_t>& lengths,
                       int threads) {
    std::int64_t longest = 0;
    for (std::int64_t length : lengths) longest = std::max(longest, length);
    std::vector<std::int32_t> positions;
    for (std::int64_t c = -longest; c < longest; ++c)
        positions.push_back(static_cast<std::int32_t>(std::clamp<std::int64_t>(c, -5, 5) + 5));
    std::vector<float> out(rows.size());
    const auto count = static_cast<std::int64_t>(lengths.size());
    const int status = sk_bert_run(bert, rows.data(), lengths.data(), count, positions.data(), threads, out.data());
    return status == 0 ? out : std::vector<float>{};
}

void check_model(int bits, int kernel) {
    const Model model(bits, kernel);
    sk_bert* bert = model.create();
    expect(bert != nullptr, "creation");
    if (!bert) return;
    const std::vector<std::int64_t> lengths{7, 1, 30, 2};
    std::vector<float> rows(40 * 48), singly;
    for (float& x : rows) x = normal();
    const std::vector<float> together = run(bert, rows, lengths, 1);
    const float* at = rows.data();
    for (std::int64_t length : lengths) {
        const std::vector<float> part = run(bert, std::vector<float>(at, at + length * 48), {length}, 1);
        singly.insert(singly.end(), part.begin(), part.end());
        at += length * 48;
    }
    bool finite = together.size() == rows.size();
    for (float x : together) finite = finite && std::isfinite(x);
    const std::string name = std::to_string(bits) + " bits, kernel " + std::to_string(kernel) + ": ";
    expect(finite, name + "finite");
    expect(together == singly, name + "sentences together come out as alone");
    expect(together == run(bert, rows, lengths, 2) && together == run(bert, rows, lengths, 3), name + "any number of threads");
    expect(run(bert, {}, {}, 1).empty() && run(bert, {}, {0}, 1).empty(), name + "nothing to do, and an empty sentence");
    const std::int64_t one = 1;
    const std::int32_t beyond[2] = {0, 11};
    float row[48] = {}, out[48];
    expect(sk_bert_run(bert, row, &one, 1, beyond, 1, out) == -2, name + "position out of range");
    sk_bert_destroy(bert);
}

void check_damage() {
    std::string reason;
    Model missing(8, 3);
    missing.tensors.erase("encoder.layer.1.attention.self.key_proj.sums");
    expect(!missing.create(&reason) && reason == "tensor encoder.layer.1.attention.self.key_proj.sums is missing", reason);
    Model cut(4, 3);
    cut.tensors["encoder.conv.conv.factors"].pop_back();
    expect(!cut.create(&reason) && reason.find("encoder.conv.conv.factors has") != std::string::npos, reason);
    Model odd(8, 3);
    odd.config.hidden_size = 40;
    expect(!odd.create(&reason) && reason.rfind("unsupported", 0) == 0, reason);
    Model sizes(8, 3);
    sizes.config.layers = -1;
    expect(!sizes.create(&reason) && !reason.empty(), reason);
}

}  // namespace

int main() {
    const std::string names = sk::usable_byte_kernels();
    for (std::size_t from = 0, to; from < names.size(); from = to + 1) {
        to = std::min(names.find(',', from), names.size());
        const sk::ByteKernels& kernels = *sk::find_byte_kernels(names.substr(from, to - from).c_str());
        check_products(kernels);
        for (std::int64_t rows : {1, 5}) check_extremes(kernels, rows);
        for (int size : {16, 24, 40})
            for (std::int64_t length : {1, 2, 3, 8, 15, 16, 17, 33, 47, 48, 49, 70, 97}) check_attention(kernels, length, size);
        check_attention(kernels, 130, 64);
        check_attention(kernels, 600, 16);
    }
    for (int bits : {32, 8, 4})
        for (int kernel : {1, 3, 5}) check_model(bits, kernel);
    check_damage();
    std::printf("%d failures\n", failures);
    return failures ? 1 : 0;
}
