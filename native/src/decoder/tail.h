// What a signal, computed piece by piece from left to right, keeps of its last piece for the next one.
#pragma once

#include <algorithm>

#include "kernels/kernels.h"
#include "memory/memory.h"

namespace sk {

struct Range {
    std::int64_t lo;
    std::int64_t hi;
    std::int64_t size() const { return hi - lo; }
};

class Tail {
  public:
    Tail() = default;
    Tail(std::int64_t keep, std::int64_t stride) : keep_(keep), stride_(stride), data_(keep * stride) {}

    std::int64_t keep() const { return keep_; }
    void forget() { rows_ = end_ = 0, started_ = false; }

    // Rows up to `hi` that are still to be computed, from `first` on if none were.
    Range fresh(std::int64_t first, std::int64_t hi) const { return {started_ ? end_ : first, hi}; }

    // The kept rows and behind them the fresh ones, which are to be written, in `buffer`.
    Signal open(float* buffer, Range fresh) const {
        std::copy_n(data_.data(), rows_ * stride_, buffer);
        return {buffer, fresh.lo - rows_, rows_ + fresh.size(), stride_};
    }

    void close(const Signal& signal) {
        rows_ = signal.count < keep_ ? signal.count : keep_;
        end_ = signal.first + signal.count;
        started_ = true;
        std::copy_n(signal.row(end_ - rows_), rows_ * stride_, data_.data());
    }

  private:
    std::int64_t keep_ = 0, stride_ = 0, rows_ = 0, end_ = 0;
    bool started_ = false;
    Buffer data_;
};

}  // namespace sk
