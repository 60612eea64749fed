#include "transformer/durations.h"

#include <algorithm>
#include <cmath>

namespace sk {

namespace {

constexpr int depthwise_taps = 3;
constexpr int widest_dilation = 9;
constexpr int coupling_names[couplings] = {7, 5, 3};  // sampling walks the list backwards and leaves out flows.1
constexpr std::int64_t most_rows = 24;                // of one part of a step: its rows stay in the first-level cache

Buffer padded(const float* values, int count, const Kernels& kernels) {
    Buffer buffer(round_up(count, kernels.width));
    std::copy(values, values + count, buffer.data());
    return buffer;
}

struct Builder {
    const NamedTensors& tensors;
    const Kernels& kernels;

    // weight [taps * inputs][outputs]
    PackedPanels panels(const std::string& name, int taps, int inputs, int outputs) const {
        const float* weight = tensors.get(name + ".weight", std::int64_t{taps} * inputs * outputs);
        const float* bias = tensors.get(name + ".bias", outputs);
        return {weight, std::int64_t{inputs} * outputs, outputs, bias, taps, inputs, outputs, Storage::float32, kernels};
    }

    PackedNorm norm(const std::string& name, int channels) const {
        PackedNorm norm;
        norm.gain = padded(tensors.get(name + ".gamma", channels), channels, kernels);
        norm.bias = padded(tensors.get(name + ".beta", channels), channels, kernels);
        norm.view = {norm.gain.data(), norm.bias.data(), channels};
        return norm;
    }

    PackedSeparable separable(const std::string& prefix, int index, int dilation, int channels) const {
        const std::string i = std::to_string(index);
        PackedSeparable layer;
        const std::int64_t stride = round_up(channels, kernels.width);
        layer.taps = Buffer((depthwise_taps + 1) * stride);
        for (int k = 0; k <= depthwise_taps; ++k) {
            const std::string part = k < depthwise_taps ? "weight." + std::to_string(k) : std::string("bias");
            const float* values = tensors.get(prefix + "convs_sep." + i + "." + part, channels);
            std::copy(values, values + channels, layer.taps.data() + k * stride);
        }
        layer.first = norm(prefix + "norms_1." + i, channels);
        layer.mix = panels(prefix + "convs_1x1." + i, 1, channels, channels);
        layer.second = norm(prefix + "norms_2." + i, channels);
        layer.view = {layer.taps.data(), layer.first.view, layer.mix.view(), layer.second.view, dilation};
        return layer;
    }

    SeparableStack stack(const std::string& prefix, int channels) const {
        SeparableStack stack;
        int dilation = 1;
        for (int i = 0; i < separable_layers; ++i, dilation *= depthwise_taps)
            stack[i] = separable(prefix, i, dilation, channels);
        return stack;
    }

    SplineCoupling coupling(const std::string& prefix, int channels) const {
        SplineCoupling coupling;
        coupling.weight = padded(tensors.get(prefix + "pre.weight", channels), channels, kernels);
        coupling.bias = padded(tensors.get(prefix + "pre.bias", channels), channels, kernels);
        coupling.convs = stack(prefix + "convs.", channels);
        coupling.parameters = panels(prefix + "proj", 1, channels, spline_parameters);
        return coupling;
    }

    // Everything that the predictor needs to know of its sizes stands in the sizes of its tensors.
    DurationShape shape() const {
        DurationShape shape{};
        shape.channels = tensors.rows("dp.cond.bias", 1);
        shape.filters = tensors.rows("dp.conv_1.bias", 1);
        shape.taps = tensors.rows("dp.conv_1.weight", std::int64_t{shape.channels} * shape.filters);
        shape.speaker = tensors.rows("dp.cond.weight", shape.channels);
        if (shape.taps > most_taps)
            throw Error("the duration predictor's convolutions have " + std::to_string(shape.taps) +
                        " taps, more than " + std::to_string(most_taps));
        return shape;
    }
};

// Rows with zeros above and below, as a convolution reads them.
class Sheet {
  public:
    Sheet(std::int64_t count, std::int64_t stride, std::int64_t above, std::int64_t below)
        : memory_((above + count + below) * stride), stride_(stride), above_(above) {}

    // Rows [lo, hi); lo may reach into the zeros.
    Rows rows(std::int64_t lo, std::int64_t hi) const {
        return {memory_.data() + (above_ + lo) * stride_, stride_, hi - lo};
    }

