// The flow in reverse, prior sample -> latent frames: couplings whose mean a transformer stack or a WaveNet computes.
#pragma once

#include <memory>
#include <variant>
#include <vector>

#include "threads/kept.h"
#include "transformer/stack.h"
#include "transformer/wavenet.h"

namespace sk {

struct FlowShape {
    int channels;  // of a latent frame; even
    int filters;   // of a transformer's couplings
    int kernel;
    int heads;  // of a transformer's couplings; 0: WaveNets
    int speaker;
};

// One coupling: `target` half of the channels -= post(body(pre(the other half))). The flips between couplings are in
// the order of pre's rows and post's columns.
struct Coupling {
    Dense pre, post;
    std::variant<Stack, Wavenet> body;
};

// Memory of one run.
struct FlowSpace {
    StackSpace stack;
    WavenetSpace wavenet;
    Buffer hidden, mean;
    std::int64_t frames = 0;
    std::int64_t size() const { return frames; }
};

class Flow {
  public:
    // Tensors flow.flows.0.pre.weight and so on, as the converter writes them; throws Error.
    Flow(const NamedTensors& tensors, const FlowShape& shape, Storage storage, const Kernels& kernels);

    // z_prior [frames][channels] -> z [frames][channels], which may be the same memory. Throws std::bad_alloc.
    void run(const float* z_prior, std::int64_t frames, const float* speaker, int threads, float* z) const;
    std::int64_t weight_bytes() const;

  private:
    void couple(Crew& crew, const Coupling& coupling, bool flipped, const float* speaker, std::int64_t frames, float* z,
                FlowSpace& space) const;
    std::unique_ptr<FlowSpace> borrow(std::int64_t frames) const;

    FlowShape shape_;
    const Kernels* kernels_;
    std::vector<Coupling> couplings_;  // in the order of running
    std::shared_ptr<Kept<FlowSpace>> kept_;  // of all flows of this shape
};

}  // namespace sk
