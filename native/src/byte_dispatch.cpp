// Chooses the BERT's kernels at run time: an instruction set may come in variants, with byte products and without.
#include <cstring>
#include <string>

#include "byte_kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace sk {

#define SK_DECLARE(variant)              \
    namespace variant {                  \
    extern const ByteKernels byte_table; \
    }
#if defined(__x86_64__)
SK_DECLARE(avx512vnni)
SK_DECLARE(avx512madd)
#if defined(SK_HAS_AVXVNNI)
SK_DECLARE(avx2vnni)
#endif
SK_DECLARE(avx2madd)
SK_DECLARE(sse2madd)
#elif defined(__aarch64__)
SK_DECLARE(neondot)
SK_DECLARE(neonmull)
#else
SK_DECLARE(generic_bytes)
#endif

namespace {

#if defined(__x86_64__)
bool has_f16c() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid(1, &a, &b, &c, &d) && (c >> 29 & 1);
}
#if defined(SK_HAS_AVXVNNI)
bool has_avxvnni() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}
#endif
#elif defined(__aarch64__)
bool has_dot() {
#if defined(__linux__)
    constexpr unsigned long dot_products = 1ul << 20;  // HWCAP_ASIMDDP
    return getauxval(AT_HWCAP) & dot_products;
#else
    return true;  // every Apple processor of this kind has them
#endif
}
#endif

// Variants of this machine, best first; the CPU check includes the operating system's support for the registers.
const ByteKernels* usable(int index) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
    const bool vnni = avx512 && __builtin_cpu_supports("avx512vnni");
    const ByteKernels* all[] = {
        vnni ? &avx512vnni::byte_table : nullptr,
        avx512 ? &avx512madd::byte_table : nullptr,
#if defined(SK_HAS_AVXVNNI)
        avx2 && has_avxvnni() ? &avx2vnni::byte_table : nullptr,
#endif
        avx2 ? &avx2madd::byte_table : nullptr,
        &sse2madd::byte_table,
    };
#elif defined(__aarch64__)
    const ByteKernels* all[] = {has_dot() ? &neondot::byte_table : nullptr, &neonmull::byte_table};
#else
    const ByteKernels* all[] = {&generic_bytes::byte_table};
#endif
    for (const ByteKernels* kernels : all)
        if (kernels && index-- == 0) return kernels;
    return nullptr;
}

std::string list_names() {
    std::string names;
    for (int i = 0; const ByteKernels* kernels = usable(i); ++i) names += (i ? "," : "") + std::string(kernels->name);
    return names;
}

}  // namespace

const ByteKernels* find_byte_kernels(const char* name) {
    if (!name || !*name) return usable(0);
    for (int i = 0; const ByteKernels* kernels = usable(i); ++i)
        if (std::strcmp(kernels->name, name) == 0 || std::strcmp(kernels->set, name) == 0) return kernels;
    return nullptr;
}

const char* usable_byte_kernels() {
    static const std::string names = list_names();
    return names.c_str();
}

}  // namespace sk
