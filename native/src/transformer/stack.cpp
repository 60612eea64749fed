#include "transformer/stack.h"

#include <algorithm>
#include <cstring>

namespace sk {

namespace {

constexpr std::int64_t rows_per_norm = 16;
constexpr std::int64_t most_queries = 96;  // whose attention scores a worker holds at once
constexpr int speaker_layer = 2;           // the speaker vector enters before the third layer

Buffer padded_copy(const float* values, std::int64_t count, const Kernels& kernels) {
    Buffer buffer(round_up(count, kernels.width));
    std::memcpy(buffer.data(), values, sizeof(float) * static_cast<std::size_t>(count));
    return buffer;
}

Buffer operand(const float* rows, std::int64_t count, int width, const Kernels& kernels) {
    Buffer buffer(count * round_up(width, kernels.width));
    kernels.stack->pack_rows(rows, count, width, buffer.data());
    return buffer;
}

// A stack running over one sequence.
class Run {
  public:
    Run(Crew& crew, const StackShape& shape, const Kernels& kernels, StackSpace& space, float* x, std::int64_t rows)
        : crew_(crew),
          shape_(shape),
          kernels_(kernels),
          space_(space),
          x_(x),
          rows_(rows),
          stride_(round_up(shape.channels, kernels.width)) {}

    // `after` replaces the shift of the second norm.
    void layer(const StackLayer& layer, const float* after) {
        Scratch& scratch = space_.scratch;
        const std::int64_t wide = round_up(3 * shape_.channels, kernels_.width);
        layer.qkv.apply(crew_, x_, stride_, rows_, space_.qkv.data(), wide, scratch);
        attend(layer, wide);
        layer.out.apply(crew_, space_.mixed.data(), stride_, rows_, space_.sum.data(), stride_, scratch);
        norm(x_, layer.gamma_1.data(), layer.beta_1.data(), space_.normed.data());
        layer.wide.apply(crew_, space_.normed, rows_, space_.wide.data(), space_.wide.stride(), space_.planes, scratch,
                         true);
        layer.narrow.apply(crew_, space_.wide, rows_, space_.sum.data(), stride_, space_.planes, scratch);
        norm(space_.normed.data(), layer.gamma_2.data(), after, x_);
    }

  private:
    void attend(const StackLayer& layer, std::int64_t qkv_stride) {
        const int heads = shape_.heads, width = kernels_.width, depth = shape_.channels / heads;
        const WindowAttention attention{space_.qkv.data(),
                                  qkv_stride,
                                  rows_,
                                  shape_.channels,
                                  heads,
                                  space_.keys.data(),
                                  space_.values.data(),
                                  round_up(rows_, width) * depth,
                                  rows_ * round_up(depth, width),
                                  layer.relative_keys.data(),
                                  layer.relative_values.data(),
                                  space_.mixed.data(),
                                  stride_};
        const std::int64_t blocks = ceil_div(rows_, most_queries), queries = ceil_div(rows_, blocks);
        space_.scratch.reserve(crew_.size(), window_scratch(queries, rows_, depth, width));
        const StackKernels& stack = *kernels_.stack;
        crew_.parallel(2 * heads, [&](std::int64_t part, int) {
            (part % 2 ? stack.pack_values : stack.pack_keys)(attention, static_cast<int>(part / 2));
        });
        crew_.parallel(heads * blocks, [&](std::int64_t part, int worker) {
            const std::int64_t lo = part % blocks * queries, hi = std::min(lo + queries, rows_);
            if (lo < hi) stack.attend(attention, static_cast<int>(part / blocks), lo, hi, space_.scratch.of(worker));
        });
    }

    // out = norm(x + space.sum)
    void norm(const float* x, const float* gain, const float* bias, float* out) {
        const NormCall norm{x, space_.sum.data(), gain, bias, out, stride_, stride_, stride_, shape_.channels};
        crew_.parallel(ceil_div(rows_, rows_per_norm), [&](std::int64_t part, int) {
            const std::int64_t lo = part * rows_per_norm;
            kernels_.stack->norm(norm, lo, std::min(lo + rows_per_norm, rows_));
        });
    }

