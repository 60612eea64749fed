#include "transformer/flow.h"

#include <algorithm>
#include <cstring>

#include "threads/pool.h"

namespace sk {

namespace {

constexpr int most_modules = 64;             // couplings are modules 0, 2, 4 …, flips between them
constexpr int most_layers = 64;              // of a stack
constexpr std::int64_t kept_frames = 1000;   // memory of longer runs goes back to the system
constexpr std::int64_t frames_per_part = 64; // of a subtraction

// Layers of which some tensor is there; what one of them misses is named when it is read.
int count_layers(const NamedTensors& tensors, const std::string& prefix) {
    const auto has_layer = [&](int layer) {
        const std::string number = "." + std::to_string(layer);
        return tensors.has(prefix + "attn_layers" + number + ".emb_rel_k") ||
               tensors.has(prefix + "ffn_layers" + number + ".conv_1.weight") ||
               tensors.has(prefix + "in_layers" + number + ".weight") ||
               tensors.has(prefix + "res_skip_layers" + number + ".weight");
    };
    int layers = 0;
    while (layers < most_layers && has_layer(layers)) ++layers;
    return layers;
}

void check(const FlowShape& shape) {
    const auto wrong = [](const std::string& what) { throw Error("the flow's configuration is wrong: " + what); };
    const auto in_range = [](int value, int most) { return value >= 1 && value <= most; };
    if (!in_range(shape.channels, 1 << 13) || shape.channels % 2) wrong("channels must be even, from 2 to 8192");
    if (shape.heads) {
        if (!in_range(shape.filters, 1 << 15)) wrong("filters must be from 1 to 32768");
        if (!in_range(shape.heads, shape.channels) || shape.channels % shape.heads)
            wrong("heads must divide the channels");
    } else if (!shape.speaker) {
        wrong("WaveNets need a speaker vector");
    }
    if (shape.speaker < 0 || shape.speaker > 1 << 15) wrong("the speaker width must be from 0 to 32768");
}

ShapeKey key_of(const FlowShape& shape, const Kernels& kernels) {
    return {reinterpret_cast<std::intptr_t>(&kernels), shape.channels, shape.filters, shape.kernel, shape.heads,
            shape.speaker};
}

Coupling read_coupling(const NamedTensors& tensors, const std::string& prefix, const FlowShape& shape, Storage storage,
                       const Kernels& kernels) {
    const int c = shape.channels, layers = count_layers(tensors, prefix + "enc.");
    if (layers == 0) throw Error("the flow's coupling " + prefix + " has no layers");
    const auto body = [&]() -> std::variant<Stack, Wavenet> {
        if (!shape.heads)
            return Wavenet(tensors, prefix + "enc.", {c, shape.kernel, layers, shape.speaker}, storage, kernels);
        const StackShape stack{c, shape.filters, shape.kernel, shape.heads, layers, shape.speaker};
        return Stack(tensors, prefix + "enc.", stack, storage, kernels);
    };
    return {Dense(tensors, prefix + "pre", c / 2, c, storage, kernels),
            Dense(tensors, prefix + "post", c, c / 2, storage, kernels), body()};
}

}  // namespace

Flow::Flow(const NamedTensors& tensors, const FlowShape& shape, Storage storage, const Kernels& kernels)
    : shape_(shape), kernels_(&kernels), kept_(kept_by<FlowSpace>(key_of(shape, kernels))) {
    check(shape);
    for (int module = most_modules - 1; module >= 0; --module) {
        const std::string prefix = "flow.flows." + std::to_string(module) + ".";
        if (tensors.has(prefix + "pre.weight") || tensors.has(prefix + "post.weight"))
            couplings_.push_back(read_coupling(tensors, prefix, shape, storage, kernels));
    }
    if (couplings_.empty()) throw Error("the flow tensor flow.flows.0.pre.weight is missing");
}

void Flow::run(const float* z_prior, std::int64_t frames, const float* speaker, int threads, float* z) const {
    if (frames <= 0) return;
    const std::int64_t size = frames * shape_.channels;
    if (z != z_prior) std::memcpy(z, z_prior, sizeof(float) * static_cast<std::size_t>(size));
    auto space = borrow(frames);
    with_crew(threads, [&](Crew& crew) {
        bool flipped = true;
        for (const Coupling& coupling : couplings_) {
            couple(crew, coupling, flipped, speaker, frames, z, *space);
            flipped = !flipped;
        }
    });
    if (couplings_.size() % 2)  // an odd number of flips is left
        for (std::int64_t t = 0; t < frames; ++t) std::reverse(z + t * shape_.channels, z + (t + 1) * shape_.channels);
    if (space->frames <= kept_frames) kept_->put(std::move(space), usable_cpus());
}

void Flow::couple(Crew& crew, const Coupling& coupling, bool flipped, const float* speaker, std::int64_t frames,
                  float* z, FlowSpace& space) const {
    const std::int64_t channels = shape_.channels, half = channels / 2;
    const std::int64_t stride = round_up(channels, kernels_->width), mean_stride = round_up(half, kernels_->width);
    float* hidden = space.hidden.data();
    float* mean = space.mean.data();
    coupling.pre.apply(crew, z + (flipped ? half : 0), channels, frames, hidden, stride, space.stack.scratch);
    if (const Stack* stack = std::get_if<Stack>(&coupling.body))
        stack->run(crew, hidden, frames, speaker, space.stack);
    else
        std::get<Wavenet>(coupling.body).run(crew, hidden, frames, speaker, space.wavenet);
    coupling.post.apply(crew, hidden, stride, frames, mean, mean_stride, space.stack.scratch);
    float* target = z + (flipped ? 0 : half);
    crew.parallel(ceil_div(frames, frames_per_part), [&](std::int64_t part, int) {
        for (std::int64_t t = part * frames_per_part; t < std::min((part + 1) * frames_per_part, frames); ++t)
            for (std::int64_t k = 0; k < half; ++k) target[t * channels + k] -= mean[t * mean_stride + k];
    });
}

std::unique_ptr<FlowSpace> Flow::borrow(std::int64_t frames) const {
    std::unique_ptr<FlowSpace> space = kept_->take_largest();
    if (!space) space = std::make_unique<FlowSpace>();
    if (space->frames < frames) {
        space->hidden = Buffer();
        space->mean = Buffer();
        space->hidden = Buffer(frames * round_up(shape_.channels, kernels_->width));
        space->mean = Buffer(frames * round_up(shape_.channels / 2, kernels_->width));
        space->frames = frames;
    }
    return space;
}

std::int64_t Flow::weight_bytes() const {
    std::int64_t total = 0;
    for (const Coupling& coupling : couplings_)
        total += coupling.pre.weight_bytes() + coupling.post.weight_bytes() +
                 std::visit([](const auto& body) { return body.weight_bytes(); }, coupling.body);
    return total;
}

}  // namespace sk
