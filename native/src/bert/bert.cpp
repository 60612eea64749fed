#include "bert/bert.h"

#include <algorithm>
#include <cstring>

#include "threads/pool.h"

namespace sk {

namespace {

constexpr std::int64_t kept_rows = 256;  // memory of a longer run is given back at once
constexpr std::int64_t rows_at_once = 4;
constexpr std::int64_t parts_per_worker = 4;
constexpr std::int64_t most_strips = 8;  // of a part: the next strip's weights are fetched within it

std::int64_t most_inputs(const BertModel& model) {
    const sk_bert_config& s = model.shape;
    return std::max({model.attention_size(), std::int64_t{s.inner_size}, std::int64_t{s.hidden_size},
                     std::int64_t{s.conv_kernel} * s.hidden_size});
}

// One run on one crew.
class Run {
  public:
    Run(const BertModel& model, const BertInput& input, BertSpace& space, Crew& crew)
        : model_(model), kernels_(*model.kernels), input_(input), space_(space), crew_(crew) {
        for (std::int64_t i = 0; i < input.count; ++i) {
            rows_ += input.lengths[i];
            longest_ = std::max(longest_, input.lengths[i]);
        }
    }

    void features(float* out) {
        const std::int64_t hidden = model_.shape.hidden_size;
        for (std::int64_t r = 0; r < rows_; ++r)
            std::memcpy(x(r), input_.rows + r * hidden, static_cast<std::size_t>(hidden) * sizeof(float));
        for (std::size_t i = 0; i < model_.layers.size(); ++i) {
            layer(model_.layers[i]);
            if (i == 0 && model_.shape.conv_kernel > 0) convolution();
        }
        for (std::int64_t r = 0; r < rows_; ++r)
            std::memcpy(out + r * hidden, x(r), static_cast<std::size_t>(hidden) * sizeof(float));
    }

  private:
    void layer(const BertLayer& layer) {
        const std::int64_t all = model_.attention_size(), hidden = model_.shape.hidden_size;
        float *const q = space_.projected.data(), *const k = q + all, *const v = k + all;
        const std::int64_t wide = row_floats(std::max(3 * all, std::int64_t{model_.shape.inner_size}));
        quantize(space_.x.data(), narrow(), hidden, layer.attention_factor);
        products({{&layer.query, q}, {&layer.key, k}, {&layer.value, v}}, wide, false);
        attention(layer, q, wide);
        quantize(q, wide, all, nullptr);
        products({{&layer.output, space_.y.data()}}, narrow(), false);
        add_and_norm(layer.attention_norm);
        quantize(space_.x.data(), narrow(), hidden, layer.inner_factor);
        products({{&layer.widen, q}}, wide, true);
        zero_ = 0;
        quantize(q, wide, model_.shape.inner_size, nullptr);
        products({{&layer.narrow, space_.y.data()}}, narrow(), false);
        zero_ = signed_zero;
        add_and_norm(layer.norm);
    }

    // x = norm(x + gelu(product over `conv_kernel` neighbouring rows of the embeddings)), zero beyond a sentence's ends.
    void convolution() {
        const std::int64_t hidden = model_.shape.hidden_size, kernel = model_.shape.conv_kernel;
        std::int64_t first = 0;
        for (std::int64_t s = 0; s < input_.count; first += input_.lengths[s++]) {
            const std::int64_t length = input_.lengths[s], start = first;
            crew_.parallel(length, [&](std::int64_t row, int worker) {
                float* const taps = model_.floats() ? space_.taps.data() + (start + row) * kernel * hidden : own(worker);
                for (std::int64_t k = 0; k < kernel; ++k) {
                    const std::int64_t from = row + k - kernel / 2;
                    float* const to = taps + k * hidden;
                    if (from < 0 || from >= length)
                        std::fill_n(to, hidden, 0.0f);
                    else
                        std::copy_n(input_.rows + (start + from) * hidden, hidden, to);
                }
                if (!model_.floats()) quantize_row(start + row, taps, kernel * hidden, nullptr);
            });
        }
        from_ = space_.taps.data(), from_stride_ = kernel * hidden;
        products({{&model_.conv, space_.y.data()}}, narrow(), true);
        add_and_norm(model_.conv_norm);
    }

    struct Target {
        const BertLinear* linear;
        float* out;
    };

    // Products of the codes with layers of the same size; every strip of weights is read by one thread, once.
    void products(std::initializer_list<Target> targets, std::int64_t stride, bool gelu) {
        if (model_.floats()) return float_products(targets, stride, gelu);
        const std::int64_t outputs = targets.begin()->linear->bytes.outputs, count = static_cast<std::int64_t>(targets.size());
        const std::int64_t strips = (outputs + strip_outputs - 1) / strip_outputs;
        const std::int64_t shares = parts_per_worker * crew_.size();
        const std::int64_t size = std::clamp<std::int64_t>(strips * count / shares, 1, most_strips);
        const std::int64_t parts = (strips + size - 1) / size;
        crew_.parallel(parts * count, [&](std::int64_t i, int worker) {
            const Target& target = targets.begin()[i / parts];
            const std::int64_t first = i % parts * size * strip_outputs;
            kernels_.multiply({&target.linear->bytes, byte_rows(), rows_, first, std::min(first + size * strip_outputs, outputs),
                               target.out, stride, gelu, reinterpret_cast<std::int8_t*>(own(worker))});
        });
    }

