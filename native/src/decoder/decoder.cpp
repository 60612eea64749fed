#include "decoder/decoder.h"

#include <algorithm>
#include <atomic>
#include <ctime>
#include <new>

#include "decoder/choose.h"
#include "threads/pool.h"

namespace sk {

namespace {

constexpr float slope = 0.1f;                         // leaky ReLU of the network
constexpr float last_slope = 0.01f;                   // before conv_post
constexpr std::int64_t tile_bytes = 1000 << 10;       // working set of a tile: half of a 2 MB second-level cache
constexpr std::int64_t wide_tile_bytes = 7500 << 10;  // where weights are transformed at use: that is per tile
constexpr std::int64_t upsampling_rows = 256;         // input rows of a transposed convolution at once
constexpr std::int64_t most_chunk = 160;              // frames a thread decodes at once: bounds its memory
constexpr std::int64_t piece_frames = 40;             // of those, after the first stage
constexpr std::int64_t least_span = 12;               // below this the margins cost more than a second thread gains

// Samples per tile of a stage: two activations, the transform's planes and one inner plane pair, 5.25 rows in all.
std::int64_t tile_length(const Stage& stage) {
    const std::int64_t bytes = stage.stride >= filter_channels ? wide_tile_bytes : tile_bytes;
    return std::max<std::int64_t>(bytes / (stage.stride * 4 * 21 / 4), 256);
}

std::int64_t even_tile(std::int64_t length, std::int64_t most) {
    return ceil_div(length, std::max<std::int64_t>(ceil_div(length, most), 1));
}

double thread_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Adds the CPU time between marks to consecutive slots; does nothing without slots.
class Profile {
  public:
    explicit Profile(double* slots) : slot_(slots), last_(slots ? thread_seconds() : 0.0) {}
    void mark() {
        if (!slot_) return;
        const double now = thread_seconds();
        *slot_++ += now - last_;
        last_ = now;
    }
    // A copy for the parts that follow, from now on.
    Profile again() const { return Profile(slot_); }

  private:
    double* slot_;
    double last_;
};

// A resblock reads `in` and writes to `sum`; the signal ends at `length`.
struct ChainCall {
    Signal in, sum;
    std::int64_t length;
    bool accumulate;
};

// One chunk on one thread.
class Chunk {
  public:
    Chunk(const Model& model, const Input& input, StopFlag stop, Workspace& space)
        : model_(model), input_(input), stop_(stop), space_(space) {}

    // The chunks of a span come in order, the first one after Workspace::forget. The first stage, whose weights are most
    // of all, runs over the whole chunk, the others over piece after piece of it. What is told to stop leaves the rest
    // undone.
    void decode(Range frames, float* out, Profile profile) {
        const Ranges ranges = required(model_, frames, input_.frames);
        const Signal pre = precondition(ranges.pre);
        profile.mark();
        const Signal x = run_stage(0, pre, ranges, space_.first.data(), profile);
        for (std::int64_t lo = frames.lo; lo < frames.hi && !stop_.raised(); lo += piece_frames) {
            const Range piece{lo, std::min(lo + piece_frames, frames.hi)};
            later_stages(x, piece, out + (lo - frames.lo) * model_.shape.hop(), profile.again());
        }
    }

  private:
    void later_stages(Signal x, Range frames, float* out, Profile profile) {
        const Ranges ranges = required(model_, frames, input_.frames);
        for (int i = 1; i < model_.shape.stages(); ++i) x = run_stage(i, x, ranges, space_.even.data(), profile);
        model_.kernels->finish(x, model_.post, last_slope, ranges.out.lo, ranges.out.hi, out);
        profile.mark();
    }

    Signal run_stage(int i, const Signal& x, const Ranges& ranges, float* memory, Profile& profile) {
        const Signal up = upsample(model_.stages[i], x, ranges.upsampled[i], space_.stages[i].up);
        profile.mark();
        const Signal sum = resblocks(i, up, ranges.stage[i], memory);
        profile.mark();
        return sum;
    }

