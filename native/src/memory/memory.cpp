#include "memory/memory.h"

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
    const std::size_t bytes = static_cast<std::size_t>(floats) * sizeof(float);
    const std::size_t alignment = bytes >= huge_page ? huge_page : cache_line;
    void* memory = nullptr;
    if (posix_memalign(&memory, alignment, bytes) != 0) throw std::bad_alloc();
    data_ = static_cast<float*>(memory);
#if defined(__linux__)
    // Only whole huge pages: the rest of the last one would be memory for nothing.
    if (alignment == huge_page) madvise(data_, bytes / huge_page * huge_page, MADV_HUGEPAGE);
#endif
    std::memset(data_, 0, bytes);
}

Buffer::~Buffer() { std::free(data_); }

}  // namespace sk