  private:
    Buffer memory_;
    std::int64_t stride_, above_;
};

std::int64_t bytes(const Buffer& buffer) { return buffer.size() * static_cast<std::int64_t>(sizeof(float)); }
std::int64_t bytes(const PackedNorm& norm) { return bytes(norm.gain) + bytes(norm.bias); }
std::int64_t bytes(const SeparableStack& stack) {
    std::int64_t total = 0;
    for (const PackedSeparable& layer : stack)
        total += bytes(layer.taps) + bytes(layer.first) + layer.mix.bytes() + bytes(layer.second);
    return total;
}

}  // namespace

// One run of a predictor. Every step is cut into parts of rows, and a part passes through whole layers at once. A row's
// arithmetic does not depend on how they are cut.
class DurationRun {
  public:
    DurationRun(const Durations& durations, Crew& crew, const DurationInput& in)
        : d_(durations), k_(*durations.kernels_->durations), crew_(crew), in_(in), count_(in.hidden.count) {
        parts_ = std::max(ceil_div(count_, most_rows),
                          std::min<std::int64_t>(crew.size(), ceil_div(count_, most_rows / 2)));
        stride_ = in.hidden.stride;
        wide_ = std::max({stride_, row_of(d_.shape_.filters), row_of(spline_parameters)});
        scratch_.reserve(crew.size(), 2 * most_rows * wide_);
    }

    void predict(float* log_frames) {
        const int left = (d_.shape_.taps - 1) / 2, right = d_.shape_.taps / 2;
        const Sheet x(count_, stride_, left, right), fed(count_, row_of(d_.shape_.filters), left, right);
        const Buffer condition = speaker(d_.condition_1_);
        each_part([&](std::int64_t lo, std::int64_t hi, int) {
            const Rows from = hidden(lo, hi);
            const float* added = condition.data();
            for (std::int64_t t = 0; t < from.count; ++t)
                for (std::int64_t c = 0; c < stride_; ++c)
                    x.rows(lo, hi).data[t * stride_ + c] = from.data[t * stride_ + c] + added[c];
        });
        each_part([&](std::int64_t lo, std::int64_t hi, int) {
            k_.affine(d_.conv_1_.view(), x.rows(lo - left, hi), fed.rows(lo, hi));
            k_.relu_norm(d_.norm_1_.view, fed.rows(lo, hi));
        });
        each_part([&](std::int64_t lo, std::int64_t hi, int worker) {
            const Rows out = scratch(worker, fed.rows(lo, hi).stride, hi - lo);
            k_.affine(d_.conv_2_.view(), fed.rows(lo - left, hi), out);
            k_.relu_norm(d_.norm_2_.view, out);
            const Rows last{out.data + out.count * out.stride, row_of(1), out.count};
            k_.affine(d_.out_.view(), out, last);
            for (std::int64_t t = lo; t < hi; ++t) log_frames[t] = last.data[(t - lo) * last.stride];
        });
    }

    void sample(float* log_frames) {
        Sheet x(count_, stride_, widest_dilation, widest_dilation), y(count_, stride_, widest_dilation, widest_dilation);
        const Sheet condition(count_, stride_, 0, 0);
        z_[0].assign(in_.noise, in_.noise + count_);
        z_[1].assign(in_.noise + count_, in_.noise + 2 * count_);
        Panels pre = d_.pre_.view();
        const Buffer bias = speaker(d_.condition_, pre.bias);
        pre.bias = bias.data();
        each_part([&](std::int64_t lo, std::int64_t hi, int) { k_.affine(pre, hidden(lo, hi), x.rows(lo, hi)); });
        separable(d_.convs_, x, y, [&](std::int64_t lo, std::int64_t hi, int) {
            k_.affine(d_.proj_.view(), y.rows(lo, hi), condition.rows(lo, hi));
            lift(0, condition.rows(lo, hi), lo, y.rows(lo, hi));
        });
        for (int i = 0; i < couplings; ++i)
            separable(d_.couplings_[i].convs, x, y, [&](std::int64_t lo, std::int64_t hi, int worker) {
                transform(i, y.rows(lo, hi), lo, worker);
                if (i + 1 < couplings) lift(i + 1, condition.rows(lo, hi), lo, y.rows(lo, hi));
            });
        const std::vector<float>& z = z_[(couplings - 1) % 2];
        for (std::int64_t t = 0; t < count_; ++t) log_frames[t] = (z[t] - d_.shift_) * d_.scale_;
    }

  private:
    std::int64_t row_of(int channels) const { return round_up(channels, d_.kernels_->width); }

    Rows hidden(std::int64_t lo, std::int64_t hi) const {
        return {in_.hidden.data + lo * in_.hidden.stride, in_.hidden.stride, hi - lo};
    }

    Rows scratch(int worker, std::int64_t stride, std::int64_t count) const {
        return {scratch_.of(worker), stride, count};
    }