    std::int64_t length_after(int stage) const {
        std::int64_t length = input_.frames;
        for (int i = 0; i <= stage; ++i) length *= model_.stages[i].rate;
        return length;
    }

    // z [latent][frames] -> rows of frames -> conv_pre + speaker bias.
    Signal precondition(Range needed) {
        const Range range = space_.pre.fresh(needed.lo, needed.hi);
        const Signal x = space_.pre.open(space_.even.data(), range);
        const Signal z = latent({std::max<std::int64_t>(range.lo - model_.pre.view.pad, 0),
                                 std::min(range.hi + model_.pre.view.pad, input_.frames)});
        Conv conv = model_.pre.view;
        conv.bias = speaker_bias();
        convolve(conv, {z, x, nullptr, false, 1.0f, range.lo, range.hi, space_.scratch.data()});
        space_.pre.close(x);
        return x;
    }

    Signal latent(Range range) {
        const std::int64_t stride = round_up(model_.shape.latent, model_.kernels->width);
        const Signal z{space_.latent.data(), range.lo, range.size(), stride};
        for (std::int64_t t = range.lo; t < range.hi; ++t)
            for (int c = 0; c < model_.shape.latent; ++c) z.row(t)[c] = input_.z[c * input_.frames + t];
        return z;
    }

    void convolve(const Conv& conv, const ConvCall& call) {
        if (call.lo < call.hi) model_.kernels->convolve(conv, call);
    }

    // conv_pre's bias + cond(g), in double: the sum over g is long and done once.
    const float* speaker_bias() {
        const Shape& shape = model_.shape;
        for (int o = 0; o < shape.initial; ++o) {
            double sum = model_.pre.view.bias[o];
            if (shape.speaker > 0) sum += model_.speaker_bias[o];
            const float* weight = model_.speaker_weight.data() + std::int64_t{o} * shape.speaker;
            for (int c = 0; c < shape.speaker; ++c) sum += static_cast<double>(weight[c]) * input_.g[c];
            space_.bias.data()[o] = static_cast<float>(sum);
        }
        return space_.bias.data();
    }

    Signal upsample(const Stage& stage, const Signal& x, Range needed, Tail& tail) {
        const Range range = tail.fresh(needed.lo, needed.hi);  // whole input rows
        const Signal up = tail.open(space_.odd.data(), range);
        const Range rows{range.lo / stage.rate, range.hi / stage.rate};
        for (std::int64_t lo = rows.lo; lo < rows.hi; lo += upsampling_rows)
            for (const PhaseGroup& group : stage.up) {
                const Signal phases{up.row(range.lo) + group.first_phase * stage.stride, rows.lo, rows.size(),
                                    stage.rate * stage.stride};
                convolve(group.conv.view, {x, phases, nullptr, false, slope, lo,
                                           std::min(lo + upsampling_rows, rows.hi), space_.scratch.data()});
            }
        tail.close(up);
        return up;
    }

    // Sum over the resblocks; their mean is in the weights of the next layer.
    Signal resblocks(int index, const Signal& x, Range needed, float* memory) {
        const Stage& stage = model_.stages[index];
        StageTails& tails = space_.stages[index];
        const std::int64_t length = length_after(index);
        const Range range = tails.sum.fresh(needed.lo, needed.hi);
        const Signal sum = tails.sum.open(memory, range);
        const std::int64_t tile = even_tile(range.size(), tile_length(stage));
        for (std::size_t j = 0; j < stage.chains.size(); ++j)
            for (std::int64_t lo = range.lo; lo < range.hi; lo += tile)
                chain(stage.chains[j], {x, sum, length, j > 0}, {lo, std::min(lo + tile, range.hi)}, tails.chains[j]);
        tails.sum.close(sum);
        return sum;
    }

