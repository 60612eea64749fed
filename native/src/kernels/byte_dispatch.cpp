// Chooses the BERT's kernels at run time: an instruction set may come in variants, with byte products and without.
#include <cstring>
#include <string>

#include "cpu/cpu.h"
#include "kernels/byte_kernels.h"

namespace sk {

#define SK_DECLARE(variant)              \
    namespace variant {                  \
    extern const ByteKernels byte_table; \
    }
#if defined(__x86_64__)
#if defined(SK_HAS_AMX)
SK_DECLARE(amxbytes)
#endif
SK_DECLARE(avx512vnni)
SK_DECLARE(avx512madd)
#if defined(SK_HAS_AVXVNNI)
SK_DECLARE(avx2vnni)
#endif
SK_DECLARE(avx2madd)
SK_DECLARE(sse2madd)
#elif defined(__aarch64__)
#if defined(SK_HAS_I8MM)
SK_DECLARE(neonmmla)
#endif
SK_DECLARE(neondot)
SK_DECLARE(neonmull)
#else
SK_DECLARE(generic_bytes)
#endif

namespace {

// Variants of this machine, best first.
const ByteKernels* usable(int index) {
#if defined(__x86_64__)
    const Cpu& can = cpu();
    const bool avx2 = can.avx2 && can.f16c, avx512 = can.avx512 && can.f16c;
    const ByteKernels* all[] = {
#if defined(SK_HAS_AMX)
        avx512 && can.amx ? &amxbytes::byte_table : nullptr,
#endif
        avx512 && can.avx512vnni ? &avx512vnni::byte_table : nullptr,
        avx512 ? &avx512madd::byte_table : nullptr,
#if defined(SK_HAS_AVXVNNI)
        avx2 && can.avxvnni ? &avx2vnni::byte_table : nullptr,
#endif
        avx2 ? &avx2madd::byte_table : nullptr,
        &sse2madd::byte_table,
    };
#elif defined(__aarch64__)
    const ByteKernels* all[] = {
#if defined(SK_HAS_I8MM)
        cpu().i8mm ? &neonmmla::byte_table : nullptr,
#endif
        cpu().dot ? &neondot::byte_table : nullptr,
        &neonmull::byte_table,
    };
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
