// The C interface of the noise: no exception leaves it.
#include "noise/noise.h"

#include <new>

#include "sokuon_native.h"

struct sk_noise {
    sk::Noise noise;
};

sk_noise* sk_noise_create(const uint32_t* seed, int64_t words) {
    return words < 1 ? nullptr : new (std::nothrow) sk_noise{sk::Noise(seed, words)};
}

void sk_noise_destroy(sk_noise* noise) { delete noise; }

void sk_noise_draw(sk_noise* noise, int64_t count, double scale, float* out) { noise->noise.draw(count, scale, out); }
