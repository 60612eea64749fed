#include "memory.h"

#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace sk {

namespace {
constexpr std::size_t huge_page = 2u << 20;
constexpr std::size_t cache_line = 64;
}  // namespace

Buffer::Buffer(std::int64_t floats) : size_(floats) {
    if (floats <= 0) return;
    std::size_t bytes = static_cast<std::size_t>(floats) * sizeof(float);
    const std::size_t alignment = bytes >= huge_page ? huge_page : cache_line;
    bytes = (bytes + alignment - 1) / alignment * alignment;
    data_ = static_cast<float*>(std::aligned_alloc(alignment, bytes));
    if (!data_) throw std::bad_alloc();
#if defined(__linux__)
    if (alignment == huge_page) madvise(data_, bytes, MADV_HUGEPAGE);
#endif
    std::memset(data_, 0, bytes);
}

Buffer::~Buffer() { std::free(data_); }

}  // namespace sk
