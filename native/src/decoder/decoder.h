// Decoding: which samples of every stage a range of frames needs, and the stages one after the other.
#pragma once

#include <memory>
#include <vector>

#include "decoder/model.h"
#include "decoder/tail.h"
#include "threads/crew.h"
#include "threads/kept.h"

namespace sk {

// What must be computed for some frames; everything is clipped to the signal, outside of which there are zeros.
struct Ranges {
    Range latent;                  // frames of z
    Range pre;                     // frames after conv_pre
    std::vector<Range> upsampled;  // per stage, samples after the transposed convolution
    std::vector<Range> stage;      // per stage, samples after the resblocks
    Range out;                     // samples of audio
};

Ranges required(const Model& model, Range frames, std::int64_t total);

// What the chunks of one span hand on, so that nothing is computed twice between them. A chain keeps the outputs of its
// convolutions but the last.
struct StageTails {
    Tail up, sum;
    std::vector<std::vector<Tail>> chains;
};

// Memory of one thread for chunks of up to `frames` frames.
struct Workspace {
    Workspace(const Model& model, std::int64_t frames);
    void forget();  // a new span begins

    std::int64_t size() const { return frames; }

    std::int64_t frames;
    // `first`: the first stage's sum, read piece by piece while the later stages alternate between odd and even.
    Buffer latent, bias, first, even, odd, tile[2], scratch;
    Tail pre;
    std::vector<StageTails> stages;
};

struct Input {
    const float* z;  // [latent][frames]
    std::int64_t frames;
    const float* g;  // [speaker]
};

class Decoder {
  public:
    explicit Decoder(Model model);
    const Model& model() const { return model_; }

    // Decodes frames [first, first + count) into out [count * hop]; throws std::bad_alloc, and Stopped when the run is told
    // to stop (stop_when).
    void run(const Input& input, Range frames, int threads, float* out) const;
    void profile(const Input& input, Range frames, float* out, double* seconds) const;

  private:
    void span(const Input& input, Range frames, StopFlag stop, float* out, double* seconds) const;
    std::unique_ptr<Workspace> borrow(std::int64_t frames) const;

    Model model_;
    std::shared_ptr<Kept<Workspace>> kept_;  // of all decoders of this shape
};

}  // namespace sk
