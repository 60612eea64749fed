// The BERT. Weights of 8 or 4 bits are read where they lie in the mapped file: nothing is copied or packed. Floats are
// packed for one instruction set, as the dense layers of the other networks.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "sokuon_native.h"
#include "kernels/byte_kernels.h"
#include "memory/memory.h"
#include "threads/crew.h"
#include "threads/kept.h"
#include "transformer/dense.h"

namespace sk {

struct Norm {
    const float *gain, *bias;  // [hidden]
};

// y = x W + b: `bytes`, or `floats` where the model has 32 bits.
struct BertLinear {
    ByteLinear bytes{};
    Dense floats;
};

struct BertLayer {
    const float* attention_factor;  // [hidden] 1 / damping of the rows that are quantised for query, key and value
    BertLinear query, key, value, output;
    RelativeTable pk, pq;  // [2 buckets + 1][heads][head size]
    Norm attention_norm;
    const float* inner_factor;
    BertLinear widen, narrow;
    Norm norm;
};

struct BertModel {
    sk_bert_config shape;
    const ByteKernels* kernels;
    std::vector<BertLayer> layers;
    BertLinear conv;  // inputs: kernel · hidden
    Norm conv_norm;

    bool floats() const { return shape.bits == 32; }
    std::int64_t attention_size() const { return std::int64_t{shape.heads} * shape.head_size; }
};

// Throws sk::Error when something is missing, mis-shaped or not supported.
BertModel build_bert(const sk_bert_config& shape, const ByteKernels& kernels, const sk_view* views, std::int64_t count);

// Floats of a row in memory: an odd number of cache lines, so that rows do not all fall into the same cache set.
constexpr std::int64_t row_floats(std::int64_t n) { return (n + 31) / 32 * 32 + 16; }
constexpr std::int64_t row_bytes(std::int64_t codes, int code_bytes) { return (codes * code_bytes + 127) / 128 * 128 + 64; }

// Memory of a run. `projected` holds query, key and value, or what the feed-forward layer widens; `workers` one piece for
// each thread.
struct BertSpace {
    BertSpace(const BertModel& model, std::int64_t rows, std::int64_t longest, int workers);
    std::int64_t size() const { return rows; }

    std::int64_t rows, longest;
    int workers;
    std::int64_t worker_floats;
    Buffer x, y, projected, codes, scales, own;
    Buffer taps;      // of the convolution, with floats
    Scratch scratch;  // of the products, with floats
};

// Sentences under each other: rows [sum of lengths][hidden].
struct BertInput {
    const float* rows;
    const std::int64_t* lengths;
    std::int64_t count;
    const std::int32_t* positions;  // [2 longest] rows of the relative tables for distances -longest … longest - 1
};

class Bert {
  public:
    explicit Bert(BertModel model) : model_(std::move(model)) {}
    const BertModel& model() const { return model_; }

    // Features [sum of lengths][hidden]; throws std::bad_alloc.
    void run(const BertInput& input, int threads, float* out) const;

  private:
    std::unique_ptr<BertSpace> borrow(std::int64_t rows, std::int64_t longest, int workers) const;

    BertModel model_;
    mutable Kept<BertSpace> kept_;
};

}  // namespace sk
