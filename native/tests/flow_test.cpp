// The flow through its C interface against a plain double-precision one, for every instruction set of the machine, both
// storages and several threads: run by check_sanitizers.sh and check_neon.sh too.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "sharing.h"
#include "sokuon_native.h"

namespace {

using Rows = std::vector<std::vector<double>>;  // [time][channel]
using Tensors = std::map<std::string, std::vector<float>>;

struct Shape {
    const char* name;
    int channels, filters, kernel, heads, layers, speaker, couplings;
};

const std::vector<Shape> shapes = {
    {"standard", 24, 40, 5, 2, 3, 6, 2},  {"odd, kernel 3", 22, 37, 3, 1, 3, 5, 1}, {"heads of 1", 8, 9, 5, 8, 1, 0, 2},
    {"kernel 4", 36, 33, 4, 3, 2, 0, 1},  {"two blocks", 40, 260, 5, 2, 1, 0, 1},
    {"wavenet", 24, 0, 5, 0, 4, 6, 2},    {"odd wavenet", 22, 0, 3, 0, 1, 5, 1},  // without heads
};

Rows dense(const Tensors& t, const std::string& name, const Rows& x, int outputs) {
    const std::vector<float>&w = t.at(name + ".weight"), &b = t.at(name + ".bias");
    Rows y(x.size(), std::vector<double>(outputs));
    for (std::size_t r = 0; r < x.size(); ++r)
        for (int o = 0; o < outputs; ++o) {
            y[r][o] = b[o];
            for (std::size_t i = 0; i < x[r].size(); ++i) y[r][o] += x[r][i] * double{w[i * outputs + o]};
        }
    return y;
}

// weight [tap][input][output], or [input][tap][output]
Rows convolve(const Tensors& t, const std::string& name, const Rows& x, int outputs, int taps, bool tap_first) {
    const std::vector<float>&w = t.at(name + ".weight"), &b = t.at(name + ".bias");
    const int rows = static_cast<int>(x.size()), inputs = static_cast<int>(x[0].size());
    Rows y(rows, std::vector<double>(outputs));
    for (int r = 0; r < rows; ++r)
        for (int o = 0; o < outputs; ++o) {
            y[r][o] = b[o];
            for (int k = 0; k < taps; ++k) {
                const int at = r + k - (taps - 1) / 2;
                if (at < 0 || at >= rows) continue;
                for (int i = 0; i < inputs; ++i)
                    y[r][o] += x[at][i] * double{w[((tap_first ? k * inputs + i : i * taps + k)) * outputs + o]};
            }
        }
    return y;
}

void add_and_norm(const Tensors& t, const std::string& name, Rows& x, const Rows& y) {
    for (std::size_t r = 0; r < x.size(); ++r) {
        double mean = 0.0, variance = 0.0;
        const double n = static_cast<double>(x[r].size());
        for (std::size_t i = 0; i < x[r].size(); ++i) mean += (x[r][i] += y[r][i]) / n;
        for (double value : x[r]) variance += (value - mean) * (value - mean) / n;
        for (std::size_t i = 0; i < x[r].size(); ++i)
            x[r][i] = (x[r][i] - mean) / std::sqrt(variance + 1e-5) * t.at(name + ".gamma")[i] + t.at(name + ".beta")[i];
    }
}

// The factor 1 / sqrt(D) is in the queries' weights.
Rows attention(const Tensors& t, const std::string& name, const Rows& x, const Shape& s) {
    const int rows = static_cast<int>(x.size()), c = s.channels, depth = c / s.heads;
    const Rows qkv = dense(t, name + ".qkv", x, 3 * c);
    const std::vector<float>&rel_k = t.at(name + ".emb_rel_k"), &rel_v = t.at(name + ".emb_rel_v");
    Rows mixed(rows, std::vector<double>(c));
    for (int h = 0; h < s.heads; ++h)
        for (int i = 0; i < rows; ++i) {
            std::vector<double> p(rows);
            double sum = 0.0;
            for (int j = 0; j < rows; ++j) {
                double score = 0.0;
                for (int k = 0; k < depth; ++k) {
                    const double q = qkv[i][h * depth + k];
                    score += q * qkv[j][c + h * depth + k];
                    if (std::abs(j - i) <= 4) score += q * double{rel_k[k * 9 + j - i + 4]};
                }
                sum += p[j] = std::exp(score);
            }
            for (int j = 0; j < rows; ++j)
                for (int k = 0; k < depth; ++k) {
                    double value = qkv[j][2 * c + h * depth + k];
                    if (std::abs(j - i) <= 4) value += double{rel_v[(j - i + 4) * depth + k]};
                    mixed[i][h * depth + k] += p[j] / sum * value;
                }
        }
    return dense(t, name + ".conv_o", mixed, c);
}

Rows stack(const Tensors& t, const std::string& prefix, Rows x, const Shape& s, const std::vector<float>& speaker) {
    for (int i = 0; i < s.layers; ++i) {
        const std::string number = "." + std::to_string(i);
        if (i == 2) {
            const Rows added =
                dense(t, prefix + "spk_emb_linear", {std::vector<double>(speaker.begin(), speaker.end())}, s.channels);
            for (auto& row : x)
                for (int k = 0; k < s.channels; ++k) row[k] += added[0][k];
        }
        add_and_norm(t, prefix + "norm_layers_1" + number, x, attention(t, prefix + "attn_layers" + number, x, s));
        Rows wide = convolve(t, prefix + "ffn_layers" + number + ".conv_1", x, s.filters, s.kernel, true);
        for (auto& row : wide)
            for (double& value : row) value = std::max(value, 0.0);
        add_and_norm(t, prefix + "norm_layers_2" + number, x,
                     convolve(t, prefix + "ffn_layers" + number + ".conv_2", wide, s.channels, s.kernel, false));
    }
    return x;
}

Rows wavenet(const Tensors& t, const std::string& prefix, Rows x, const Shape& s, const std::vector<float>& speaker) {
    const int c = s.channels;
    const Rows condition = dense(t, prefix + "cond_layer", {std::vector<double>(speaker.begin(), speaker.end())},
                                 2 * c * s.layers);
    Rows skips(x.size(), std::vector<double>(c));
    for (int i = 0; i < s.layers; ++i) {
        const std::string number = "." + std::to_string(i);
        const bool last = i + 1 == s.layers;
        Rows a = convolve(t, prefix + "in_layers" + number, x, 2 * c, s.kernel, true);
        for (auto& row : a) {
            for (int k = 0; k < 2 * c; ++k) row[k] += condition[0][2 * c * i + k];
            for (int k = 0; k < c; ++k) row[k] = std::tanh(row[k]) / (1.0 + std::exp(-row[c + k]));
            row.resize(c);
        }
        const Rows out = dense(t, prefix + "res_skip_layers" + number, a, last ? c : 2 * c);
        for (std::size_t r = 0; r < x.size(); ++r)
            for (int k = 0; k < c; ++k) {
                skips[r][k] += out[r][last ? k : c + k];
                x[r][k] += out[r][k];
            }
    }
    return skips;
}

// Flips are in the tensors: the halves take turns.
Rows reference(const Shape& s, const Tensors& t, Rows z, const std::vector<float>& speaker) {
    const int half = s.channels / 2;
    for (int step = 0; step < s.couplings; ++step) {
        const std::string prefix = "flow.flows." + std::to_string(2 * (s.couplings - 1 - step)) + ".";
        const int source = step % 2 ? 0 : half, target = half - source;
        Rows x;
        for (const auto& row : z) x.emplace_back(row.begin() + source, row.begin() + source + half);
        const Rows before = dense(t, prefix + "pre", x, s.channels);
        const Rows hidden = (s.heads ? stack : wavenet)(t, prefix + "enc.", before, s, speaker);
        const Rows mean = dense(t, prefix + "post", hidden, half);
        for (std::size_t r = 0; r < z.size(); ++r)
            for (int k = 0; k < half; ++k) z[r][target + k] -= mean[r][k];
    }
    if (s.couplings % 2)
        for (auto& row : z) std::reverse(row.begin(), row.end());
    return z;
}

Tensors random_tensors(const Shape& s, int seed = 1) {
    std::mt19937 random(seed);
    Tensors tensors;
    const auto fill = [&](const std::string& name, int size, double scale, double mean) {
        std::normal_distribution<float> normal(static_cast<float>(mean), static_cast<float>(scale));
        for (int i = 0; i < size; ++i) tensors[name].push_back(normal(random));
    };
    const auto layer = [&](const std::string& name, int inputs, int outputs, int taps) {
        fill(name + ".weight", inputs * outputs * taps, 1.0 / std::sqrt(inputs * taps), 0.0);
        fill(name + ".bias", outputs, 0.1, 0.0);
    };
    const int c = s.channels;
    for (int i = 0; i < s.couplings; ++i) {
        const std::string prefix = "flow.flows." + std::to_string(2 * i) + ".", enc = prefix + "enc.";
        layer(prefix + "pre", c / 2, c, 1);
        layer(prefix + "post", c, c / 2, 1);
        if (!s.heads) {
            layer(enc + "cond_layer", s.speaker, 2 * c * s.layers, 1);
            for (int l = 0; l < s.layers; ++l) {
                layer(enc + "in_layers." + std::to_string(l), c, 2 * c, s.kernel);
                layer(enc + "res_skip_layers." + std::to_string(l), c, l + 1 < s.layers ? 2 * c : c, 1);
            }
            continue;
        }
        if (s.layers > 2) layer(enc + "spk_emb_linear", s.speaker, c, 1);
        for (int l = 0; l < s.layers; ++l) {
            const std::string number = "." + std::to_string(l);
            layer(enc + "attn_layers" + number + ".qkv", c, 3 * c, 1);
            for (int k = 0; k < c * c; ++k)  // queries are divided by sqrt(D)
                tensors[enc + "attn_layers" + number + ".qkv.weight"][k / c * 3 * c + k % c] /=
                    std::sqrt(static_cast<float>(c / s.heads));
            layer(enc + "attn_layers" + number + ".conv_o", c, c, 1);
            layer(enc + "ffn_layers" + number + ".conv_1", c, s.filters, s.kernel);
            layer(enc + "ffn_layers" + number + ".conv_2", s.filters, c, s.kernel);
            for (const char* kind : {".emb_rel_k", ".emb_rel_v"})
                fill(enc + "attn_layers" + number + kind, 9 * c / s.heads, 0.5, 0.0);
            for (const char* norm : {"norm_layers_1", "norm_layers_2"}) {
                fill(enc + norm + number + ".gamma", c, 0.1, 1.0);
                fill(enc + norm + number + ".beta", c, 0.1, 0.0);
            }
        }
    }
    return tensors;
}

sk_flow* create(const Shape& s, const Tensors& tensors, int storage, const char* isa, char* error, int64_t size) {
    std::vector<sk_tensor> list;
    for (const auto& [name, data] : tensors)
        list.push_back({name.c_str(), data.data(), static_cast<int64_t>(data.size())});
    const sk_flow_config config{s.channels, s.filters, s.kernel, s.heads, s.speaker};
    return sk_flow_create(&config, list.data(), static_cast<int64_t>(list.size()), nullptr, 0, storage, isa, error, size);
}

double snr(const std::vector<float>& y, const Rows& truth) {
    double signal = 0.0, error = 1e-300;
    for (std::size_t i = 0; i < y.size(); ++i) {
        const double value = truth[i / truth[0].size()][i % truth[0].size()];
        signal += value * value;
        error += (y[i] - value) * (y[i] - value);
    }
    return std::isfinite(error) ? 10.0 * std::log10(signal / error) : -999.0;  // NaN, too, is below every bound
}

bool check(const Shape& s, const std::string& isa, int frames) {
    const Tensors tensors = random_tensors(s);
    std::mt19937 random(2);
    std::normal_distribution<float> normal;
    std::vector<float> z(static_cast<std::size_t>(s.channels) * frames), speaker(s.speaker), y(z.size());
    for (float& value : z) value = normal(random);
    for (float& value : speaker) value = normal(random);
    Rows rows(frames, std::vector<double>(s.channels));
    for (std::size_t i = 0; i < z.size(); ++i) rows[i / s.channels][i % s.channels] = z[i];
    const Rows truth = frames ? reference(s, tensors, rows, speaker) : rows;
    bool good = true;
    double worst[2] = {999.0, 999.0};
    for (int storage : {SK_STORAGE_FLOAT32, SK_STORAGE_INT16}) {
        char error[256] = "";
        sk_flow* flow = create(s, tensors, storage, isa.c_str(), error, sizeof error);
        if (!flow) {
            std::printf("FAILED to create %s on %s: %s\n", s.name, isa.c_str(), error);
            return false;
        }
        for (int threads : {1, 3}) {
            good &= sk_flow_run(flow, z.data(), frames, speaker.data(), threads, y.data()) == 0;
            if (frames) worst[storage] = std::min(worst[storage], snr(y, truth));
        }
        std::vector<std::thread> together;  // several callers at once
        for (int i = 0; i < 3; ++i)
            together.emplace_back([&] {
                std::vector<float> own(z);  // in place
                sk_flow_run(flow, own.data(), frames, speaker.data(), 2, own.data());
            });
        for (std::thread& thread : together) thread.join();
        sk_flow_destroy(flow);
    }
    good &= worst[SK_STORAGE_FLOAT32] > 118.0 && worst[SK_STORAGE_INT16] > 76.0;  // bounds of tests/native/test_flow.py
    std::printf("%s %-14s %-7s %3d frames: %.1f dB, codes %.1f dB\n", good ? "ok    " : "FAILED", s.name, isa.c_str(),
                frames, worst[0], worst[1]);
    return good;
}

// Every tensor is missed by its name.
bool misses(const Shape& s) {
    Tensors tensors = random_tensors(s);
    bool good = true;
    for (auto& [name, data] : random_tensors(s)) {
        auto taken = tensors.extract(name);
        char error[256] = "";
        good &= !create(s, tensors, SK_STORAGE_FLOAT32, "", error, sizeof error);
        good &= std::string(error).find(name + " is missing") != std::string::npos;
        if (!good) std::printf("FAILED without %s: %s\n", name.c_str(), error);
        tensors.insert(std::move(taken));
    }
    return good;
}

// A flow of random weights that gets the same frames whenever it runs.
sharing::Network voice(const Shape& s, const std::string& isa, int seed, sk_flow*& flow) {
    const int frames = 40;
    const auto make = [&s, isa, seed, &flow] {
        char error[256] = "";
        flow = create(s, random_tensors(s, seed), SK_STORAGE_INT16, isa.c_str(), error, sizeof error);
    };
    const auto run = [&s, &flow](int threads) {
        std::vector<float> z(static_cast<std::size_t>(s.channels) * frames), speaker(s.speaker, 0.5f);
        for (std::size_t i = 0; i < z.size(); ++i) z[i] = static_cast<float>(i % 17) / 17.0f;
        sk_flow_run(flow, z.data(), frames, speaker.data(), threads, z.data());
        return z;
    };
    return {make, run, [&flow] { sk_flow_destroy(flow); }};
}

bool check_sharing(const std::string& isa) {
    sk_flow *a = nullptr, *b = nullptr;
    bool good = true;
    for (int i : {0, 5})
        good &= sharing::check(voice(shapes[i], isa, 1, a), voice(shapes[i], isa, 2, b), "flows of one shape");
    // Voices that differ in their layers alone: what the shallow one leaves is enough for the deep one.
    Shape shallow = shapes[5];
    shallow.layers = 1;
    const sharing::Network first = voice(shallow, isa, 1, a), second = voice(shapes[5], isa, 2, b);
    second.create();
    const std::vector<float> expected = second.run(1);
    second.destroy();
    first.create();
    second.create();
    first.run(1);
    good &= second.run(1) == expected;
    first.destroy();
    second.destroy();
    if (!good) std::printf("FAILED: flows that share memory\n");
    return good;
}

}  // namespace

int main() {
    bool good = misses(shapes[0]) & misses(shapes[5]);
    std::string isas = sk_isas();
    while (!isas.empty()) {
        const std::string isa = isas.substr(0, isas.find(','));
        isas.erase(0, isa.size() + 1);
        good &= check_sharing(isa);
        for (const Shape& shape : shapes)
            for (int frames : {0, 1, 3, 13, 50, 110}) good &= check(shape, isa, frames);
    }
    std::printf(good ? "all passed\n" : "FAILED\n");
    return good ? 0 : 1;
}
