#include <numeric>

#include "decoder/model.h"

namespace sk {

namespace {

void require(bool condition, const std::string& message) {
    if (!condition) throw Error(message);
}

Branch read_branch(const sk_decoder_config& config, int index, const int32_t* dilations) {
    Branch branch{config.branch_kernels[index], {dilations, dilations + config.dilation_counts[index]}};
    require(branch.kernel >= 1 && branch.kernel <= 63 && branch.kernel % 2 == 1,
            "resblock kernels must be odd and at most 63");
    require(!branch.dilations.empty(), "a resblock needs at least one dilation");
    for (int d : branch.dilations) require(d >= 1 && d <= 1024, "dilations must be between 1 and 1024");
    return branch;
}

void check_stage(const Shape& shape, int i) {
    const int rate = shape.rates[i], kernel = shape.kernels[i];
    require(rate >= 1 && rate <= 64 && kernel >= rate && kernel <= 1024 && kernel <= 32 * rate,
            "upsampling kernels must be at least the rate");
    require((kernel - rate) % 2 == 0, "upsampling kernel minus rate must be even");
    require(shape.channels(i) >= 1, "more upsampling stages than the initial channels can be halved");
}

}  // namespace

std::int64_t Shape::hop() const {
    return std::accumulate(rates.begin(), rates.end(), std::int64_t{1}, std::multiplies<>());
}

Shape read_shape(const sk_decoder_config& config) {
    require(config.latent_channels >= 1 && config.initial_channels >= 1 && config.speaker_channels >= 0,
            "channel counts must be positive");
    require(config.resblock == 1 || config.resblock == 2, "resblock must be 1 or 2");
    require(config.stages >= 1 && config.stages <= 16, "between 1 and 16 upsampling stages are supported");
    require(config.branches >= 1 && config.branches <= 16, "between 1 and 16 resblock kernels are supported");
    Shape shape{config.latent_channels, config.speaker_channels, config.initial_channels, config.resblock, {}, {}, {}};
    shape.rates.assign(config.upsample_rates, config.upsample_rates + config.stages);
    shape.kernels.assign(config.upsample_kernels, config.upsample_kernels + config.stages);
    for (int i = 0; i < config.stages; ++i) check_stage(shape, i);
    const int32_t* dilations = config.dilations;
    for (int j = 0; j < config.branches; dilations += config.dilation_counts[j++]) {
        require(config.dilation_counts[j] >= 1 && config.dilation_counts[j] <= 64,
                "a resblock needs 1 to 64 dilations");
        shape.branches.push_back(read_branch(config, j, dilations));
    }
    return shape;
}

}  // namespace sk