    // One resblock over a tile. Every convolution is ahead of the tile by as much as the later ones need.
    void chain(const Chain& chain, const ChainCall& call, Range tile, std::vector<Tail>& tails) {
        const bool pairs = model_.shape.resblock == 1;
        Signal current = call.in;
        Signal inner{};
        std::int64_t reach = chain.reach;
        for (std::size_t m = 0; m < chain.convs.size(); ++m) {
            const Conv& conv = chain.convs[m].view;
            reach -= conv.pad;
            const bool first_of_pair = pairs && m % 2 == 0, last = m + 1 == chain.convs.size();
            // Pairs: the first goes to tile 1, the second back to tile 0. Single ones alternate.
            const int slot = pairs ? first_of_pair : m % 2;
            const std::int64_t ahead = std::min(tile.hi + reach, call.length);
            const Range range = last ? tile : tails[m].fresh(std::max<std::int64_t>(tile.lo - reach, 0), ahead);
            float* memory = space_.tile[slot].data() + chain.head[m] * call.in.stride;
            const Signal out = last ? call.sum : tails[m].open(memory, range);
            const Signal& in = pairs && !first_of_pair ? inner : current;
            convolve(conv, {in, out, first_of_pair ? nullptr : &current, last && call.accumulate, slope, range.lo,
                            range.hi, space_.scratch.data()});
            if (!last) tails[m].close(out);
            (first_of_pair ? inner : current) = out;
        }
    }

    const Model& model_;
    const Input& input_;
    const StopFlag stop_;
    Workspace& space_;
};

// Rows before an upsampling that its next output needs again.
std::int64_t inputs_kept(const Stage& stage) { return ceil_div(stage.kernel, stage.rate) + 1; }

StageTails make_tails(const Stage& stage, std::int64_t sum_kept) {
    StageTails tails;
    // The shortest chain reads again what the longest one made the upsampling compute ahead.
    tails.up = Tail(2 * stage.reach + stage.rate, stage.stride);
    tails.sum = Tail(sum_kept, stage.stride);
    for (const Chain& chain : stage.chains) {
        tails.chains.emplace_back();
        for (std::int64_t keep : chain.keep) tails.chains.back().emplace_back(keep, stage.stride);
    }
    return tails;
}

// What some frames away from both ends need: nothing is clipped.
Ranges ranges_inside(const Model& model, std::int64_t frames) {
    constexpr std::int64_t far = std::int64_t{1} << 32;
    return required(model, {far, far + frames}, 2 * far + frames);
}

// Floats of the buffers of a workspace.
struct Sizes {
    std::int64_t first, even, odd, tile, scratch;

