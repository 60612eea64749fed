#include "transformer/dense.h"

#include <algorithm>
#include <cstring>

namespace sk {

namespace {

constexpr std::int64_t toom_tiles = 128;         // of one pass: bounds the planes
constexpr std::int64_t tiles_per_part = 8;       // of the input transform
constexpr std::int64_t least_direct_rows = 32;   // below this splitting a panel's rows costs more than it gains
constexpr std::int64_t least_toom_tiles = 24;    // the same for tiles, whose filters every split transforms again
constexpr std::int64_t direct_below = 12;        // rows: fewer are faster without Toom-Cook

// How a step of `panels` equal parts is spread over threads: each panel's rows in so many pieces.
struct Split {
    std::int64_t panels, pieces, step;

    std::int64_t parts() const { return panels * pieces; }
    std::int64_t panel(std::int64_t part) const { return part / pieces; }
    std::int64_t first(std::int64_t part) const { return part % pieces * step; }
};

Split split(std::int64_t panels, std::int64_t rows, std::int64_t least, int threads) {
    std::int64_t best = 1;
    double most = 0.0;
    for (std::int64_t pieces = 1; pieces <= threads && (pieces == 1 || rows / pieces >= least); ++pieces) {
        const std::int64_t parts = panels * pieces;
        const double busy = static_cast<double>(parts) / static_cast<double>(ceil_div(parts, threads) * threads);
        if (busy > most + 0.1) best = pieces, most = busy;  // more pieces must be worth their cost
    }
    return {panels, best, ceil_div(rows, best)};
}

std::int64_t padded(int channels, const Kernels& kernels) { return round_up(channels, kernels.width); }

std::int64_t panel_count(const Panels& panels, const Kernels& kernels) {
    return ceil_div(panels.padded_outputs, kernels.columns);
}

// The direct form of every layer.
void apply_direct(Crew& crew, const Panels& panels, const Kernels& kernels, PanelCall call, Scratch& scratch) {
    scratch.reserve(crew.size(), direct_scratch(panels, kernels.columns));
    const Split parts = split(panel_count(panels, kernels), call.rows, least_direct_rows, crew.size());
    crew.parallel(parts.parts(), [&](std::int64_t part, int worker) {
        const std::int64_t first = parts.first(part);
        PanelCall mine = call;
        mine.rows = std::min(parts.step, call.rows - first);
        if (mine.rows <= 0) return;
        mine.column = parts.panel(part) * kernels.columns;
        mine.in += first * call.in_stride;
        mine.out += first * call.out_stride;
        mine.scratch = scratch.of(worker);
        kernels.stack->product(panels, mine);
    });
}

// One pass of Toom-Cook: planes of all tiles, then panel by panel.
void apply_toom(Crew& crew, const Panels& panels, const Kernels& kernels, const PanelCall& call, Scratch& memory,
                Scratch& scratch) {
    const int outputs = toom_outputs(panels.taps);
    const std::int64_t tiles = ceil_div(call.rows, outputs), row = padded(panels.inputs, kernels);
    // An odd number of cache lines between planes keeps the points of a tile in different cache sets.
    const std::int64_t plane = round_up(tiles * row, 32) + 16;
    memory.reserve(1, toom_points * plane);
    const Split parts = split(panel_count(panels, kernels), tiles, least_toom_tiles, crew.size());
    scratch.reserve(crew.size(), toom_scratch(panels, kernels.columns, parts.step * outputs));
    const ToomPlanes planes{memory.of(0), plane, row};
    crew.parallel(ceil_div(tiles, tiles_per_part), [&](std::int64_t part, int) {
        const std::int64_t first = part * tiles_per_part;
        kernels.stack->toom_input(panels, call, planes, first, std::min(first + tiles_per_part, tiles));
    });
    crew.parallel(parts.parts(), [&](std::int64_t part, int worker) {
        const std::int64_t first = parts.first(part);
        PanelCall mine = call;
        mine.rows = std::min(parts.step * outputs, call.rows - first * outputs);
        if (mine.rows <= 0) return;
        mine.column = parts.panel(part) * kernels.columns;
        mine.out += first * outputs * call.out_stride;
        mine.scratch = scratch.of(worker);
        kernels.stack->toom_panel(panels, mine, {planes.data + first * row, plane, row});
    });
}

}  // namespace

void Scratch::reserve(int workers, std::int64_t floats) {
    floats = round_up(floats, 16) + 16;
    if (workers <= workers_ && floats <= floats_) return;
    workers = std::max(workers, workers_);
    floats = std::max(floats, floats_);
    memory_ = Buffer();  // given back first
    workers_ = 0;
    memory_ = Buffer(workers * floats);
    workers_ = workers;
    floats_ = floats;
}

PackedPanels::PackedPanels(const float* weight, std::int64_t tap_stride, std::int64_t input_stride, const float* bias,
                           int taps, int inputs, int outputs, Storage storage, const Kernels& kernels) {
    const std::int64_t columns = padded(outputs, kernels), size = columns * taps * inputs;
    const bool coded = storage == Storage::int16;
    (coded ? codes_ : values_) = Buffer(coded ? ceil_div(size, 2) : size);
    if (coded) scales_ = Buffer(columns);
    bias_ = Buffer(columns);
    if (bias) std::memcpy(bias_.data(), bias, sizeof(float) * static_cast<std::size_t>(outputs));
    auto* codes = reinterpret_cast<std::int16_t*>(codes_.data());
    view_ = {taps, inputs, outputs, columns, values_.data(), codes, scales_.data(), bias_.data()};
    kernels.stack->pack(view_, {weight, tap_stride, input_stride}, values_.data(), codes, scales_.data());
}

Dense::Dense(const float* weight, const float* bias, int inputs, int outputs, Storage storage, const Kernels& kernels)
    : panels_(weight, 0, outputs, bias, 1, inputs, outputs, storage, kernels), kernels_(&kernels) {}

Dense::Dense(const NamedTensors& tensors, const std::string& name, int inputs, int outputs, Storage storage,
             const Kernels& kernels)
    : Dense(tensors.get(name + ".weight", std::int64_t{inputs} * outputs), tensors.get(name + ".bias", outputs), inputs,
            outputs, storage, kernels) {}

void Dense::apply(Crew& crew, const float* x, std::int64_t ldx, std::int64_t rows, float* y, std::int64_t ldy,
                  Scratch& scratch, bool relu) const {
    apply_direct(crew, panels_.view(), *kernels_, {0, rows, x, ldx, y, ldy, relu, nullptr}, scratch);
}

void PaddedRows::reserve(std::int64_t rows, std::int64_t stride) {
    if (rows <= rows_ && stride == stride_) return;
    memory_ = Buffer();
    rows_ = 0;
    memory_ = Buffer((rows + 2 * margin) * stride);
    rows_ = rows;
    stride_ = stride;
}

void PaddedRows::clear_margins(std::int64_t rows) {
    const std::size_t bytes = sizeof(float) * static_cast<std::size_t>(margin * stride_);
    std::memset(memory_.data(), 0, bytes);
    std::memset(data() + rows * stride_, 0, bytes);
}

SameConv::SameConv(const NamedTensors& tensors, const std::string& name, Layout layout, int taps, int inputs,
                   int outputs, Storage storage, const Kernels& kernels)
    : kernels_(&kernels) {
    if (taps < 1 || taps > PaddedRows::margin)
        throw Error("the convolution " + name + " has " + std::to_string(taps) + " taps, expected 1 to 16");
    const bool tap_first = layout == Layout::tap_first;
    const std::int64_t tap = tap_first ? std::int64_t{inputs} * outputs : outputs,
                       input = tap_first ? outputs : std::int64_t{taps} * outputs;
    const float* weight = tensors.get(name + ".weight", std::int64_t{taps} * inputs * outputs);
    panels_ = PackedPanels(weight, tap, input, tensors.get(name + ".bias", outputs), taps, inputs, outputs, storage,
                           kernels);
}

void SameConv::apply(Crew& crew, const PaddedRows& x, std::int64_t rows, float* y, std::int64_t ldy, Scratch& planes,
                     Scratch& scratch, bool relu) const {
    const Panels& panels = panels_.view();
    PanelCall call{0, rows, x.data(), x.stride(), y, ldy, relu, nullptr};
    if (!toom_taps(panels.taps) || rows < direct_below) return apply_direct(crew, panels, *kernels_, call, scratch);
    const std::int64_t outputs = toom_outputs(panels.taps), tiles = ceil_div(rows, outputs);
    const std::int64_t step = ceil_div(tiles, ceil_div(tiles, toom_tiles)) * outputs;
    for (std::int64_t first = 0; first < rows; first += step) {
        call.rows = std::min(step, rows - first);
        call.in = x.data() + first * x.stride();
        call.out = y + first * ldy;
        apply_toom(crew, panels, *kernels_, call, planes, scratch);
    }
}

}  // namespace sk
