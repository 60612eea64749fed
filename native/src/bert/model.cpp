// Named pieces of the mapped file → the layers of a BERT.
#include <string>
#include <type_traits>
#include <unordered_map>

#include "bert/bert.h"
#include "memory/tensors.h"

namespace sk {

namespace {

class Views {
  public:
    Views(const sk_view* views, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i) views_.emplace(views[i].name, views[i]);
    }

    bool has(const std::string& name) const { return views_.count(name) > 0; }

    template <class T>
    const T* take(const std::string& name, std::int64_t count) const {
        const auto found = views_.find(name);
        if (found == views_.end()) throw Error("tensor " + name + " is missing");
        if (found->second.bytes != count * static_cast<std::int64_t>(sizeof(T)))
            throw Error("tensor " + name + " has " + std::to_string(found->second.bytes) + " bytes instead of " +
                        std::to_string(count * static_cast<std::int64_t>(sizeof(T))));
        if (reinterpret_cast<std::uintptr_t>(found->second.data) % alignof(T) != 0)
            throw Error("tensor " + name + " does not lie on a whole number");
        const T* values = static_cast<const T*>(found->second.data);
        if constexpr (std::is_same_v<T, float>)  // scales, biases, norms: the codes cannot be anything else than numbers
            if (!sane(values, count)) throw Error("tensor " + name + " holds NaN, infinity or a value beyond 1e30");
        return values;
    }

  private:
    std::unordered_map<std::string, sk_view> views_;
};

void check(const sk_bert_config& s) {
    const auto within = [](std::int64_t value, std::int64_t least, std::int64_t most) {
        return value >= least && value <= most;
    };
    if (!within(s.hidden_size, 1, 1 << 16) || !within(s.inner_size, 1, 1 << 16) || !within(s.heads, 1, 1 << 10) ||
        !within(s.head_size, 1, 1 << 10) || !within(s.layers, 1, 1 << 10) || !within(s.buckets, 1, 1 << 16) ||
        !within(s.conv_kernel, 0, 15) || !(s.epsilon > 0.0f))
        throw Error("the sizes in the manifest are out of range");
    if (s.hidden_size % panel_outputs || s.inner_size % panel_outputs || s.heads * s.head_size % panel_outputs)
        throw Error("unsupported: widths that are no multiples of 16");
    if (s.bits != 32 && s.bits != 8 && s.bits != 4) throw Error("unsupported: weights of " + std::to_string(s.bits) + " bits");
}

class Builder {
  public:
    Builder(const sk_bert_config& shape, const ByteKernels& kernels, const Views& views)
        : shape_(shape), kernels_(*find_kernels(kernels.set)), views_(views) {}

    BertLinear linear(const std::string& name, std::int64_t inputs, std::int64_t outputs) const {
        if (shape_.bits == 32) {
            const float* weight = views_.take<float>(name + ".weight", inputs * outputs);
            const float* bias = views_.has(name + ".bias") ? views_.take<float>(name + ".bias", outputs) : nullptr;
            return {{}, Dense(weight, bias, static_cast<int>(inputs), static_cast<int>(outputs), Storage::float32, kernels_)};
        }
        return {codes(name, inputs, outputs), {}};
    }

    ByteLinear codes(const std::string& name, std::int64_t inputs, std::int64_t outputs) const {
        ByteLinear layer{};
        layer.outputs = outputs;
        if (shape_.bits == 8) {
            layer.inputs = inputs;
            layer.codes = views_.take<std::int8_t>(name + ".weight", inputs * outputs);
        } else {
            layer.inputs = (inputs + block_inputs - 1) / block_inputs * block_inputs;
            layer.pairs = views_.take<std::uint8_t>(name + ".weight", layer.inputs / 2 * outputs);
            layer.factors = views_.take<std::uint8_t>(name + ".factors", layer.inputs / block_inputs * outputs);
        }
        layer.scale = views_.take<float>(name + ".scale", outputs);
        layer.bias = views_.take<float>(name + ".bias", outputs);
        layer.sums = views_.take<std::int32_t>(name + ".sums", outputs);
        return layer;
    }

    Norm norm(const std::string& name) const { return {row(name + ".weight"), row(name + ".bias")}; }

    BertLayer layer(const std::string& name) const {
        const std::int64_t hidden = shape_.hidden_size, all = std::int64_t{shape_.heads} * shape_.head_size;
        const std::string attention = name + ".attention";
        BertLayer layer{};
        layer.attention_factor = factor(attention + ".self.damping");
        layer.query = linear(attention + ".self.query_proj", hidden, all);
        layer.key = linear(attention + ".self.key_proj", hidden, all);
        layer.value = linear(attention + ".self.value_proj", hidden, all);
        layer.pk = table(attention + ".self.pk", (2 * shape_.buckets + 1) * all);
        layer.pq = table(attention + ".self.pq", (2 * shape_.buckets + 1) * all);
        layer.output = linear(attention + ".output.dense", all, hidden);
        layer.attention_norm = norm(attention + ".output.LayerNorm");
        layer.inner_factor = factor(name + ".intermediate.damping");
        layer.widen = linear(name + ".intermediate.dense", hidden, shape_.inner_size);
        layer.narrow = linear(name + ".output.dense", shape_.inner_size, hidden);
        layer.norm = norm(name + ".output.LayerNorm");
        return layer;
    }

  private:
    const float* row(const std::string& name) const { return views_.take<float>(name, shape_.hidden_size); }
    const float* factor(const std::string& name) const { return shape_.bits == 32 ? nullptr : row(name); }
    RelativeTable table(const std::string& name, std::int64_t count) const {
        if (shape_.bits == 32) return {nullptr, views_.take<float>(name, count)};
        return {views_.take<std::uint16_t>(name, count), nullptr};
    }

    const sk_bert_config& shape_;
    const Kernels& kernels_;
    const Views& views_;
};

}  // namespace

BertModel build_bert(const sk_bert_config& shape, const ByteKernels& kernels, const sk_view* tensors,
                     std::int64_t count) {
    check(shape);
    const Views views(tensors, count);
    const Builder builder(shape, kernels, views);
    BertModel model{shape, &kernels, {}, {}, {}};
    for (int i = 0; i < shape.layers; ++i) model.layers.push_back(builder.layer("encoder.layer." + std::to_string(i)));
    if (shape.conv_kernel > 0) {
        model.conv = builder.linear("encoder.conv.conv", std::int64_t{shape.conv_kernel} * shape.hidden_size, shape.hidden_size);
        model.conv_norm = builder.norm("encoder.conv.LayerNorm");
    }
    return model;
}

}  // namespace sk
