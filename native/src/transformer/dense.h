// Dense layers and same-size convolutions with their weights packed for one instruction set.
//
// Rows are time steps. A row of n channels lies in round_up(n, kernels.width) floats or more; every layer here writes
// zeros into the padding it computes, and reads only the channels themselves.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "threads/crew.h"
#include "kernels/kernels.h"
#include "memory/memory.h"
#include "kernels/stack_kernels.h"
#include "memory/storage.h"
#include "memory/tensors.h"

namespace sk {

// Memory of each worker of a crew for one step; grows as needed. Not shared between runs.
class Scratch {
  public:
    void reserve(int workers, std::int64_t floats);  // per worker; throws std::bad_alloc
    float* of(int worker) const { return memory_.data() + worker * floats_; }
    std::int64_t floats() const { return memory_.size(); }

  private:
    Buffer memory_;
    int workers_ = 0;
    std::int64_t floats_ = 0;
};

// The weights of Panels (stack_kernels.h): packed here, or codes that lie in a file.
class PackedPanels {
  public:
    PackedPanels() = default;
    // weight(tap, input, output) is at weight[tap * tap_stride + input * input_stride + output]; bias may be null.
    PackedPanels(const float* weight, std::int64_t tap_stride, std::int64_t input_stride, const float* bias, int taps,
                 int inputs, int outputs, Storage storage, const Kernels& kernels);
    PackedPanels(const sk_codes& codes, const float* bias, int taps, int inputs, int outputs, const Kernels& kernels);
    const Panels& view() const { return view_; }
    std::int64_t bytes() const;  // wherever they lie

  private:
    Panels view_{};
    Buffer values_, codes_, scales_, bias_;
};

// y [rows][outputs] = x [rows][inputs] . W + b, optionally max(., 0).
class Dense {
  public:
    Dense() = default;
    // weight [inputs][outputs]; bias may be null. The memory is not needed afterwards.
    Dense(const float* weight, const float* bias, int inputs, int outputs, Storage storage, const Kernels& kernels);
    // The tensors `name`.weight and `name`.bias; throws Error.
    Dense(const NamedTensors& tensors, const std::string& name, int inputs, int outputs, Storage storage,
          const Kernels& kernels);

    // Rows are ldx >= inputs and ldy >= round_up(outputs, width) floats apart. Throws std::bad_alloc before it starts.
    void apply(Crew& crew, const float* x, std::int64_t ldx, std::int64_t rows, float* y, std::int64_t ldy,
               Scratch& scratch, bool relu = false) const;
    std::int64_t weight_bytes() const { return panels_.bytes(); }
    int outputs() const { return panels_.view().outputs; }

  private:
    PackedPanels panels_;
    const Kernels* kernels_ = nullptr;
};

// Rows with zeros on either side, as a same-size convolution reads them.
class PaddedRows {
  public:
    static constexpr std::int64_t margin = 16;  // zero rows before the first and after the last row
    void reserve(std::int64_t rows, std::int64_t stride);  // throws std::bad_alloc; contents are lost
    void clear_margins(std::int64_t rows);                 // after every change of the number of rows
    float* data() const { return memory_.data() + margin * stride_; }
    std::int64_t stride() const { return stride_; }

  private:
    Buffer memory_;
    std::int64_t rows_ = 0, stride_ = 0;
};

// y[t] = b + sum_k W_k x[t + k - (taps - 1) / 2], optionally max(., 0); 3 and 5 taps by Toom-Cook. Taps up to 16.
class SameConv {
  public:
    enum class Layout { tap_first, input_first };  // weight [tap][input][output] or [input][tap][output]

    SameConv() = default;
    // The tensors `name`.weight and `name`.bias; throws Error.
    SameConv(const NamedTensors& tensors, const std::string& name, Layout layout, int taps, int inputs, int outputs,
             Storage storage, const Kernels& kernels);

    void apply(Crew& crew, const PaddedRows& x, std::int64_t rows, float* y, std::int64_t ldy, Scratch& planes,
               Scratch& scratch, bool relu = false) const;
    std::int64_t weight_bytes() const { return panels_.bytes(); }

  private:
    PackedPanels panels_;
    const Kernels* kernels_ = nullptr;
};

}  // namespace sk
