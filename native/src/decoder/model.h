// The generator as plain values: its shape, checked, and its weights packed for one instruction set.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sokuon_native.h"
#include "kernels/kernels.h"
#include "memory/memory.h"
#include "memory/storage.h"
#include "memory/tensors.h"

namespace sk {

struct Branch {
    int kernel;
    std::vector<int> dilations;
};

struct Shape {
    int latent = 0, speaker = 0, initial = 0, resblock = 0;
    std::vector<int> rates, kernels;
    std::vector<Branch> branches;

    int stages() const { return static_cast<int>(rates.size()); }
    int channels(int stage) const { return initial >> (stage + 1); }  // after stage; -1: conv_pre
    std::int64_t hop() const;
};

// Copies and checks a configuration; throws Error.
Shape read_shape(const sk_decoder_config& config);

struct PackedConv {
    Conv view{};
    Buffer weights, scales, bias;
};
// A transposed convolution as ordinary ones. Output t rate + p takes its taps from x[t + shift - q]; the phases p of
// one shift are one convolution with `rate` times fewer rows, whose channels are those of its phases side by side.
struct PhaseGroup {
    int first_phase;
    PackedConv conv;
};

// One resblock: its convolutions in the order of computing (ResBlock 1: pairs; ResBlock 2: single ones).
struct Chain {
    std::vector<PackedConv> convs;
    std::int64_t reach = 0;  // samples on each side that can reach an output
    // Rows of each convolution's output that are needed again to the left of what was computed; and where in a tile's
    // memory it starts, so that the second convolution of a pair writes to the left of the residual that it reads.
    std::vector<std::int64_t> keep, head;
};
struct Stage {
    std::vector<PhaseGroup> up;
    std::vector<Chain> chains;
    int pad = 0, kernel = 0, rate = 0;
    std::int64_t stride = 0;  // floats per row after this stage
    std::int64_t reach = 0;   // of its longest chain
};

struct Model {
    Shape shape;
    const Kernels* kernels = nullptr;
    Storage storage = Storage::float32;
    PackedConv pre;
    std::vector<float> speaker_weight, speaker_bias;  // [initial][speaker], [initial]
    std::vector<Stage> stages;
    Buffer post_weights;
    LastConv post{};

    std::int64_t weight_bytes() const;
};

// Packs named tensors; throws Error when one is missing or has a wrong size.
Model build_model(const Shape& shape, const Kernels& kernels, Storage storage, const NamedTensors& tensors);

}  // namespace sk
