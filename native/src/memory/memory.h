// Aligned float memory in huge pages where the system offers them: packed weights are streamed, and a small TLB hurts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace sk {

class Buffer {
  public:
    Buffer() = default;
    explicit Buffer(std::int64_t floats);  // zeroed; throws std::bad_alloc
    ~Buffer();
    Buffer(Buffer&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    Buffer& operator=(Buffer&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }

    float* data() const { return data_; }
    std::int64_t size() const { return size_; }

  private:
    float* data_ = nullptr;
    std::int64_t size_ = 0;
};

}  // namespace sk
