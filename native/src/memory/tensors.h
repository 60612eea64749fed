// Named tensors as a caller hands them over, and the error for those that do not fit.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

#include "sokuon_native.h"

namespace sk {

struct Error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Whether all values are numbers of which sums and codes can be made: finite, and below 2^100 (1e30). One pass at the
// speed of memory; packing reads the same pages next.
inline bool sane(const float* values, std::int64_t count) {
    constexpr std::uint32_t exponent = 0x7f800000, above = (256u - (127u + 100u)) << 23;
    std::uint32_t carry = 0;
    for (std::int64_t i = 0; i < count; ++i) {
        std::uint32_t bits;
        std::memcpy(&bits, values + i, sizeof bits);
        carry |= (bits & exponent) + above;
    }
    return carry >> 31 == 0;
}

class NamedTensors {
  public:
    // `owner` is the network that the error messages name: "decoder", "flow" …
    NamedTensors(const sk_tensor* tensors, std::int64_t count, std::string owner, const sk_codes* codes = nullptr,
                 std::int64_t code_count = 0)
        : owner_(std::move(owner)) {
        for (std::int64_t i = 0; i < count; ++i) by_name_[tensors[i].name] = tensors[i];
        for (std::int64_t i = 0; i < code_count; ++i) codes_[codes[i].name] = codes[i];
    }

    bool has(const std::string& name) const { return by_name_.count(name) > 0; }

    // The `size` values of a tensor; throws Error when it is missing, has another number of values, or not numbers.
    const float* get(const std::string& name, std::int64_t size) const {
        const sk_tensor& tensor = find(name);
        if (tensor.size != size) throw misfit(name, std::to_string(size));
        if (!sane(tensor.data, size))
            throw Error("the " + owner_ + " tensor " + name + " holds NaN, infinity or a value beyond 1e30");
        return tensor.data;
    }

    // The codes that a tensor has in its place, or null; throws Error when there are more or fewer, or scales are not numbers.
    const sk_codes* codes(const std::string& name, std::int64_t size, std::int64_t scales) const {
        const auto found = codes_.find(name);
        if (found == codes_.end()) return nullptr;
        const sk_codes& codes = found->second;
        if (codes.size != size || codes.scale_count != scales)
            throw Error("the " + owner_ + " codes of " + name + " are " + std::to_string(codes.size) + " and " +
                        std::to_string(codes.scale_count) + " scales, expected " + std::to_string(size) + " and " +
                        std::to_string(scales));
        if (!sane(codes.scales, scales))
            throw Error("the " + owner_ + " scales of " + name + " hold NaN, infinity or a value beyond 1e30");
        return &codes;
    }

    // How many rows of `width` values a tensor has; throws Error unless that is a whole number, at least 1.
    int rows(const std::string& name, std::int64_t width) const {
        constexpr std::int64_t most = std::int64_t{1} << 20;
        const std::int64_t found = find(name).size;
        if (width < 1 || found < width || found % width != 0 || found / width > most)
            throw misfit(name, "a multiple of " + std::to_string(width));
        return static_cast<int>(found / width);
    }

  private:
    const sk_tensor& find(const std::string& name) const {
        const auto found = by_name_.find(name);
        if (found == by_name_.end()) throw Error("the " + owner_ + " tensor " + name + " is missing");
        return found->second;
    }

    Error misfit(const std::string& name, const std::string& expected) const {
        return Error("the " + owner_ + " tensor " + name + " has " + std::to_string(find(name).size) +
                     " values, expected " + expected);
    }

    std::map<std::string, sk_tensor> by_name_;
    std::map<std::string, sk_codes> codes_;
    std::string owner_;
};

}  // namespace sk
