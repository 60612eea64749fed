// The text encoder and the duration predictors behind it: phones, tones, languages, BERT rows, style and speaker become
// the prior and the log durations (spec model-synthesizer, sections 3 to 5). FP32, weights as floats: half a frame's
// rounding would move a duration.
#pragma once

#include <cstdint>
#include <string>

#include "transformer/durations.h"
#include "transformer/stack.h"

namespace sk {

struct EncoderShape {
    int channels;
    int phones, tones, languages;  // rows of the tables
    int bert, style, speaker;      // widths
};

class Encoder {
  public:
    // The tensors of a converted voice's encoder.weights; throws Error.
    Encoder(const NamedTensors& tensors, const Kernels& kernels);

    // Throws Error when an id is in no table, and std::bad_alloc.
    void run(const sk_encoder_input& in, int threads, const sk_encoder_output& out) const;

    const EncoderShape& shape() const { return shape_; }
    std::int64_t weight_bytes() const;

  private:
    friend class EncoderRun;

    // A table of embeddings [rows][channels].
    struct Table {
        int rows = 0;
        std::string name;
        Buffer values;
    };

    Table table(const NamedTensors& tensors, const char* name, const char* what) const;
    void check(const sk_encoder_input& in) const;

    const Kernels* kernels_;
    Durations durations_;
    EncoderShape shape_;
    Table phones_, tones_, languages_;
    Dense bert_, style_, prior_;
    Stack stack_;
};

}  // namespace sk
