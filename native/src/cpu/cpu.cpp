#include "cpu/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
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

Cpu probe() {
    Cpu found;
#if defined(__x86_64__)
    __builtin_cpu_init();
    unsigned a = 0, b = 0, c = 0, d = 0;
    found.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    found.f16c = __get_cpuid(1, &a, &b, &c, &d) && (c >> 29 & 1);
    found.avxvnni = found.avx2 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
    found.avx512 = found.avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
    found.avx512vnni = found.avx512 && __builtin_cpu_supports("avx512vnni");
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
