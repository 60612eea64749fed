// How near the processor's limits the networks run: peak and stages in one run, one thread's CPU time.
//
//   roofline [isa …] -> a Markdown table per instruction set of this machine: milliseconds, GFLOP/s of the plain
//   convolutions that a stage stands for, GFLOP/s of the products it does, and their share of the peak
//
// Peak: a loop of independent multiply-adds in registers. Memory: sums over 256 MB. Standard configuration, random weights
// in 16-bit codes; a stage's transforms, norms and attention are not counted as products.
//
// For the BERT's 8-bit products, 22 layers of the large model read once: GMAC/s against the same products on weights in the
// first-level cache, and the weights' GB/s against the memory's.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "bert/bert.h"
#include "decoder/decoder.h"
#include "transformer/flow.h"

namespace {

constexpr int frames = 146, runs = 5;

double seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

template <class Body>
double best_seconds(const Body& body) {
    double best = 1e9;
    for (int i = 0; i < runs; ++i) {
        const double start = seconds();
        body();
        best = std::min(best, seconds() - start);
    }
    return best;
}

// GFLOP/s of 12 independent chains of multiply-adds, W floats each: two a cycle with a latency of 4 or 5 need 10.
#define EACH(step) step(0) step(1) step(2) step(3) step(4) step(5) step(6) step(7) step(8) step(9) step(10) step(11)
#define DECLARE(k) vec sum##k = factor * (1.0f + k);  // equal chains would be one
#define STEP(k) sum##k = sum##k * factor + term;
#define ADD(k) total += sum##k;
#define PEAK(name, W, options)                                                \
    options double name() {                                                   \
        typedef float vec __attribute__((vector_size(W * 4)));                \
        constexpr long steps = 4000000;                                       \
        volatile float given = 1.0f;                                          \
        const vec factor = given - vec{}, term = 1e-9f * given - vec{};       \
        EACH(DECLARE)                                                         \
        const double start = seconds();                                       \
        for (long i = 0; i < steps; ++i) { EACH(STEP) }                       \
        vec total{};                                                          \
        EACH(ADD)                                                             \
        given = total[0];                                                     \
        return 2.0 * W * 12 * static_cast<double>(steps) / (seconds() - start) * 1e-9; \
    }
#if defined(__x86_64__)
PEAK(peak_512, 16, __attribute__((target("avx512f"))))
PEAK(peak_256, 8, __attribute__((target("avx2,fma"))))
PEAK(peak_128, 4, )
#undef PEAK

double peak(const std::string& isa) {
    double best = 0.0;
    for (int i = 0; i < runs; ++i)
        best = std::max(best, isa == "avx512" || isa == "amx" ? peak_512() : isa == "avx2" ? peak_256() : peak_128());
    return best;
}
#else
double peak(const std::string&) { return NAN; }
#endif

double memory_bandwidth() {
    std::vector<std::uint64_t> values(32 << 20, 1);
    volatile std::uint64_t kept = 0;
    const double spent = best_seconds([&] {
        std::uint64_t sums[8] = {};
        for (std::size_t i = 0; i < values.size(); i += 8)
            for (int k = 0; k < 8; ++k) sums[k] += values[i + k];
        for (std::uint64_t sum : sums) kept = kept + sum;
    });
    return 8e-9 * static_cast<double>(values.size()) / spent;
}

class Tensors {
  public:
    void add(const std::string& name, std::int64_t size, double scale, double mean = 0.0) {
        std::normal_distribution<float> normal(static_cast<float>(mean), static_cast<float>(scale));
        std::vector<float>& values = values_[name];
        for (std::int64_t i = 0; i < size; ++i) values.push_back(normal(random_));
    }
    void layer(const std::string& name, int inputs, int outputs, int taps) {
        add(name + ".weight", std::int64_t{inputs} * outputs * taps, 1.0 / std::sqrt(inputs * taps));
        add(name + ".bias", outputs, 0.1);
    }
    std::vector<sk_tensor> table() const {
        std::vector<sk_tensor> rows;
        for (const auto& [name, data] : values_)
            rows.push_back({name.c_str(), data.data(), static_cast<std::int64_t>(data.size())});
        return rows;
    }

