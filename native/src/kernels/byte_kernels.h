// What the BERT asks of an instruction set: products of 8-bit codes, and the rest of a layer.
//
// Rows of activations are codes with one scale per row: x = scale (code - zero), or scale code + floor. Weights lie as in
// bert.weights (see README): panels of 16 outputs, in them groups of 4 inputs, [panel][group][16][4].
#pragma once

#include <cstdint>

namespace sk {

constexpr int panel_outputs = 16;
constexpr int group_inputs = 4;
constexpr int group_bytes = panel_outputs * group_inputs;
constexpr int block_inputs = 32;                   // of 4-bit weights share a factor and a zero
constexpr int strip_outputs = 2 * panel_outputs;   // computed together
constexpr int signed_zero = 128;                   // of codes that stand for both signs
constexpr float gelu_floor = -0.17f;               // GELU is nowhere below; codes of its results count from here

// y = x W + bias; memory of the mapped file. One of `codes` (8 bits) and `pairs` (4 bits) is set.
struct ByteLinear {
    std::int64_t inputs;   // as stored: a multiple of panel_outputs, with 4 bits of block_inputs
    std::int64_t outputs;  // a multiple of panel_outputs
    const std::int8_t* codes;
    const std::uint8_t* pairs;    // [panel][group pair][16][4], the first group in the low bits
    const std::uint8_t* factors;  // [panel][block][16], factor + 16 zero: a weight is factor (code - zero)
    const float* scale;           // [outputs]
    const float* bias;            // [outputs], the floor's part included
    const std::int32_t* sums;     // [outputs] of the weights over the inputs
};

// Quantised rows in the order of the instruction set.
struct ByteRows {
    std::uint8_t* codes;
    std::int64_t stride;  // bytes
    float* scale;         // [rows]
    int zero;             // signed_zero, or 0 for rows above gelu_floor
};

// out[r][o] for rows [0, count) and outputs [first, last), first being a multiple of strip_outputs.
struct ByteProduct {
    const ByteLinear* linear;
    ByteRows rows;
    std::int64_t count;
    std::int64_t first, last;
    float* out;
    std::int64_t stride;
    bool gelu;
    std::int8_t* scratch;  // strip_outputs * inputs bytes, for 4-bit weights
};

// Rows of relative positions: half floats beside weights of few bits, floats beside floats. One is set.
struct RelativeTable {
    const std::uint16_t* halves = nullptr;
    const float* floats = nullptr;

    RelativeTable operator+(std::int64_t columns) const {
        return {halves ? halves + columns : nullptr, floats ? floats + columns : nullptr};
    }
};

// One head of one sentence: out = softmax(q k' + q PK skewed + (k PQ skewed)') v.
struct Attention {
    const float *q, *k, *v;  // [length][head_size], `stride` floats apart
    std::int64_t stride;
    std::int64_t length;
    int head_size;
    RelativeTable pk, pq;           // rows `table_stride` apart
    std::int64_t table_stride;
    const std::int32_t* positions;  // [2 length]: table row of distance column - row = c - length
    float* out;
    std::int64_t out_stride;
    float* scratch;
};

struct ByteKernels {
    const char* name;
    const char* set;  // the instruction set it belongs to, as in Kernels::name
    int code_bytes;   // that a row of activations takes for each code
    void (*multiply)(const ByteProduct&);
    // One row of n floats (a multiple of panel_outputs), times `factor` unless null; returns the scale.
    float (*quantize)(const float* x, const float* factor, std::int64_t n, int zero, std::uint8_t* codes);
    void (*attend)(const Attention&);
    // out = norm(x + add), n floats
    void (*add_and_norm)(const float* x, const float* add, const float* gain, const float* bias, int n, float epsilon,
                         float* out);
    std::int64_t (*attention_scratch)(std::int64_t length, int head_size);  // floats
    void (*gelu)(float* x, std::int64_t n);  // in place; n is a multiple of panel_outputs
};

// The kernels of that name or the best of that set, or the best of this machine for an empty name; null if there are none.
const ByteKernels* find_byte_kernels(const char* name);
const char* usable_byte_kernels();  // best first, separated by commas

}  // namespace sk
