// Both duration predictors: the deterministic one, and the stochastic one in sampling direction (spec model-synthesizer,
// sections 4 and 5; neural spline flows, Durkan et al. 2019).
#pragma once

#include <array>
#include <string>

#include "transformer/dense.h"
#include "kernels/duration_kernels.h"

namespace sk {

struct DurationShape {
    int channels;
    int filters;  // of the deterministic predictor
    int taps;     // of its convolutions
    int speaker;
};

struct DurationInput {
    Rows hidden;           // [T][channels], padding zero
    const float* speaker;  // [shape.speaker]
    const float* noise;    // [2][T]
};

// A norm's parameters, padded with zeros.
struct PackedNorm {
    Buffer gain, bias;
    ChannelNorm view{};
};

struct PackedSeparable {
    Buffer taps;
    PackedNorm first, second;
    PackedPanels mix;
    SeparableLayer view{};
};

constexpr int separable_layers = 3;
constexpr int couplings = 3;
using SeparableStack = std::array<PackedSeparable, separable_layers>;

// One coupling: x0 and the condition give the parameters of the spline that x1 goes through.
struct SplineCoupling {
    Buffer weight, bias;  // x0 -> channels
    SeparableStack convs;
    PackedPanels parameters;
};

class Durations {
  public:
    // Tensors "dp.conv_1.weight", "sdp.pre.weight" … as the converter writes them; throws Error.
    Durations(const NamedTensors& tensors, const Kernels& kernels);

    // Log frames [T] of either predictor; throws std::bad_alloc.
    void predict(Crew& crew, const DurationInput& in, float* log_frames) const;
    void sample(Crew& crew, const DurationInput& in, float* log_frames) const;

    const DurationShape& shape() const { return shape_; }
    std::int64_t weight_bytes() const;

  private:
    friend class DurationRun;

    const Kernels* kernels_;
    DurationShape shape_;
    PackedPanels condition_1_, conv_1_, conv_2_, out_;  // dp
    PackedNorm norm_1_, norm_2_;
    PackedPanels condition_, pre_, proj_;  // sdp
    SeparableStack convs_;
    std::array<SplineCoupling, couplings> couplings_;
    float shift_, scale_;
};

}  // namespace sk
