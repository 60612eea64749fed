// How much memory the networks of a test program hold: all of it, but large buffers that are pages of their own, comes from
// the aligned `operator new` (memory.cpp), which this header replaces. For one file of a program.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace held {
inline std::atomic<std::int64_t> bytes{0};

struct Header {  // before every piece, as far as its alignment wants
    void* begin;
    std::int64_t size;
};
}  // namespace held

void* operator new(std::size_t size, std::align_val_t alignment) {
    const std::size_t room = static_cast<std::size_t>(alignment);  // of a Buffer: a cache line or more
    void* begin = nullptr;
    if (posix_memalign(&begin, room, room + size) != 0) throw std::bad_alloc();
    char* const data = static_cast<char*>(begin) + room;
    reinterpret_cast<held::Header*>(data)[-1] = {begin, static_cast<std::int64_t>(size)};
    held::bytes += static_cast<std::int64_t>(size);
    return data;
}

void operator delete(void* data, std::align_val_t) noexcept {
    if (!data) return;
    const held::Header header = static_cast<held::Header*>(data)[-1];
    held::bytes -= header.size;
    std::free(header.begin);
}

void operator delete(void* data, std::size_t, std::align_val_t alignment) noexcept {
    operator delete(data, alignment);
}
