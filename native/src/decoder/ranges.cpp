#include <algorithm>

#include "decoder/decoder.h"

namespace sk {

namespace {

Range widen(Range range, std::int64_t reach, std::int64_t length) {
    return {std::max<std::int64_t>(range.lo - reach, 0), std::min(range.hi + reach, length)};
}

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

// Inputs of a transposed convolution that reach outputs n in `range`: n = t rate + j - pad, 0 <= j < kernel.
Range before_upsampling(const Stage& stage, Range range, std::int64_t length) {
    const std::int64_t lo = floor_div(range.lo + stage.pad - (stage.kernel - 1) + stage.rate - 1, stage.rate);
    const std::int64_t hi = floor_div(range.hi - 1 + stage.pad, stage.rate) + 1;
    return {std::max<std::int64_t>(lo, 0), std::min(hi, length)};
}

}  // namespace

Ranges required(const Model& model, Range frames, std::int64_t total) {
    const int stages = model.shape.stages();
    Ranges ranges;
    ranges.upsampled.resize(stages);
    ranges.stage.resize(stages);
    std::int64_t length = total * model.shape.hop();
    ranges.out = {frames.lo * model.shape.hop(), frames.hi * model.shape.hop()};
    Range needed = widen(ranges.out, (model.post.taps - 1) / 2, length);
    for (int i = stages - 1; i >= 0; --i) {
        const Stage& stage = model.stages[i];
        ranges.stage[i] = needed;
        // Whole frames of the stage before: its phases are computed together.
        const Range wide = widen(needed, stage.reach, length);
        ranges.upsampled[i] = {wide.lo / stage.rate * stage.rate, ceil_div(wide.hi, stage.rate) * stage.rate};
        length /= stage.rate;
        needed = before_upsampling(stage, ranges.upsampled[i], length);
    }
    ranges.pre = needed;
    ranges.latent = widen(needed, model.pre.view.pad, total);
    return ranges;
}

}  // namespace sk
