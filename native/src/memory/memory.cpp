#include "memory/memory.h"

#include <cstring>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace sk {

namespace {
constexpr std::size_t huge_page = 2u << 20;
constexpr std::size_t cache_line = 64;

std::size_t alignment_of(std::size_t bytes) { return bytes >= huge_page ? huge_page : cache_line; }
}  // namespace

Buffer::Buffer(std::int64_t floats) : size_(floats) {
    if (floats <= 0) return;
    const std::size_t bytes = static_cast<std::size_t>(floats) * sizeof(float);
    const std::size_t alignment = alignment_of(bytes);
    data_ = static_cast<float*>(::operator new(bytes, std::align_val_t{alignment}));
#if defined(__linux__)
    // Only whole huge pages: the rest of the last one would be memory for nothing.
    if (alignment == huge_page) madvise(data_, bytes / huge_page * huge_page, MADV_HUGEPAGE);
#endif
    std::memset(data_, 0, bytes);
}

Buffer::~Buffer() {
    if (data_) ::operator delete(data_, std::align_val_t{alignment_of(static_cast<std::size_t>(size_) * sizeof(float))});
}

}  // namespace sk
