#include "transformer/dense.h"

#include <algorithm>
#include <cstring>

#include "kernels/tiles.h"

namespace sk {

namespace {

constexpr std::int64_t toom_tiles = 128;         // of one pass: bounds the planes
constexpr std::int64_t tiles_per_part = 8;       // of the input transform
constexpr std::int64_t least_direct_rows = 32;   // below this splitting a panel's rows costs more than it gains
constexpr std::int64_t least_toom_tiles = 24;    // the same for tiles, whose filters every split transforms again
constexpr std::int64_t split_rows_per_part = 32; // of the split input
constexpr std::int64_t least_tiled_rows = 64;    // below this splitting a panel's rows costs more than it gains
constexpr std::int64_t most_split_rows = 512;    // of one pass: bounds the split rows
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

std::int64_t code_count(int taps, int inputs, int outputs) {
    return round_up(outputs, panel_columns) * taps * inputs;
}

std::int64_t panel_count(const Panels& panels) { return ceil_div(panels.padded_outputs, panel_columns); }

// body(call, first) for each part of a step: a panel over `parts.step` units of `unit` rows from unit `first` on.
template <class Body>
void by_parts(Crew& crew, const Split& parts, std::int64_t unit, const PanelCall& call, Scratch& scratch,
              const Body& body) {
    crew.parallel(parts.parts(), [&](std::int64_t part, int worker) {
        const std::int64_t first = parts.first(part);
        PanelCall mine = call;
        mine.rows = std::min(parts.step * unit, call.rows - first * unit);
        if (mine.rows <= 0) return;
        mine.column = parts.panel(part) * panel_columns;
        mine.in += first * unit * call.in_stride;
        mine.out += first * unit * call.out_stride;
        mine.scratch = scratch.of(worker);
        body(mine, first);
    });
}

// The direct form of every layer.
void apply_direct(Crew& crew, const Panels& panels, const Kernels& kernels, PanelCall call, Scratch& scratch) {
    scratch.reserve(crew.size(), direct_scratch(panels));
    const Split parts = split(panel_count(panels), call.rows, least_direct_rows, crew.size());
    by_parts(crew, parts, 1, call, scratch,
             [&](const PanelCall& mine, std::int64_t) { kernels.stack->product(panels, mine); });
}

// A layer by tiles, one pass: the rows split, then panel by panel.
void apply_tiles(Crew& crew, const Panels& panels, const Kernels& kernels, const PanelCall& call, float* memory,
                 Scratch& scratch) {
    const TileSteps steps = tile_steps(panels.inputs, panels.taps);
    const std::int64_t read = call.rows + panels.taps, block = (read + tile_rows) * steps.row_bytes;
    const SplitRows rows{reinterpret_cast<char*>(memory), block, steps.blocks * block};
    const Split parts = split(panel_count(panels), call.rows, least_tiled_rows, crew.size());
    crew.parallel(ceil_div(read, split_rows_per_part), [&](std::int64_t part, int) {
        const std::int64_t first = part * split_rows_per_part;
        kernels.tiles->split_input(panels, call, rows, first, std::min(first + split_rows_per_part, read));
    });
    by_parts(crew, parts, 1, call, scratch, [&](const PanelCall& mine, std::int64_t first) {
        kernels.tiles->panel(panels, mine, {rows.data + first * steps.row_bytes, rows.block, rows.half});
    });
}

// All rows of a layer by tiles, the split ones in `memory`, or, if it is null, where one more worker has its scratch; false
// where there are no tiles or no codes.
bool applied_by_tiles(Crew& crew, const Panels& panels, const Kernels& kernels, PanelCall call, Scratch* memory,
                      Scratch& scratch) {
    if (!panels.codes || !kernels.tiles) return false;
    const TileSteps steps = tile_steps(panels.inputs, panels.taps);
    const std::int64_t all = call.rows, pass = std::min(all, most_split_rows);
    const std::int64_t split = (pass + panels.taps + tile_rows) * steps.row_bytes * steps.blocks * 2 / 4;
    const std::int64_t panel = std::int64_t{steps.count()} * 4 * tile_bytes / 4;
    if (memory) memory->reserve(1, split);
    scratch.reserve(crew.size() + (memory ? 0 : 1), memory ? panel : std::max(split, panel));
    float* const rows = memory ? memory->of(0) : scratch.of(crew.size());
    for (std::int64_t first = 0; first < all; first += pass) {
        call.rows = std::min(pass, all - first);
        apply_tiles(crew, panels, kernels, call, rows, scratch);
        call.in += pass * call.in_stride;
        call.out += pass * call.out_stride;
    }
    return true;
}

// One pass of Toom-Cook: planes of all tiles, then panel by panel.
void apply_toom(Crew& crew, const Panels& panels, const Kernels& kernels, const PanelCall& call, Scratch& memory,
                Scratch& scratch) {
    const int outputs = toom_outputs(panels.taps);
    const std::int64_t tiles = ceil_div(call.rows, outputs), row = padded(panels.inputs, kernels);
    // An odd number of cache lines between planes keeps the points of a tile in different cache sets.
    const std::int64_t plane = round_up(tiles * row, 32) + 16;
    memory.reserve(1, toom_points * plane);
    const Split parts = split(panel_count(panels), tiles, least_toom_tiles, crew.size());
    scratch.reserve(crew.size(), toom_scratch(panels, parts.step * outputs));
    const ToomPlanes planes{memory.of(0), plane, row};
    crew.parallel(ceil_div(tiles, tiles_per_part), [&](std::int64_t part, int) {
        const std::int64_t first = part * tiles_per_part;
        kernels.stack->toom_input(panels, call, planes, first, std::min(first + tiles_per_part, tiles));
    });
    by_parts(crew, parts, outputs, call, scratch, [&](const PanelCall& mine, std::int64_t first) {
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

namespace {

Buffer padded_bias(const float* bias, int outputs, std::int64_t columns) {
    Buffer buffer(columns);
    if (bias) std::memcpy(buffer.data(), bias, sizeof(float) * static_cast<std::size_t>(outputs));
    return buffer;
}

// The layer `name` by its codes, where it is to have some and they are there, or packed from its weight, whose taps and
// inputs are so far apart.
PackedPanels panels_of(const NamedTensors& tensors, const std::string& name, std::int64_t tap_stride,
                       std::int64_t input_stride, int taps, int inputs, int outputs, Storage storage,
                       const Kernels& kernels) {
    const float* bias = tensors.get(name + ".bias", outputs);
    const std::string weight = name + ".weight";
    if (storage == Storage::int16)
        if (const sk_codes* codes =
                tensors.codes(weight, code_count(taps, inputs, outputs), round_up(outputs, panel_columns)))
            return {*codes, bias, taps, inputs, outputs, kernels};
    return {tensors.get(weight, std::int64_t{taps} * inputs * outputs), tap_stride, input_stride, bias, taps, inputs,
            outputs, storage, kernels};
}

}  // namespace

PackedPanels::PackedPanels(const float* weight, std::int64_t tap_stride, std::int64_t input_stride, const float* bias,
                           int taps, int inputs, int outputs, Storage storage, const Kernels& kernels) {
    const std::int64_t columns = padded(outputs, kernels);
    const bool coded = storage == Storage::int16;
    if (coded) {
        codes_ = Buffer(ceil_div(code_count(taps, inputs, outputs), 2));
        scales_ = Buffer(columns);
    } else {
        values_ = Buffer(columns * taps * inputs);
    }
    bias_ = padded_bias(bias, outputs, columns);
    auto* codes = reinterpret_cast<std::int16_t*>(codes_.data());
    view_ = {taps, inputs, outputs, columns, values_.data(), codes, scales_.data(), bias_.data()};
    kernels.stack->pack(view_, {weight, tap_stride, input_stride}, values_.data(), codes, scales_.data());
}

PackedPanels::PackedPanels(const sk_codes& codes, const float* bias, int taps, int inputs, int outputs,
                           const Kernels& kernels)
    : bias_(padded_bias(bias, outputs, padded(outputs, kernels))) {
    view_ = {taps, inputs, outputs, padded(outputs, kernels), nullptr, codes.codes, codes.scales, bias_.data()};
}

std::int64_t PackedPanels::bytes() const {
    const std::int64_t weights = view_.codes ? 2 * code_count(view_.taps, view_.inputs, view_.outputs)
                                             : 4 * view_.padded_outputs * view_.taps * view_.inputs;
    return weights + 4 * (view_.codes ? 2 : 1) * view_.padded_outputs;
}

Dense::Dense(const float* weight, const float* bias, int inputs, int outputs, Storage storage, const Kernels& kernels)
    : panels_(weight, 0, outputs, bias, 1, inputs, outputs, storage, kernels), kernels_(&kernels) {}

Dense::Dense(const NamedTensors& tensors, const std::string& name, int inputs, int outputs, Storage storage,
             const Kernels& kernels)
    : panels_(panels_of(tensors, name, 0, outputs, 1, inputs, outputs, storage, kernels)), kernels_(&kernels) {}

void Dense::apply(Crew& crew, const float* x, std::int64_t ldx, std::int64_t rows, float* y, std::int64_t ldy,
                  Scratch& scratch, bool relu) const {
    const PanelCall call{0, rows, x, ldx, y, ldy, relu, nullptr};
    if (applied_by_tiles(crew, panels_.view(), *kernels_, call, nullptr, scratch)) return;
    apply_direct(crew, panels_.view(), *kernels_, call, scratch);
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
    panels_ = panels_of(tensors, name, tap, input, taps, inputs, outputs, storage, kernels);
}

void SameConv::apply(Crew& crew, const PaddedRows& x, std::int64_t rows, float* y, std::int64_t ldy, Scratch& planes,
                     Scratch& scratch, bool relu) const {
    const Panels& panels = panels_.view();
    PanelCall call{0, rows, x.data(), x.stride(), y, ldy, relu, nullptr};
    if (applied_by_tiles(crew, panels, *kernels_, call, &planes, scratch)) return;
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