  private:
    std::mt19937 random_{1};
    std::map<std::string, std::vector<float>> values_;
};

const sk::Shape standard{192, 512, 512, 1, {8, 8, 2, 2, 2}, {16, 16, 8, 2, 2},
                         {{3, {1, 3, 5}}, {7, {1, 3, 5}}, {11, {1, 3, 5}}}};

Tensors decoder_tensors() {
    Tensors tensors;
    tensors.layer("conv_pre", standard.latent, standard.initial, 7);
    tensors.layer("cond", standard.speaker, standard.initial, 1);
    int block = 0;
    for (int i = 0; i < standard.stages(); ++i) {
        const int channels = standard.channels(i);
        const std::string up = "ups." + std::to_string(i);
        tensors.add(up + ".weight", std::int64_t{2} * channels * channels * standard.kernels[i], 0.02);
        tensors.add(up + ".bias", channels, 0.1);
        for (const sk::Branch& branch : standard.branches) {
            const std::string name = "resblocks." + std::to_string(block++);
            for (std::size_t m = 0; m < branch.dilations.size(); ++m)
                for (const char* half : {".convs1.", ".convs2."})
                    tensors.layer(name + half + std::to_string(m), channels, channels, branch.kernel);
        }
    }
    tensors.add("conv_post.weight", standard.channels(standard.stages() - 1) * 7, 0.1);
    return tensors;
}

constexpr sk::FlowShape flow_shape{192, 768, 5, 2, 512};
constexpr int couplings = 4, layers = 6;

Tensors flow_tensors() {
    Tensors tensors;
    const int c = flow_shape.channels;
    for (int i = 0; i < couplings; ++i) {
        const std::string prefix = "flow.flows." + std::to_string(2 * i) + ".", enc = prefix + "enc.";
        tensors.layer(prefix + "pre", c / 2, c, 1);
        tensors.layer(prefix + "post", c, c / 2, 1);
        tensors.layer(enc + "spk_emb_linear", flow_shape.speaker, c, 1);
        for (int l = 0; l < layers; ++l) {
            const std::string number = "." + std::to_string(l);
            tensors.layer(enc + "attn_layers" + number + ".qkv", c, 3 * c, 1);
            tensors.layer(enc + "attn_layers" + number + ".conv_o", c, c, 1);
            tensors.layer(enc + "ffn_layers" + number + ".conv_1", c, flow_shape.filters, flow_shape.kernel);
            tensors.layer(enc + "ffn_layers" + number + ".conv_2", flow_shape.filters, c, flow_shape.kernel);
            for (const char* kind : {".emb_rel_k", ".emb_rel_v"})
                tensors.add(enc + "attn_layers" + number + kind, 9 * c / flow_shape.heads, 0.5);
            for (const char* norm : {"norm_layers_1", "norm_layers_2"}) {
                tensors.add(enc + norm + number + ".gamma", c, 0.1, 1.0);
                tensors.add(enc + norm + number + ".beta", c, 0.1);
            }
        }
    }
    return tensors;
}

// Floating-point operations: of the plain network, and of the products that stand for it.
struct Work {
    double plain = 0.0, done = 0.0;
    void add(const sk::Conv& conv, double rows) {
        const sk::Scheme outer = sk::outer_scheme(conv.outer), inner = sk::inner_scheme(conv.inner);
        const double pairs = 2.0 * conv.inputs * conv.outputs * rows;
        const bool nested = conv.inner != sk::Inner::none, direct = outer.points == 1;
        plain += pairs * conv.taps;
        done += pairs * (direct   ? conv.taps
                         : nested ? double(outer.points * inner.points) / (outer.outputs * inner.outputs)
                                  : double(outer.points * conv.groups) / outer.outputs);
    }
};

void line(const std::string& name, double spent, const Work& work, double most) {
    std::printf("| %s | %.1f | %.0f | %.0f | %.0f %% |\n", name.c_str(), spent * 1e3, work.plain / spent * 1e-9,
                work.done / spent * 1e-9, 100.0 * work.done / spent * 1e-9 / most);
}

void decoder(const sk::Kernels& kernels, double most) {
    const Tensors tensors = decoder_tensors();
    const std::vector<sk_tensor> table = tensors.table();
    const sk::NamedTensors named(table.data(), static_cast<std::int64_t>(table.size()), "decoder");
    const sk::Decoder decoder(sk::build_model(standard, kernels, sk::Storage::int16, named));
    const sk::Model& model = decoder.model();
    std::vector<float> z(standard.latent * frames, 0.5f), speaker(standard.speaker, 0.1f), out(frames * standard.hop());
    std::vector<std::vector<double>> spent;
    for (int i = 0; i < runs; ++i) {
        spent.emplace_back(2 + 2 * standard.stages());
        decoder.profile({z.data(), frames, speaker.data()}, {0, frames}, out.data(), spent.back().data());
    }
    const auto fastest = [&](int part) {
        double best = 1e9;
        for (const auto& run : spent) best = std::min(best, run[part]);
        return best;
    };
    Work total;
    double seconds = fastest(0) + fastest(1 + 2 * standard.stages()), rows = frames;
    for (int i = 0; i < standard.stages(); ++i) {
        Work up, blocks;
        for (const sk::PhaseGroup& group : model.stages[i].up) up.add(group.conv.view, rows);
        rows *= standard.rates[i];
        for (const sk::Chain& chain : model.stages[i].chains)
            for (const sk::PackedConv& conv : chain.convs) blocks.add(conv.view, rows);
        const std::string channels = std::to_string(standard.channels(i)) + " channels";
        line("upsampling to " + channels, fastest(1 + 2 * i), up, most);
        line("resblocks of " + channels, fastest(2 + 2 * i), blocks, most);
        total.plain += up.plain + blocks.plain;
        total.done += up.done + blocks.done;
        seconds += fastest(1 + 2 * i) + fastest(2 + 2 * i);
    }
    line("decoder", seconds, total, most);
}

void flow(const sk::Kernels& kernels, double most) {
    const Tensors tensors = flow_tensors();
    const std::vector<sk_tensor> table = tensors.table();
    const sk::NamedTensors named(table.data(), static_cast<std::int64_t>(table.size()), "flow");
    const sk::Flow flow(named, flow_shape, sk::Storage::int16, kernels);
    std::vector<float> z(flow_shape.channels * frames, 0.5f), speaker(flow_shape.speaker, 0.1f), out(z.size());
    const double c = flow_shape.channels, dense = 4 * c * c, feed = 2 * c * flow_shape.filters;
    const double attention = 2.0 * frames * c;  // a frame's scores and values
    const double wide = flow_shape.kernel, tiled = double(sk::toom_points) / sk::toom_outputs(flow_shape.kernel);
    const double count = 2.0 * frames * couplings;
    const Work work{count * (c * c + layers * (dense + attention + feed * wide)),
                    count * (c * c + layers * (dense + attention + feed * tiled))};
    line("flow", best_seconds([&] { flow.run(z.data(), frames, speaker.data(), 1, out.data()); }), work, most);
}

constexpr std::int64_t bert_width = 1024, bert_inner = 4096, bert_layers = 22, most_tokens = 102;

// Matrices of one size, one after the other as in the file.
class ByteMatrices {
  public:
    ByteMatrices(std::int64_t inputs, std::int64_t outputs, std::int64_t count)
        : codes_(static_cast<std::size_t>(inputs * outputs * count)), values_(outputs, 0.01f), sums_(outputs),
          linear_{inputs, outputs, codes_.data(), nullptr, nullptr, values_.data(), values_.data(), sums_.data()},
          count_(count), random_(1) {
        for (std::int8_t& code : codes_) code = static_cast<std::int8_t>(random_() % 255 - 127);
    }

