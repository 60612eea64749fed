#include "noise/noise.h"

#include <algorithm>
#include <cmath>

namespace sk {

namespace {

constexpr std::uint32_t upper = 0x80000000u, lower = 0x7fffffffu, matrix = 0x9908b0dfu;

std::uint32_t mixed(std::uint32_t previous) { return previous ^ (previous >> 30); }

}  // namespace

Noise::Noise(const std::uint32_t* seed, std::int64_t words) {
    state_[0] = 19650218u;
    for (int i = 1; i < length; ++i) state_[i] = 1812433253u * mixed(state_[i - 1]) + static_cast<std::uint32_t>(i);
    int i = 1;
    const auto next = [&] {
        if (++i < length) return;
        state_[0] = state_[length - 1];
        i = 1;
    };
    for (std::int64_t step = 0; step < std::max<std::int64_t>(length, words); ++step, next()) {
        const std::int64_t j = step % words;
        state_[i] = (state_[i] ^ (mixed(state_[i - 1]) * 1664525u)) + seed[j] + static_cast<std::uint32_t>(j);
    }
    for (int step = 1; step < length; ++step, next())
        state_[i] = (state_[i] ^ (mixed(state_[i - 1]) * 1566083941u)) - static_cast<std::uint32_t>(i);
    state_[0] = upper;
}

void Noise::twist() {
    const auto turned = [&](int i, int next, int from) {
        const std::uint32_t joined = (state_[i] & upper) | (state_[next] & lower);
        state_[i] = state_[from] ^ (joined >> 1) ^ (joined & 1u ? matrix : 0u);
    };
    for (int i = 0; i < length - middle; ++i) turned(i, i + 1, i + middle);
    for (int i = length - middle; i < length - 1; ++i) turned(i, i + 1, i + middle - length);
    turned(length - 1, 0, middle - 1);
    position_ = 0;
}

std::uint32_t Noise::word() {
    if (position_ == length) twist();
    std::uint32_t y = state_[position_++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

double Noise::uniform() {
    const double high = word() >> 5, low = word() >> 6;
    return (high * 67108864.0 + low) / 9007199254740992.0;
}

double Noise::normal() {
    if (kept_) {
        kept_ = false;
        return second_;
    }
    double x, y, square;
    do {
        x = 2.0 * uniform() - 1.0;
        y = 2.0 * uniform() - 1.0;
        square = x * x + y * y;
    } while (square >= 1.0 || square == 0.0);
    const double factor = std::sqrt(-2.0 * std::log(square) / square);
    kept_ = true;
    second_ = factor * x;
    return factor * y;
}

void Noise::draw(std::int64_t count, double scale, float* out) {
    for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(normal() * scale);
}

}  // namespace sk