    // body(lo, hi, worker) for parts of nearly equal length.
    template <class Body>
    void each_part(const Body& body) {
        crew_.parallel(parts_, [&](std::int64_t i, int worker) {
            body(i * count_ / parts_, (i + 1) * count_ / parts_, worker);
        });
    }

    // The speaker vector through a linear layer, plus `add` where given.
    Buffer speaker(const PackedPanels& panels, const float* add = nullptr) const {
        Buffer out(panels.view().padded_outputs);
        // The kernel only reads its input.
        const Rows row{const_cast<float*>(in_.speaker), d_.shape_.speaker, 1};
        k_.affine(panels.view(), row, {out.data(), out.size(), 1});
        for (std::int64_t c = 0; add && c < out.size(); ++c) out.data()[c] += add[c];
        return out;
    }

    // x through all layers; tail(lo, hi, worker) sees rows of the result in `y`. Afterwards it lies in `x`.
    template <class Tail>
    void separable(const SeparableStack& stack, Sheet& x, Sheet& y, const Tail& tail) {
        for (const PackedSeparable& layer : stack) {
            each_part([&](std::int64_t lo, std::int64_t hi, int worker) {
                k_.separable(layer.view, x.rows(lo, hi), y.rows(lo, hi).data, scratch_.of(worker));
                if (&layer == &stack.back()) tail(lo, hi, worker);
            });
            std::swap(x, y);
        }
    }

    // The two rows of z change places before every coupling; here their roles do.
    float* given(int i, std::int64_t t) { return z_[(i + 1) % 2].data() + t; }
    float* changed(int i, std::int64_t t) { return z_[i % 2].data() + t; }

    void lift(int i, const Rows& condition, std::int64_t lo, const Rows& out) {
        const SplineCoupling& coupling = d_.couplings_[i];
        k_.lift(given(i, lo), coupling.weight.data(), coupling.bias.data(), condition, out.data);
    }

    void transform(int i, const Rows& x, std::int64_t lo, int worker) {
        const Panels& parameters = d_.couplings_[i].parameters.view();
        const Rows theta = scratch(worker, parameters.padded_outputs, x.count);
        k_.affine(parameters, x, theta);
        k_.spline(theta, 1.0f / std::sqrt(static_cast<float>(d_.shape_.channels)), changed(i, lo));
    }

    const Durations& d_;
    const DurationKernels& k_;
    Crew& crew_;
    const DurationInput& in_;
    std::int64_t count_, parts_, stride_, wide_;
    Scratch scratch_;
    std::vector<float> z_[2];
};

Durations::Durations(const NamedTensors& tensors, const Kernels& kernels) : kernels_(&kernels) {
    const Builder build{tensors, kernels};
    shape_ = build.shape();
    const int c = shape_.channels, f = shape_.filters;
    condition_1_ = build.panels("dp.cond", 1, shape_.speaker, c);
    conv_1_ = build.panels("dp.conv_1", shape_.taps, c, f);
    norm_1_ = build.norm("dp.norm_1", f);
    conv_2_ = build.panels("dp.conv_2", shape_.taps, f, f);
    norm_2_ = build.norm("dp.norm_2", f);
    out_ = build.panels("dp.proj", 1, f, 1);
    condition_ = build.panels("sdp.cond", 1, shape_.speaker, c);
    pre_ = build.panels("sdp.pre", 1, c, c);
    convs_ = build.stack("sdp.convs.", c);
    proj_ = build.panels("sdp.proj", 1, c, c);
    for (int i = 0; i < couplings; ++i)
        couplings_[i] = build.coupling("sdp.flows." + std::to_string(coupling_names[i]) + ".", c);
    shift_ = *tensors.get("sdp.flows.0.shift", 1);
    scale_ = *tensors.get("sdp.flows.0.scale", 1);
}

void Durations::predict(Crew& crew, const DurationInput& in, float* log_frames) const {
    DurationRun(*this, crew, in).predict(log_frames);
}

void Durations::sample(Crew& crew, const DurationInput& in, float* log_frames) const {
    DurationRun(*this, crew, in).sample(log_frames);
}

std::int64_t Durations::weight_bytes() const {
    std::int64_t total = bytes(norm_1_) + bytes(norm_2_) + bytes(convs_);
    for (const PackedPanels* panels : {&condition_1_, &conv_1_, &conv_2_, &out_, &condition_, &pre_, &proj_})
        total += panels->bytes();
    for (const SplineCoupling& coupling : couplings_)
        total += bytes(coupling.weight) + bytes(coupling.bias) + bytes(coupling.convs) + coupling.parameters.bytes();
    return total;
}

}  // namespace sk