    // Memory of a tile's convolutions; `samples` is the most that a stage computes at once.
    void fit_tile(const Stage& stage, std::int64_t samples, int width) {
        const std::int64_t most = std::min(samples, tile_length(stage)) + 2 * stage.reach;
        for (const PhaseGroup& group : stage.up)
            scratch = std::max(scratch, conv_scratch(group.conv.view, upsampling_rows, width));
        for (const Chain& chain : stage.chains) {
            for (const PackedConv& conv : chain.convs)
                scratch = std::max(scratch, conv_scratch(conv.view, most, width));
            const std::int64_t head = *std::max_element(chain.head.begin(), chain.head.end());
            tile = std::max(tile, (most + head) * stage.stride);
        }
    }
};

// What a workspace's sizes follow from.
ShapeKey key_of(const Model& model) {
    const Shape& shape = model.shape;
    ShapeKey key{reinterpret_cast<std::intptr_t>(model.kernels), static_cast<int>(model.storage), shape.latent,
                 shape.initial, shape.resblock, shape.stages()};
    key.insert(key.end(), shape.rates.begin(), shape.rates.end());
    key.insert(key.end(), shape.kernels.begin(), shape.kernels.end());
    for (const Branch& branch : shape.branches) {
        key.insert(key.end(), {branch.kernel, static_cast<std::int64_t>(branch.dilations.size())});
        key.insert(key.end(), branch.dilations.begin(), branch.dilations.end());
    }
    return key;
}

}  // namespace

Workspace::Workspace(const Model& model, std::int64_t most_frames) : frames(most_frames) {
    const Ranges chunk = ranges_inside(model, frames), piece = ranges_inside(model, std::min(frames, piece_frames));
    const int width = model.kernels->width, last = model.shape.stages() - 1;
    const std::int64_t channels = model.pre.view.padded_outputs;
    latent = Buffer(chunk.latent.size() * round_up(model.shape.latent, width));
    bias = Buffer(channels);
    pre = Tail(inputs_kept(model.stages.front()), channels);
    Sizes sizes{};
    sizes.even = (chunk.pre.size() + pre.keep()) * channels;
    sizes.scratch = conv_scratch(model.pre.view, chunk.pre.size(), width);
    for (int i = 0; i <= last; ++i) {
        const Stage& stage = model.stages[i];
        const Ranges& ranges = i ? piece : chunk;
        stages.push_back(make_tails(stage, i == last ? model.post.taps : inputs_kept(model.stages[i + 1])));
        sizes.fit_tile(stage, ranges.stage[i].size(), width);
        sizes.odd = std::max(sizes.odd, (ranges.upsampled[i].size() + stages[i].up.keep()) * stage.stride);
        std::int64_t& sum = i ? sizes.even : sizes.first;
        sum = std::max(sum, (ranges.stage[i].size() + stages[i].sum.keep()) * stage.stride);
    }
    first = Buffer(sizes.first, Memory::pages);
    even = Buffer(sizes.even, Memory::pages);
    odd = Buffer(sizes.odd, Memory::pages);
    for (Buffer& buffer : tile) buffer = Buffer(sizes.tile, Memory::pages);
    scratch = Buffer(sizes.scratch, Memory::pages);
}

void Workspace::forget() {
    pre.forget();
    for (StageTails& stage : stages) {
        stage.up.forget();
        stage.sum.forget();
        for (std::vector<Tail>& chain : stage.chains)
            for (Tail& tail : chain) tail.forget();
    }
}

Decoder::Decoder(Model model) : model_(std::move(model)), kept_(kept_by<Workspace>(key_of(model_))) {}

std::unique_ptr<Workspace> Decoder::borrow(std::int64_t frames) const {
    auto workspace = kept_->take([&](const Workspace& idle) { return idle.frames >= frames; });
    if (workspace) return workspace;
    kept_->take_largest();  // too small: the larger one takes its place, not more memory
    return std::make_unique<Workspace>(model_, frames);
}

// One thread's frames, chunk after chunk.
void Decoder::span(const Input& input, Range frames, StopFlag stop, float* out, double* seconds) const {
    const std::int64_t chunks = ceil_div(frames.size(), most_chunk);
    const std::int64_t size = ceil_div(frames.size(), std::max<std::int64_t>(chunks, 1));
    auto workspace = borrow(size);
    workspace->forget();
    for (std::int64_t lo = frames.lo; lo < frames.hi && !stop.raised(); lo += size) {
        const Range part{lo, std::min(lo + size, frames.hi)};
        Chunk(model_, input, stop, *workspace).decode(part, out + (lo - frames.lo) * model_.shape.hop(), Profile(seconds));
    }
    kept_->put(std::move(workspace), usable_cpus());
}

void Decoder::run(const Input& input, Range frames, int threads, float* out) const {
    const std::int64_t most = std::max(ceil_div(frames.size(), std::max(threads, 1)), least_span);
    const std::int64_t spans = ceil_div(frames.size(), most);
    const std::int64_t size = ceil_div(frames.size(), std::max<std::int64_t>(spans, 1));
    std::atomic<bool> failed = false;
    const StopFlag stop;  // of the calling thread
    run_tasks(static_cast<int>(spans), threads, [&](int i) {
        try {
            const Range part{frames.lo + i * size, std::min(frames.lo + (i + 1) * size, frames.hi)};
            if (part.size() > 0) span(input, part, stop, out + (part.lo - frames.lo) * model_.shape.hop(), nullptr);
        } catch (const std::bad_alloc&) {
            failed = true;
        }
    });
    if (failed) throw std::bad_alloc();
    if (stop.raised()) throw Stopped();
}

void Decoder::profile(const Input& input, Range frames, float* out, double* seconds) const {
    span(input, frames, StopFlag(), out, seconds);
}

}  // namespace sk
