// Runs the library through its C interface against a plain double-precision generator, for every instruction set of the
// machine: the program that the sanitizers and the emulated aarch64 run (check_sanitizers.sh, check_neon.sh).
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "sharing.h"
#include "sokuon_native.h"

namespace {

using Signal = std::vector<std::vector<double>>;  // [channel][time]
using Tensors = std::map<std::string, std::vector<float>>;

struct Shape {
    const char* name;
    int latent, speaker, initial, resblock;
    std::vector<int> rates, kernels, branch_kernels;
    std::vector<std::vector<int>> dilations;

    int channels(int stage) const { return initial >> (stage + 1); }
    int hop() const {
        int hop = 1;
        for (int rate : rates) hop *= rate;
        return hop;
    }
};

const std::vector<Shape> shapes = {
    {"sbv2-like", 12, 8, 96, 1, {4, 2}, {8, 4}, {3, 7, 11}, {{1, 3, 5}, {1, 3, 5}, {1, 3, 5}}},
    {"resblock 2", 7, 0, 72, 2, {3, 2}, {5, 4}, {3, 5, 13}, {{1, 2}, {2, 6}, {3, 12}}},
    {"wide, odd", 5, 3, 150, 1, {5}, {11}, {1, 9, 17}, {{2}, {1, 4}, {3}}},
    {"filters", 131, 4, 264, 1, {3}, {7}, {3, 5, 7, 9, 11}, {{1, 3}, {1}, {2}, {3}, {1, 5}}},
    {"hop 300, small", 10, 4, 64, 1, {5, 5, 4, 3}, {11, 11, 8, 7}, {3, 7}, {{1, 3}, {1, 5}}},
};

double leaky(double x, double slope) { return x >= 0 ? x : slope * x; }

// weight [outputs][inputs][taps]; bias may be null.
Signal convolve(const Signal& x, const float* weight, const float* bias, int outputs, int taps, int dilation,
                double slope) {
    const int inputs = static_cast<int>(x.size()), length = static_cast<int>(x[0].size());
    Signal y(outputs, std::vector<double>(length));
    for (int o = 0; o < outputs; ++o)
        for (int t = 0; t < length; ++t) {
            double sum = bias ? bias[o] : 0.0;
            for (int k = 0; k < taps; ++k) {
                const int at = t + (k - (taps - 1) / 2) * dilation;
                if (at < 0 || at >= length) continue;
                for (int i = 0; i < inputs; ++i)
                    sum += double{weight[(o * inputs + i) * taps + k]} * leaky(x[i][at], slope);
            }
            y[o][t] = sum;
        }
    return y;
}

// weight [inputs][outputs][taps]
Signal upsample(const Signal& x, const float* weight, const float* bias, int outputs, int taps, int rate) {
    const int inputs = static_cast<int>(x.size()), length = static_cast<int>(x[0].size()), pad = (taps - rate) / 2;
    Signal y(outputs, std::vector<double>(length * rate));
    for (int o = 0; o < outputs; ++o) {
        for (double& value : y[o]) value = bias[o];
        for (int t = 0; t < length; ++t)
            for (int j = 0; j < taps; ++j) {
                const int at = t * rate + j - pad;
                if (at < 0 || at >= length * rate) continue;
                for (int i = 0; i < inputs; ++i)
                    y[o][at] += double{weight[(i * outputs + o) * taps + j]} * leaky(x[i][t], 0.1);
            }
    }
    return y;
}

void add(Signal& sum, const Signal& x, double factor = 1.0) {
    for (std::size_t c = 0; c < x.size(); ++c)
        for (std::size_t t = 0; t < x[c].size(); ++t) sum[c][t] += factor * x[c][t];
}

Signal resblock(const Shape& s, const Tensors& w, Signal x, int index) {
    const int branch = index % static_cast<int>(s.branch_kernels.size()), taps = s.branch_kernels[branch];
    const int channels = static_cast<int>(x.size());
    for (std::size_t m = 0; m < s.dilations[branch].size(); ++m) {
        const std::string base = "resblocks." + std::to_string(index) + (s.resblock == 1 ? ".convs1." : ".convs.");
        const auto conv = [&](const Signal& in, std::string name, int dilation) {
            name += std::to_string(m);
            return convolve(in, w.at(name + ".weight").data(), w.at(name + ".bias").data(), channels, taps, dilation,
                            0.1);
        };
        Signal y = conv(x, base, s.dilations[branch][m]);
        if (s.resblock == 1) y = conv(y, "resblocks." + std::to_string(index) + ".convs2.", 1);
        add(x, y);
    }
    return x;
}

std::vector<double> reference(const Shape& s, const Tensors& w, const std::vector<float>& z,
                              const std::vector<float>& g, int frames) {
    Signal x(s.latent, std::vector<double>(frames));
    for (int c = 0; c < s.latent; ++c)
        for (int t = 0; t < frames; ++t) x[c][t] = z[c * frames + t];
    x = convolve(x, w.at("conv_pre.weight").data(), w.at("conv_pre.bias").data(), s.initial, 7, 1, 1.0);
    for (int o = 0; s.speaker && o < s.initial; ++o) {
        double sum = w.at("cond.bias")[o];
        for (int c = 0; c < s.speaker; ++c) sum += double{w.at("cond.weight")[o * s.speaker + c]} * g[c];
        for (double& value : x[o]) value += sum;
    }
    const int branches = static_cast<int>(s.branch_kernels.size());
    for (int i = 0; i < static_cast<int>(s.rates.size()); ++i) {
        const std::string name = "ups." + std::to_string(i);
        x = upsample(x, w.at(name + ".weight").data(), w.at(name + ".bias").data(), s.channels(i), s.kernels[i],
                     s.rates[i]);
        Signal mean(x.size(), std::vector<double>(x[0].size()));
        for (int j = 0; j < branches; ++j) add(mean, resblock(s, w, x, i * branches + j), 1.0 / branches);
        x = mean;
    }
    Signal y = convolve(x, w.at("conv_post.weight").data(), nullptr, 1, 7, 1, 0.01);
    for (double& value : y[0]) value = std::tanh(value);
    return y[0];
}

Tensors random_tensors(const Shape& s, int seed = 1) {
    std::mt19937 random(seed);
    Tensors tensors;
    const auto fill = [&](const std::string& name, int size, double scale) {
        std::normal_distribution<float> normal(0.0f, static_cast<float>(scale));
        for (int i = 0; i < size; ++i) tensors[name].push_back(normal(random));
    };
    const auto layer = [&](const std::string& name, int outputs, int inputs, int taps, double fan_in) {
        fill(name + ".weight", outputs * inputs * taps, 1.0 / std::sqrt(fan_in));
        fill(name + ".bias", outputs, 0.05);
    };
    layer("conv_pre", s.initial, s.latent, 7, 7 * s.latent);
    if (s.speaker) layer("cond", s.initial, s.speaker, 1, s.speaker);
    int index = 0;
    for (int i = 0; i < static_cast<int>(s.rates.size()); ++i) {
        const int c = s.channels(i), before = s.channels(i - 1);
        layer("ups." + std::to_string(i), c, before, s.kernels[i], double(before) * s.kernels[i] / s.rates[i]);
        for (std::size_t j = 0; j < s.branch_kernels.size(); ++j, ++index)
            for (std::size_t m = 0; m < s.dilations[j].size(); ++m)
                for (const char* kind : {"convs1", "convs2", "convs"}) {
                    if ((std::strcmp(kind, "convs") == 0) == (s.resblock == 1)) continue;
                    const std::string name =
                        "resblocks." + std::to_string(index) + "." + kind + "." + std::to_string(m);
                    layer(name, c, c, s.branch_kernels[j], 2.0 * c * s.branch_kernels[j]);
                }
    }
    fill("conv_post.weight", s.channels(static_cast<int>(s.rates.size()) - 1) * 7, 0.1);
    return tensors;
}

sk_decoder* create(const Shape& s, const Tensors& tensors, int storage, const char* isa) {
    std::vector<int32_t> counts, dilations;
    for (const auto& list : s.dilations) {
        counts.push_back(static_cast<int32_t>(list.size()));
        dilations.insert(dilations.end(), list.begin(), list.end());
    }
    const sk_decoder_config config{s.latent,
                                   s.speaker,
                                   s.initial,
                                   static_cast<int32_t>(s.rates.size()),
                                   s.rates.data(),
                                   s.kernels.data(),
                                   s.resblock,
                                   static_cast<int32_t>(s.branch_kernels.size()),
                                   s.branch_kernels.data(),
                                   counts.data(),
                                   dilations.data()};
    std::vector<sk_tensor> list;
    for (const auto& [name, data] : tensors)
        list.push_back({name.c_str(), data.data(), static_cast<int64_t>(data.size())});
    char error[256] = "";
    sk_decoder* decoder =
        sk_decoder_create(&config, list.data(), static_cast<int64_t>(list.size()), nullptr, 0, storage, isa, error,
                          sizeof error);
    if (!decoder) std::printf("FAILED to create %s on %s: %s\n", s.name, isa, error);
    return decoder;
}

double snr(const std::vector<float>& y, const std::vector<double>& truth) {
    double signal = 0.0, error = 1e-300;
    for (std::size_t i = 0; i < y.size(); ++i) {
        signal += truth[i] * truth[i];
        error += (y[i] - truth[i]) * (y[i] - truth[i]);
    }
    return std::isfinite(error) ? 10.0 * std::log10(signal / error) : -999.0;  // NaN, too, is below every bound
}

bool check(const Shape& s, const std::string& isa, int storage, int frames) {
    const Tensors tensors = random_tensors(s);
    sk_decoder* decoder = create(s, tensors, storage, isa.c_str());
    if (!decoder) return false;
    std::mt19937 random(2);
    std::normal_distribution<float> normal;
    std::vector<float> z(static_cast<std::size_t>(s.latent) * frames), g(s.speaker),
        y(static_cast<std::size_t>(s.hop()) * frames);
    for (float& value : z) value = normal(random);
    for (float& value : g) value = normal(random);
    const std::vector<double> truth = frames ? reference(s, tensors, z, g, frames) : std::vector<double>();
    bool good = sk_decoder_run(decoder, z.data(), frames, g.data(), 0, frames + 1, 1, y.data()) == -1;
    double worst = 999.0;
    for (int step : {frames, 1 + frames / 3, 5})
        for (int threads : {1, 3}) {
            for (int first = 0; first < frames; first += step) {
                const int count = std::min(step, frames - first);
                good &= sk_decoder_run(decoder, z.data(), frames, g.data(), first, count, threads,
                                       y.data() + first * s.hop()) == 0;
            }
            if (frames) worst = std::min(worst, snr(y, truth));
        }
    std::vector<std::thread> together;  // several callers at once
    for (int i = 0; i < 3; ++i)
        together.emplace_back([&] {
            std::vector<float> own(y.size());
            sk_decoder_run(decoder, z.data(), frames, g.data(), 0, frames, 2, own.data());
        });
    for (std::thread& thread : together) thread.join();
    sk_decoder_destroy(decoder);
    good &= worst > (storage == SK_STORAGE_INT16 ? 85.0 : 105.0);
    std::printf("%s %-15s %-7s %-7s %3d frames: %.1f dB\n", good ? "ok    " : "FAILED", s.name, isa.c_str(),
                storage == SK_STORAGE_INT16 ? "int16" : "float32", frames, worst);
    return good;
}

// A decoder of random weights that speaks the same frames whenever it runs.
sharing::Network voice(const Shape& s, const std::string& isa, int seed, sk_decoder*& decoder) {
    const int frames = 40;
    const auto run = [&s, &decoder](int threads) {
        std::vector<float> z(static_cast<std::size_t>(s.latent) * frames, 0.5f), g(s.speaker, 0.5f),
            out(static_cast<std::size_t>(s.hop()) * frames);
        for (std::size_t i = 0; i < z.size(); ++i) z[i] = static_cast<float>(i % 17) / 17.0f;
        sk_decoder_run(decoder, z.data(), frames, g.data(), 0, frames, threads, out.data());
        return out;
    };
    return {[&s, isa, seed, &decoder] { decoder = create(s, random_tensors(s, seed), SK_STORAGE_INT16, isa.c_str()); },
            run, [&decoder] { sk_decoder_destroy(decoder); }};
}

bool check_sharing(const std::string& isa) {
    sk_decoder *a = nullptr, *b = nullptr;
    return sharing::check(voice(shapes[0], isa, 1, a), voice(shapes[0], isa, 2, b), "decoders of one shape");
}

}  // namespace

int main() {
    bool good = sk_abi_version() == SK_ABI_VERSION;
    std::string isas = sk_isas();
    if (std::getenv("SOKUON_BEST_ISA_ONLY")) isas = isas.substr(0, isas.find(','));
    while (!isas.empty()) {
        const std::string isa = isas.substr(0, isas.find(','));
        isas.erase(0, isa.size() + 1);
        good &= check_sharing(isa);
        for (const Shape& shape : shapes)
            for (int frames : {0, 1, 2, 33})
                for (int storage : {SK_STORAGE_FLOAT32, SK_STORAGE_INT16}) good &= check(shape, isa, storage, frames);
    }
    std::printf(good ? "all passed\n" : "FAILED\n");
    return good ? 0 : 1;
}
