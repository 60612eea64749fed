// Standard normal numbers of NumPy's RandomState: MT19937 seeded by an array, and the polar method.
//
// Sources: M. Matsumoto, T. Nishimura, "Mersenne Twister", 1998; G. Marsaglia, T. Bray, 1964. NumPy keeps this stream for
// ever (NEP 19), so it can be had without numpy.random, whose import brings OpenSSL.
#pragma once

#include <array>
#include <cstdint>

namespace sk {

class Noise {
  public:
    Noise(const std::uint32_t* seed, std::int64_t words);
    void draw(std::int64_t count, double scale, float* out);

  private:
    static constexpr int length = 624, middle = 397;

    void twist();
    std::uint32_t word();
    double uniform();  // [0, 1), 53 bits
    double normal();

    std::array<std::uint32_t, length> state_;
    int position_ = length;
    bool kept_ = false;  // numbers come in pairs
    double second_ = 0.0;
};

}  // namespace sk