    Crew& crew_;
    const StackShape& shape_;
    const Kernels& kernels_;
    StackSpace& space_;
    float* x_;
    std::int64_t rows_, stride_;
};

}  // namespace

void StackSpace::reserve(const StackShape& shape, const Kernels& kernels, std::int64_t wanted) {
    const std::int64_t width = kernels.width, stride = round_up(shape.channels, width);
    if (wanted > rows) {
        const std::int64_t depth = shape.channels / shape.heads;
        rows = 0;
        for (Buffer* buffer : {&qkv, &keys, &values, &mixed, &sum}) *buffer = Buffer();
        qkv = Buffer(wanted * round_up(3 * shape.channels, width));
        keys = Buffer(shape.heads * depth * round_up(wanted, width));
        values = Buffer(shape.heads * wanted * round_up(depth, width));
        mixed = Buffer(wanted * stride);
        sum = Buffer(wanted * stride);
        speaker = Buffer(stride);
        normed.reserve(wanted, stride);
        wide.reserve(wanted, round_up(shape.filters, width));
        rows = wanted;
    }
    normed.clear_margins(wanted);
    wide.clear_margins(wanted);
}

Stack::Stack(const NamedTensors& tensors, const std::string& prefix, StackShape shape, Storage storage,
             const Kernels& kernels)
    : shape_(shape), kernels_(&kernels) {
    const int c = shape.channels, depth = c / shape.heads;
    const auto dense = [&](const std::string& name, int inputs, int outputs) {
        return Dense(tensors, prefix + name, inputs, outputs, storage, kernels);
    };
    const auto vector = [&](const std::string& name) {
        return padded_copy(tensors.get(prefix + name, c), c, kernels);
    };
    for (int i = 0; i < shape.layers; ++i) {
        const std::string number = "." + std::to_string(i), attention = "attn_layers" + number,
                          feed = prefix + "ffn_layers" + number;
        const std::int64_t relative = std::int64_t{window_size} * depth;
        const float* keys = tensors.get(prefix + attention + ".emb_rel_k", relative);
        const float* values = tensors.get(prefix + attention + ".emb_rel_v", relative);
        layers_.push_back({dense(attention + ".qkv", c, 3 * c), dense(attention + ".conv_o", c, c),
                           SameConv(tensors, feed + ".conv_1", SameConv::Layout::tap_first, shape.kernel, c,
                                    shape.filters, storage, kernels),
                           SameConv(tensors, feed + ".conv_2", SameConv::Layout::input_first, shape.kernel,
                                    shape.filters, c, storage, kernels),
                           operand(keys, depth, window_size, kernels), operand(values, window_size, depth, kernels),
                           vector("norm_layers_1" + number + ".gamma"), vector("norm_layers_1" + number + ".beta"),
                           vector("norm_layers_2" + number + ".gamma"), vector("norm_layers_2" + number + ".beta")});
    }
    if (shape.layers > speaker_layer) speaker_ = dense("spk_emb_linear", shape.speaker, c);
}

void Stack::run(Crew& crew, float* x, std::int64_t rows, const float* speaker, StackSpace& space) const {
    if (rows <= 0) return;
    space.reserve(shape_, *kernels_, rows);
    Run run(crew, shape_, *kernels_, space, x, rows);
    for (int i = 0; i < shape_.layers; ++i) {
        const float* after = layers_[i].beta_2.data();
        if (i + 1 == speaker_layer && i + 1 < shape_.layers) {  // x + speaker, as a part of this layer's last shift
            speaker_.apply(crew, speaker, shape_.speaker, 1, space.speaker.data(), space.speaker.size(), space.scratch);
            for (int k = 0; k < shape_.channels; ++k) space.speaker.data()[k] += after[k];
            after = space.speaker.data();
        }
        run.layer(layers_[i], after);
    }
}

std::int64_t Stack::weight_bytes() const {
    std::int64_t total = speaker_.weight_bytes();
    for (const StackLayer& layer : layers_) {
        total += layer.qkv.weight_bytes() + layer.out.weight_bytes() + layer.wide.weight_bytes() +
                 layer.narrow.weight_bytes();
        for (const Buffer* buffer : {&layer.relative_keys, &layer.relative_values, &layer.gamma_1, &layer.beta_1,
                                     &layer.gamma_2, &layer.beta_2})
            total += buffer->size() * static_cast<std::int64_t>(sizeof(float));
    }
    return total;
}

}  // namespace sk
