// Aligned float memory in huge pages where the system offers them: packed weights are streamed, and a small TLB hurts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace sk {

// Where a buffer lies. `pages` of its own are no memory until they are touched, and go back to the system with it: for
// what is kept for long and grows by being made anew, whose earlier ones malloc would keep.
enum class Memory { heap, pages };

class Buffer {
  public:
    Buffer() = default;
    explicit Buffer(std::int64_t floats, Memory memory = Memory::heap);  // zeroed; throws std::bad_alloc
    ~Buffer();
    Buffer(Buffer&& other) noexcept { *this = std::move(other); }
    Buffer& operator=(Buffer&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(mapped_, other.mapped_);
        return *this;
    }

    float* data() const { return data_; }
    std::int64_t size() const { return size_; }

  private:
    float* data_ = nullptr;
    std::int64_t size_ = 0;
    bool mapped_ = false;
};

}  // namespace sk