    double macs(std::int64_t tokens) const {
        return static_cast<double>(codes_.size()) * static_cast<double>(tokens);
    }
    double bytes() const { return static_cast<double>(codes_.size()); }

    // Quantises the rows and multiplies them by each matrix, `times` over.
    void run(const sk::ByteKernels& kernels, std::int64_t tokens, std::int64_t times, const float* x, float* out) {
        const std::int64_t stride = sk::row_bytes(linear_.inputs, kernels.code_bytes);
        rows_.resize(static_cast<std::size_t>(tokens * stride));
        scales_.resize(static_cast<std::size_t>(tokens));
        for (std::int64_t i = 0; i < times * count_; ++i) {
            for (std::int64_t r = 0; i < count_ && r < tokens; ++r)
                scales_[r] = kernels.quantize(x, nullptr, linear_.inputs, sk::signed_zero, rows_.data() + r * stride);
            sk::ByteLinear linear = linear_;
            linear.codes += i % count_ * linear.inputs * linear.outputs;
            kernels.multiply({&linear, {rows_.data(), stride, scales_.data(), sk::signed_zero}, tokens, 0, linear.outputs,
                              out, linear.outputs, false, nullptr});
        }
    }

  private:
    std::vector<std::int8_t> codes_;
    std::vector<float> values_;
    std::vector<std::int32_t> sums_;
    sk::ByteLinear linear_;
    std::int64_t count_;
    std::mt19937 random_;
    std::vector<std::uint8_t> rows_;
    std::vector<float> scales_;
};

void bert(const sk::ByteKernels& kernels, double bandwidth) {
    std::vector<float> x(bert_inner), out(most_tokens * bert_inner);
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (float& value : x) value = normal(random);
    ByteMatrices near(256, 32, 1);
    constexpr std::int64_t rows = 24, times = 20000;
    const double most = near.macs(rows) * times / 1e9 /
                        best_seconds([&] { near.run(kernels, rows, times, x.data(), out.data()); });
    ByteMatrices square(bert_width, bert_width, 4 * bert_layers), widen(bert_width, bert_inner, bert_layers),
        narrow(bert_inner, bert_width, bert_layers);
    std::printf("\n%s: %.0f GMAC/s in the first-level cache\n\n| tokens | ms | GMAC/s | of that | GB/s | of the memory's "
                "|\n|--:|--:|--:|--:|--:|--:|\n", kernels.name, most);
    for (std::int64_t tokens : {17, 42, 102}) {
        double macs = 0.0, bytes = 0.0;
        for (const ByteMatrices* matrices : {&square, &widen, &narrow})
            macs += matrices->macs(tokens), bytes += matrices->bytes();
        const double spent = best_seconds([&] {
            for (ByteMatrices* matrices : {&square, &widen, &narrow}) matrices->run(kernels, tokens, 1, x.data(), out.data());
        });
        std::printf("| %d | %.1f | %.0f | %.0f %% | %.1f | %.0f %% |\n", static_cast<int>(tokens), spent * 1e3,
                    macs / spent * 1e-9, 100 * macs / spent * 1e-9 / most, bytes / spent * 1e-9,
                    100 * bytes / spent * 1e-9 / bandwidth);
    }
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> names(argv + 1, argv + argc);
    if (names.empty()) {
        std::string all = sk::usable_kernels();
        for (std::size_t end; !all.empty(); all.erase(0, end == std::string::npos ? end : end + 1)) {
            end = all.find(',');
            names.push_back(all.substr(0, end));
        }
    }
    const double bandwidth = memory_bandwidth();
    std::printf("memory: %.1f GB/s read; %d frames\n", bandwidth, frames);
    for (const std::string& name : names) {
        const sk::Kernels* kernels = sk::find_kernels(name.c_str());
        if (!kernels) return std::printf("this machine has no %s\n", name.c_str()), 1;
        const double most = peak(name);
        std::printf("\n%s: peak %.0f GFLOP/s\n\n| stage | ms | GFLOP/s, plain | GFLOP/s, done | of the peak |\n"
                    "|---|--:|--:|--:|--:|\n", name.c_str(), most);
        decoder(*kernels, most);
        flow(*kernels, most);
        if (const sk::ByteKernels* bytes = sk::find_byte_kernels(name.c_str())) bert(*bytes, bandwidth);
    }
    return 0;
}
