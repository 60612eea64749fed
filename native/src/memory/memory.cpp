#include "memory/memory.h"

#include <cstring>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

// AddressSanitizer sees what runs over the end of an allocation, not of a mapping.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SK_HEAP_ONLY
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || !defined(__linux__)
#define SK_HEAP_ONLY
#endif

namespace sk {

namespace {

constexpr std::size_t huge_page = 2u << 20;
constexpr std::size_t cache_line = 64;
constexpr std::size_t least_mapping = 256u << 10;  // below it the rest of a last page would count

std::size_t bytes_of(std::int64_t floats) { return static_cast<std::size_t>(floats) * sizeof(float); }

std::align_val_t alignment_of(std::size_t bytes) { return std::align_val_t{bytes >= huge_page ? huge_page : cache_line}; }

#if defined(__linux__)
// Only whole huge pages: the rest of the last one would be memory for nothing.
void ask_for_huge_pages(void* data, std::size_t bytes) {
    if (bytes >= huge_page) madvise(data, bytes / huge_page * huge_page, MADV_HUGEPAGE);
}
#else
void ask_for_huge_pages(void*, std::size_t) {}
#endif

void* allocate(std::size_t bytes) {
    void* const data = ::operator new(bytes, alignment_of(bytes));
    ask_for_huge_pages(data, bytes);
    return std::memset(data, 0, bytes);
}

#ifdef SK_HEAP_ONLY

void* map(std::size_t) { return nullptr; }
void unmap(void*, std::size_t) {}

#else

void unmap(void* data, std::size_t bytes) {
    if (bytes) munmap(data, bytes);
}

void* map(std::size_t bytes) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t size = (bytes + page - 1) / page * page, spare = bytes >= huge_page ? huge_page - page : 0;
    void* const pages = mmap(nullptr, size + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) throw std::bad_alloc();
    const std::size_t head = spare ? (huge_page - reinterpret_cast<std::uintptr_t>(pages) % huge_page) % huge_page : 0;
    char* const data = static_cast<char*>(pages) + head;
    unmap(pages, head);
    unmap(data + size, spare - head);
    ask_for_huge_pages(data, bytes);
    return data;
}

#endif

}  // namespace

Buffer::Buffer(std::int64_t floats, Memory memory) : size_(floats) {
    if (floats <= 0) return;
    const std::size_t bytes = bytes_of(floats);
    void* const pages = memory == Memory::pages && bytes >= least_mapping ? map(bytes) : nullptr;
    mapped_ = pages != nullptr;
    data_ = static_cast<float*>(mapped_ ? pages : allocate(bytes));
}

Buffer::~Buffer() {
    if (!data_) return;
    const std::size_t bytes = bytes_of(size_);
    if (mapped_)
        unmap(data_, bytes);
    else
        ::operator delete(data_, alignment_of(bytes));
}

}  // namespace sk
