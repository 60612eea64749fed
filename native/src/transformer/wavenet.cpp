#include "transformer/wavenet.h"

#include <algorithm>
#include <cstring>

namespace sk {

namespace {

constexpr std::int64_t rows_per_part = 32;  // of the gates and sums

void add(const float* from, std::int64_t count, float* to) {
    for (std::int64_t k = 0; k < count; ++k) to[k] += from[k];
}

}  // namespace

void WavenetSpace::reserve(const WavenetShape& shape, const Kernels& kernels, std::int64_t wanted) {
    const std::int64_t width = kernels.width, stride = round_up(shape.channels, width);
    if (wanted > rows) {
        rows = 0;
        for (Buffer* buffer : {&wide, &gated}) *buffer = Buffer();
        x.reserve(wanted, stride);
        wide = Buffer(wanted * round_up(2 * shape.channels, width));
        gated = Buffer(wanted * stride);
        rows = wanted;
    }
    const std::int64_t conditions = round_up(std::int64_t{2} * shape.channels * shape.layers, width);
    if (speaker.size() < conditions) speaker = Buffer(conditions);  // couplings differ in their layers
    x.clear_margins(wanted);
}

Wavenet::Wavenet(const NamedTensors& tensors, const std::string& prefix, WavenetShape shape, Storage storage,
                 const Kernels& kernels)
    : shape_(shape), kernels_(&kernels) {
    const int c = shape.channels;
    for (int i = 0; i < shape.layers; ++i) {
        const std::string number = "." + std::to_string(i);
        in_.push_back(SameConv(tensors, prefix + "in_layers" + number, SameConv::Layout::tap_first, shape.kernel, c,
                               2 * c, storage, kernels));
        out_.push_back(Dense(tensors, prefix + "res_skip_layers" + number, c, i + 1 < shape.layers ? 2 * c : c,
                             storage, kernels));
    }
    condition_ = Dense(tensors, prefix + "cond_layer", shape.speaker, 2 * c * shape.layers, storage, kernels);
}

void Wavenet::run(Crew& crew, float* x, std::int64_t rows, const float* speaker, WavenetSpace& space) const {
    const std::int64_t c = shape_.channels, stride = round_up(c, kernels_->width);
    const std::int64_t wide_stride = round_up(2 * c, kernels_->width), parts = ceil_div(rows, rows_per_part);
    space.reserve(shape_, *kernels_, rows);
    condition_.apply(crew, speaker, shape_.speaker, 1, space.speaker.data(), space.speaker.size(), space.scratch);
    std::memcpy(space.x.data(), x, sizeof(float) * static_cast<std::size_t>(rows * stride));
    for (int i = 0; i < shape_.layers; ++i) {
        float* wide = space.wide.data();
        float* gated = space.gated.data();
        in_[i].apply(crew, space.x, rows, wide, wide_stride, space.planes, space.scratch);
        const GateCall gate{wide, space.speaker.data() + 2 * c * i, gated, wide_stride, stride, shape_.channels};
        crew.parallel(parts, [&](std::int64_t part, int) {
            kernels_->stack->gate(gate, part * rows_per_part, std::min((part + 1) * rows_per_part, rows));
        });
        out_[i].apply(crew, gated, stride, rows, wide, wide_stride, space.scratch);
        const bool first = i == 0, last = i + 1 == shape_.layers;
        crew.parallel(parts, [&](std::int64_t part, int) {
            for (std::int64_t t = part * rows_per_part; t < std::min((part + 1) * rows_per_part, rows); ++t) {
                const float* row = wide + t * wide_stride;
                const float* skip = last ? row : row + c;
                if (!last) add(row, c, space.x.data() + t * stride);
                if (first)
                    std::memcpy(x + t * stride, skip, sizeof(float) * static_cast<std::size_t>(c));
                else
                    add(skip, c, x + t * stride);
            }
        });
    }
}

std::int64_t Wavenet::weight_bytes() const {
    std::int64_t total = condition_.weight_bytes();
    for (const SameConv& conv : in_) total += conv.weight_bytes();
    for (const Dense& dense : out_) total += dense.weight_bytes();
    return total;
}

}  // namespace sk