    // The same of the rows that `quantize` was last told of, with floats.
    void float_products(std::initializer_list<Target> targets, std::int64_t stride, bool gelu) {
        for (const Target& target : targets) {
            const Dense& dense = target.linear->floats;
            dense.apply(crew_, from_, from_stride_, rows_, target.out, stride, space_.scratch);
            if (gelu)
                by_row([&](std::int64_t row, int) { kernels_.gelu(target.out + row * stride, dense.outputs()); });
        }
    }

    // Per sentence and head; the output takes the query's place.
    void attention(const BertLayer& layer, float* q, std::int64_t stride) {
        const std::int64_t heads = model_.shape.heads, size = model_.shape.head_size, all = model_.attention_size();
        std::int64_t first = 0;
        for (std::int64_t s = 0; s < input_.count; first += input_.lengths[s++]) {
            const std::int64_t length = input_.lengths[s];
            const std::int32_t* positions = input_.positions + longest_ - length;
            crew_.parallel(heads, [&](std::int64_t head, int worker) {
                float* const at = q + first * stride + head * size;
                kernels_.attend({at, at + all, at + 2 * all, stride, length, static_cast<int>(size),
                                 layer.pk + head * size, layer.pq + head * size, all, positions, at, stride, own(worker)});
            });
        }
    }

    void quantize(const float* from, std::int64_t stride, std::int64_t n, const float* factor) {
        from_ = from, from_stride_ = stride;
        if (model_.floats()) return;
        by_row([&](std::int64_t row, int) { quantize_row(row, from + row * stride, n, factor); });
    }

    void quantize_row(std::int64_t row, const float* from, std::int64_t n, const float* factor) {
        const ByteRows to = byte_rows();
        to.scale[row] = kernels_.quantize(from, factor, n, to.zero, to.codes + row * to.stride);
    }

    void add_and_norm(const Norm& norm) {
        by_row([&](std::int64_t row, int) {
            kernels_.add_and_norm(x(row), space_.y.data() + row * narrow(), norm.gain, norm.bias,
                                  model_.shape.hidden_size, model_.shape.epsilon, x(row));
        });
    }

    template <class Body>
    void by_row(const Body& body) {
        crew_.parallel((rows_ + rows_at_once - 1) / rows_at_once, [&](std::int64_t part, int worker) {
            const std::int64_t end = std::min(rows_, (part + 1) * rows_at_once);
            for (std::int64_t row = part * rows_at_once; row < end; ++row) body(row, worker);
        });
    }

    ByteRows byte_rows() const {
        return {reinterpret_cast<std::uint8_t*>(space_.codes.data()),
                row_bytes(most_inputs(model_) + block_inputs, kernels_.code_bytes), space_.scales.data(), zero_};
    }
    std::int64_t narrow() const { return row_floats(model_.shape.hidden_size); }
    float* x(std::int64_t row) const { return space_.x.data() + row * narrow(); }
    float* own(int worker) const { return space_.own.data() + worker * space_.worker_floats; }

    const BertModel& model_;
    const ByteKernels& kernels_;
    const BertInput& input_;
    BertSpace& space_;
    Crew& crew_;
    std::int64_t rows_ = 0, longest_ = 0;
    int zero_ = signed_zero;
    const float* from_ = nullptr;  // rows of the next products
    std::int64_t from_stride_ = 0;
};

}  // namespace

BertSpace::BertSpace(const BertModel& model, std::int64_t most_rows, std::int64_t most_length, int most_workers)
    : rows(most_rows), longest(most_length), workers(most_workers) {
    const sk_bert_config& s = model.shape;
    const std::int64_t inputs = most_inputs(model) + block_inputs;
    x = Buffer(rows * row_floats(s.hidden_size));
    y = Buffer(rows * row_floats(s.hidden_size));
    projected = Buffer(rows * row_floats(std::max(3 * model.attention_size(), std::int64_t{s.inner_size})));
    if (model.floats()) {
        taps = Buffer(rows * s.conv_kernel * s.hidden_size);
    } else {
        codes = Buffer(rows * row_bytes(inputs, model.kernels->code_bytes) / static_cast<std::int64_t>(sizeof(float)));
        scales = Buffer(rows);
    }
    const std::int64_t strip = s.bits != 4 ? 0 : inputs * strip_outputs / static_cast<std::int64_t>(sizeof(float));
    const std::int64_t attention = model.kernels->attention_scratch(longest, s.head_size);
    worker_floats = row_floats(std::max({strip, attention, inputs}));
    own = Buffer(workers * worker_floats);
}

std::unique_ptr<BertSpace> Bert::borrow(std::int64_t rows, std::int64_t longest, int workers) const {
    auto space = kept_.take([&](const BertSpace& idle) {
        return idle.rows >= rows && idle.longest >= longest && idle.workers >= workers;
    });
    return space ? std::move(space) : std::make_unique<BertSpace>(model_, rows, longest, workers);
}

void Bert::run(const BertInput& input, int threads, float* out) const {
    std::int64_t rows = 0, longest = 0;
    for (std::int64_t i = 0; i < input.count; ++i) {
        rows += input.lengths[i];
        longest = std::max(longest, input.lengths[i]);
    }
    if (rows == 0) return;
    threads = std::clamp(threads, 1, usable_cpus());
    auto space = borrow(rows, longest, threads);
    with_crew(threads, [&](Crew& crew) { Run(model_, input, *space, crew).features(out); });
    if (space->rows <= kept_rows) kept_.put(std::move(space), usable_cpus());
}

}  // namespace sk
