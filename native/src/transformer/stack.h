// The transformer stack that the text encoder and the couplings of the flow share: post-norm, relative attention within
// ±4 positions, two same-size convolutions as feed-forward, the speaker vector added before the third layer.
#pragma once

#include <string>
#include <vector>

#include "transformer/dense.h"

namespace sk {

struct StackShape {
    int channels;
    int filters;
    int kernel;
    int heads;
    int layers;
    int speaker;  // width of the speaker vector; not read with fewer than three layers
};

// Memory of one run of a stack, and what layers around it may use between runs (`scratch`). Grows as needed.
struct StackSpace {
    Buffer qkv, keys, values, mixed, sum, speaker;
    PaddedRows normed, wide;
    Scratch planes, scratch;

    std::int64_t rows = 0;  // most rows it is made for
    void reserve(const StackShape& shape, const Kernels& kernels, std::int64_t rows);  // throws std::bad_alloc
};

struct StackLayer {
    Dense qkv, out;
    SameConv wide, narrow;
    Buffer relative_keys, relative_values;  // product operands [channels of a head][9], [9][channels of a head]
    Buffer gamma_1, beta_1, gamma_2, beta_2;
};

class Stack {
  public:
    // Tensors `prefix` + "attn_layers.0.qkv.weight" and so on, as the converter writes them; throws Error.
    Stack(const NamedTensors& tensors, const std::string& prefix, StackShape shape, Storage storage,
          const Kernels& kernels);

    // x [rows][round_up(channels, width)], padding zero, is changed in place. speaker [shape.speaker].
    void run(Crew& crew, float* x, std::int64_t rows, const float* speaker, StackSpace& space) const;
    std::int64_t weight_bytes() const;
    const StackShape& shape() const { return shape_; }

  private:
    StackShape shape_;
    const Kernels* kernels_;
    std::vector<StackLayer> layers_;
    Dense speaker_;
};

}  // namespace sk
