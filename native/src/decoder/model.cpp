#include "decoder/model.h"

#include "decoder/pack.h"

namespace sk {

namespace {

constexpr int edge_taps = 7;  // of conv_pre and conv_post

struct Builder {
    const Shape& shape;
    const Kernels& kernels;
    const Storage storage;
    const NamedTensors& tensors;

    PackedConv conv(const std::string& name, int outputs, int inputs, int taps, int dilation) const {
        const Choice choice = choose(inputs, outputs, taps, storage, kernels.tiles != nullptr);
        const std::int64_t columns = round_up(outputs, panel_columns);
        const std::string weight = name + ".weight";
        const sk_codes* codes = form_of(taps, choice) == Form::codes
                                    ? tensors.codes(weight, columns * inputs * taps, columns * taps)
                                    : nullptr;
        const float* values = codes ? nullptr : tensors.get(weight, std::int64_t{outputs} * inputs * taps);
        const Filter filter{values, tensors.get(name + ".bias", outputs), outputs, inputs, taps, dilation};
        return pack_conv(filter, kernels, choice, codes);
    }

    Chain chain(int index, int channels, const Branch& branch) const {
        Chain chain;
        const std::string name = "resblocks." + std::to_string(index);
        const bool pairs = shape.resblock == 1;
        for (std::size_t m = 0; m < branch.dilations.size(); ++m) {
            const std::string suffix = "." + std::to_string(m);
            const std::string first = name + (pairs ? ".convs1" : ".convs") + suffix;
            chain.convs.push_back(conv(first, channels, channels, branch.kernel, branch.dilations[m]));
            if (pairs) chain.convs.push_back(conv(name + ".convs2" + suffix, channels, channels, branch.kernel, 1));
        }
        for (const PackedConv& c : chain.convs) chain.reach += c.view.pad;
        plan_memory(chain, pairs);
        return chain;
    }

    // Convolution m's output is the input of m + 1 and, at the end of a pair, also the residual of m + 2.
    static void plan_memory(Chain& chain, bool pairs) {
        const int count = static_cast<int>(chain.convs.size());
        const auto pad = [&](int m) -> std::int64_t { return m < count ? chain.convs[m].view.pad : 0; };
        chain.keep.resize(count);
        chain.head.resize(count);
        for (int m = count - 1; m >= 0; --m) {
            const bool residual = pairs && m % 2 == 1;
            chain.keep[m] = pad(m + 1) + std::max(pad(m + 1), residual ? pad(m + 2) : 0);
            if (residual && m + 2 < count)
                chain.head[m] = chain.head[m + 2] + std::max<std::int64_t>(chain.keep[m + 2] - chain.keep[m] +
                                                                               pad(m + 1) + pad(m + 2),
                                                                           0);
        }
    }

    // `scale` carries the mean over the previous stage's resblocks: leaky ReLU and convolution are homogeneous.
    std::vector<PhaseGroup> upsampling(int i, double scale) const {
        const int inputs = shape.channels(i - 1), outputs = shape.channels(i), taps = shape.kernels[i];
        const std::string name = "ups." + std::to_string(i);
        const float* weight = tensors.get(name + ".weight", std::int64_t{inputs} * outputs * taps);
        return pack_upsampling({weight, tensors.get(name + ".bias", outputs), outputs, inputs, taps, 1}, shape.rates[i],
                               kernels, storage, scale);
    }

    double mean() const { return 1.0 / static_cast<double>(shape.branches.size()); }

    Stage stage(int i) const {
        Stage stage;
        stage.rate = shape.rates[i];
        stage.kernel = shape.kernels[i];
        stage.pad = (stage.kernel - stage.rate) / 2;
        stage.up = upsampling(i, i ? mean() : 1.0);
        stage.stride = round_up(shape.channels(i), kernels.width);
        const int branches = static_cast<int>(shape.branches.size());
        for (int j = 0; j < branches; ++j) {
            stage.chains.push_back(chain(i * branches + j, shape.channels(i), shape.branches[j]));
            stage.reach = std::max(stage.reach, stage.chains.back().reach);
        }
        return stage;
    }

    Buffer post(int taps) const {
        const int channels = shape.channels(shape.stages() - 1);
        const std::int64_t stride = round_up(channels, kernels.width);
        const float* weight = tensors.get("conv_post.weight", std::int64_t{channels} * taps);
        Buffer packed(taps * stride);
        for (int c = 0; c < channels; ++c)
            for (int k = 0; k < taps; ++k)
                packed.data()[k * stride + c] = static_cast<float>(mean() * weight[c * taps + k]);
        return packed;
    }
};

// In floats, wherever they lie.
std::int64_t floats(const PackedConv& conv) {
    const Conv& view = conv.view;
    const std::int64_t columns = round_up(view.outputs, panel_columns);
    if (!view.weights.codes) return conv.weights.size() + conv.bias.size();
    return columns * view.inputs * view.taps / 2 + columns * view.taps + conv.bias.size();
}

}  // namespace

std::int64_t Model::weight_bytes() const {
    std::int64_t total = floats(pre) + post_weights.size() + static_cast<std::int64_t>(speaker_weight.size());
    for (const Stage& stage : stages) {
        for (const PhaseGroup& group : stage.up) total += floats(group.conv);
        for (const Chain& chain : stage.chains)
            for (const PackedConv& conv : chain.convs) total += floats(conv);
    }
    return total * static_cast<std::int64_t>(sizeof(float));
}

Model build_model(const Shape& shape, const Kernels& kernels, Storage storage, const NamedTensors& tensors) {
    const Builder build{shape, kernels, storage, tensors};
    Model model;
    model.shape = shape;
    model.kernels = &kernels;
    model.storage = storage;
    model.pre = build.conv("conv_pre", shape.initial, shape.latent, edge_taps, 1);
    if (shape.speaker > 0) {
        const float* weight = build.tensors.get("cond.weight", std::int64_t{shape.initial} * shape.speaker);
        const float* bias = build.tensors.get("cond.bias", shape.initial);
        model.speaker_weight.assign(weight, weight + std::int64_t{shape.initial} * shape.speaker);
        model.speaker_bias.assign(bias, bias + shape.initial);
    }
    for (int i = 0; i < shape.stages(); ++i) model.stages.push_back(build.stage(i));
    model.post_weights = build.post(edge_taps);
    // JP-Extra's conv_post has no bias, other HiFi-GANs have one.
    const float bias = build.tensors.has("conv_post.bias") ? *build.tensors.get("conv_post.bias", 1) : 0.0f;
    model.post = {model.post_weights.data(), edge_taps, bias};
    return model;
}

}  // namespace sk
