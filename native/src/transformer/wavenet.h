// The WaveNet that computes the mean of a coupling in voices without a transformer flow: gated convolutions, conditioned
// on the speaker, whose skips add up.
#pragma once

#include <string>
#include <vector>

#include "transformer/dense.h"

namespace sk {

struct WavenetShape {
    int channels;
    int kernel;
    int layers;
    int speaker;  // width of the speaker vector
};

// Memory of one run. Grows as needed.
struct WavenetSpace {
    PaddedRows x;
    Buffer wide, gated, speaker;
    Scratch planes, scratch;

    std::int64_t rows = 0;  // most rows it is made for
    void reserve(const WavenetShape& shape, const Kernels& kernels, std::int64_t rows);  // throws std::bad_alloc
};

class Wavenet {
  public:
    // Tensors `prefix` + "in_layers.0.weight" and so on, weight norm folded; throws Error.
    Wavenet(const NamedTensors& tensors, const std::string& prefix, WavenetShape shape, Storage storage,
            const Kernels& kernels);

    // x [rows][round_up(channels, width)] becomes the sum of the skips. speaker [shape.speaker].
    void run(Crew& crew, float* x, std::int64_t rows, const float* speaker, WavenetSpace& space) const;
    std::int64_t weight_bytes() const;

  private:
    WavenetShape shape_;
    const Kernels* kernels_;
    std::vector<SameConv> in_;
    std::vector<Dense> out_;  // channels of the residual, then of the skip; the last layer has the skip alone
    Dense condition_;         // [speaker] -> [layer][2 channels]
};

}  // namespace sk
