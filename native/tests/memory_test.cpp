// Buffers of either kind and of every size around the borders where their memory comes from elsewhere.
#include <cstdint>
#include <cstdio>
#include <utility>

#include "memory/memory.h"

namespace {

bool all_are(const sk::Buffer& buffer, float wanted) {
    for (std::int64_t i = 0; i < buffer.size(); ++i)
        if (buffer.data()[i] != wanted) return false;
    return true;
}

bool check(std::int64_t floats, sk::Memory memory) {
    const std::uintptr_t alignment = floats >= (1 << 19) ? 2u << 20 : 64;
    sk::Buffer buffer(floats, memory);
    bool good = buffer.size() == floats && reinterpret_cast<std::uintptr_t>(buffer.data()) % alignment == 0;
    good &= all_are(buffer, 0.0f);
    for (std::int64_t i = 0; i < floats; ++i) buffer.data()[i] = 1.0f;
    sk::Buffer moved = std::move(buffer);
    good &= all_are(moved, 1.0f);
    moved = sk::Buffer(floats, memory);  // the earlier one is freed, and nothing of it is seen
    good &= all_are(moved, 0.0f);
    if (!good) std::printf("FAILED: %lld floats, %s\n", static_cast<long long>(floats),
                           memory == sk::Memory::heap ? "heap" : "pages");
    return good;
}

}  // namespace

int main() {
    bool good = true;
    for (sk::Memory memory : {sk::Memory::heap, sk::Memory::pages})
        for (std::int64_t border : {1 << 14, 1 << 16, 1 << 19, 3 << 19})
            for (std::int64_t floats : {border - 1, border, border + 1})
                for (int round = 0; round < 3; ++round) good &= check(floats, memory);
    good &= sk::Buffer(0, sk::Memory::pages).data() == nullptr;
    std::printf(good ? "all passed\n" : "FAILED\n");
    return good ? 0 : 1;
}
