#include "cpu/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace sk {

namespace {

#if defined(__aarch64__) && defined(__APPLE__)
bool has(const char* feature) {
    int value = 0;
    std::size_t size = sizeof value;
    return sysctlbyname(feature, &value, &size, nullptr, 0) == 0 && value;
}
#endif

#if defined(__x86_64__)
struct Leaf {
    unsigned a = 0, b = 0, c = 0, d = 0;
};

Leaf leaf(unsigned number, unsigned part = 0) {
    Leaf found;
    __get_cpuid_count(number, part, &found.a, &found.b, &found.c, &found.d);
    return found;
}

bool bit(unsigned word, int number) { return word >> number & 1; }

// Which registers the operating system keeps for each thread (XCR0); 0 where it keeps none beyond SSE's.
unsigned kept_registers() {
    if (!bit(leaf(1).c, 27)) return 0;  // OSXSAVE
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

// Tiles are registers that Linux gives to a process when it asks for them.
bool tiles_allowed(unsigned kept) {
#if defined(__linux__) && defined(SYS_arch_prctl)
    constexpr unsigned tiles = 0x60000;
    constexpr int request_permission = 0x1023, tile_data = 18;
    return (kept & tiles) == tiles && syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
    return false;
#endif
}
#endif

Cpu probe() {
    Cpu found;
#if defined(__x86_64__)  // by CPUID itself: __builtin_cpu_supports says no to everything in what zig links
    constexpr unsigned ymm = 0x06, zmm = 0xe6;
    const unsigned kept = kept_registers();
    const Leaf first = leaf(1), seventh = leaf(7);
    const bool wide = (kept & ymm) == ymm && bit(first.c, 28);  // AVX
    found.avx2 = wide && bit(seventh.b, 5) && bit(first.c, 12);  // AVX2, FMA
    found.f16c = wide && bit(first.c, 29);
    found.avxvnni = found.avx2 && bit(leaf(7, 1).a, 4);
    found.avx512 = found.avx2 && (kept & zmm) == zmm && bit(seventh.b, 16) && bit(seventh.b, 17) && bit(seventh.b, 30) &&
                   bit(seventh.b, 31);  // F, DQ, BW, VL
    found.avx512vnni = found.avx512 && bit(seventh.c, 11);
    found.amx = found.avx512vnni && bit(leaf(7, 1).a, 5) && bit(seventh.d, 22) && bit(seventh.d, 24) &&
                bit(seventh.d, 25) && tiles_allowed(kept);  // AVX-512 BF16; AMX BF16, TILE, INT8
#elif defined(__aarch64__) && defined(__linux__)
    constexpr unsigned long dot_products = 1ul << 20, matrix_products = 1ul << 13;  // HWCAP_ASIMDDP, HWCAP2_I8MM
    found.dot = getauxval(AT_HWCAP) & dot_products;
    found.i8mm = found.dot && getauxval(AT_HWCAP2) & matrix_products;
#elif defined(__aarch64__) && defined(__APPLE__)
    found.dot = true;  // every Apple processor of this kind has them
    found.i8mm = has("hw.optional.arm.FEAT_I8MM");
#endif
    return found;
}

}  // namespace

const Cpu& cpu() {
    static const Cpu found = probe();
    return found;
}

}  // namespace sk
