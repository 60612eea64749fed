// Named tensors as a caller hands them over, and the error for those that do not fit.
#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

#include "../include/sokuon_native.h"

namespace sk {

struct Error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class NamedTensors {
  public:
    // `owner` is the network that the error messages name: "decoder", "flow" …
    NamedTensors(const sk_tensor* tensors, std::int64_t count, std::string owner) : owner_(std::move(owner)) {
        for (std::int64_t i = 0; i < count; ++i) by_name_[tensors[i].name] = tensors[i];
    }

    bool has(const std::string& name) const { return by_name_.count(name) > 0; }

    // The `size` values of a tensor; throws Error when it is missing or has another number of values.
    const float* get(const std::string& name, std::int64_t size) const {
        const auto found = by_name_.find(name);
        if (found == by_name_.end()) throw Error("the " + owner_ + " tensor " + name + " is missing");
        if (found->second.size != size)
            throw Error("the " + owner_ + " tensor " + name + " has " + std::to_string(found->second.size) +
                        " values, expected " + std::to_string(size));
        return found->second.data;
    }

  private:
    std::map<std::string, sk_tensor> by_name_;
    std::string owner_;
};

}  // namespace sk
