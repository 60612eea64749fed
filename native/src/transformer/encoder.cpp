#include "transformer/encoder.h"

#include <algorithm>

namespace sk {

namespace {

constexpr int relative_window = 9;  // positions -4 … 4

// What the stack needs to know of its sizes stands in the sizes of its tensors.
StackShape stack_shape(const NamedTensors& tensors, const std::string& prefix, const DurationShape& known) {
    StackShape shape{};
    shape.channels = known.channels;
    shape.speaker = known.speaker;
    const auto layer = [&](int i) { return prefix + "attn_layers." + std::to_string(i) + ".emb_rel_k"; };
    const int head = tensors.rows(layer(0), relative_window);
    if (shape.channels % head != 0)
        throw Error("the encoder has " + std::to_string(shape.channels) + " channels, no multiple of a head's " +
                    std::to_string(head));
    shape.heads = shape.channels / head;
    shape.filters = tensors.rows(prefix + "ffn_layers.0.conv_1.bias", 1);
    shape.kernel = tensors.rows(prefix + "ffn_layers.0.conv_1.weight", std::int64_t{shape.channels} * shape.filters);
    while (tensors.has(layer(shape.layers))) ++shape.layers;
    return shape;
}

void check_ids(const std::int64_t* ids, std::int64_t count, std::int64_t rows, const std::string& what) {
    for (std::int64_t t = 0; t < count; ++t)
        if (ids[t] < 0 || ids[t] >= rows)
            throw Error(what + " " + std::to_string(ids[t]) + " of slot " + std::to_string(t) + " is not in 0 … " +
                        std::to_string(rows - 1));
}

}  // namespace

Encoder::Table Encoder::table(const NamedTensors& tensors, const char* name, const char* what) const {
    const std::string full = std::string("enc_p.") + name + ".weight";
    Table table;
    table.rows = tensors.rows(full, shape_.channels);
    table.name = what;
    const std::int64_t size = std::int64_t{table.rows} * shape_.channels;
    table.values = Buffer(size);
    std::copy_n(tensors.get(full, size), size, table.values.data());
    return table;
}

Encoder::Encoder(const NamedTensors& tensors, const Kernels& kernels)
    : kernels_(&kernels),
      durations_(tensors, kernels),
      shape_{durations_.shape().channels, 0, 0, 0, 0, 0, durations_.shape().speaker},
      phones_(table(tensors, "emb", "phone")),
      tones_(table(tensors, "tone_emb", "tone")),
      languages_(table(tensors, "language_emb", "language")),
      stack_(tensors, "enc_p.encoder.", stack_shape(tensors, "enc_p.encoder.", durations_.shape()), Storage::float32,
             kernels) {
    const int c = shape_.channels;
    shape_.phones = phones_.rows;
    shape_.tones = tones_.rows;
    shape_.languages = languages_.rows;
    shape_.bert = tensors.rows("enc_p.bert_proj.weight", c);
    shape_.style = tensors.rows("enc_p.style_proj.weight", c);
    bert_ = Dense(tensors, "enc_p.bert_proj", shape_.bert, c, Storage::float32, kernels);
    style_ = Dense(tensors, "enc_p.style_proj", shape_.style, c, Storage::float32, kernels);
    prior_ = Dense(tensors, "enc_p.proj", c, 2 * c, Storage::float32, kernels);
}

// One run: the steps share the rows and their memory.
class EncoderRun {
  public:
    EncoderRun(const Encoder& encoder, Crew& crew, const sk_encoder_input& in)
        : e_(encoder),
          crew_(crew),
          in_(in),
          stride_(round_up(encoder.shape_.channels, encoder.kernels_->width)),
          x_(in.slots * stride_) {}

    void run(const sk_encoder_output& out) {
        embed();
        StackSpace space;
        e_.stack_.run(crew_, x_.data(), in_.slots, in_.speaker, space);
        prior(out.mean, out.log_std);
        const DurationInput hidden{{x_.data(), stride_, in_.slots}, in_.speaker, in_.duration_noise};
        e_.durations_.predict(crew_, hidden, out.log_duration);
        e_.durations_.sample(crew_, hidden, out.log_duration_sampled);
    }

  private:
    // x[t] = phone + tone + language + BERT row of the slot's character + style; every term holds the factor sqrt(C).
    void embed() {
        const std::int64_t c = e_.shape_.channels;
        Buffer projected(in_.characters * stride_), style(stride_);
        e_.bert_.apply(crew_, in_.bert, e_.shape_.bert, in_.characters, projected.data(), stride_, scratch_);
        e_.style_.apply(crew_, in_.style, e_.shape_.style, 1, style.data(), stride_, scratch_);
        for (std::int64_t t = 0; t < in_.slots; ++t) {
            const float* phone = e_.phones_.values.data() + in_.phones[t] * c;
            const float* tone = e_.tones_.values.data() + in_.tones[t] * c;
            const float* language = e_.languages_.values.data() + in_.languages[t] * c;
            const float* character = projected.data() + in_.character_of_slot[t] * stride_;
            float* row = x_.data() + t * stride_;
            for (std::int64_t i = 0; i < c; ++i)
                row[i] = phone[i] + tone[i] + language[i] + character[i] + style.data()[i];
        }
    }

    void prior(float* mean, float* log_std) {
        const std::int64_t c = e_.shape_.channels, stride = round_up(2 * c, e_.kernels_->width);
        Buffer both(in_.slots * stride);
        e_.prior_.apply(crew_, x_.data(), stride_, in_.slots, both.data(), stride, scratch_);
        for (std::int64_t t = 0; t < in_.slots; ++t) {
            const float* row = both.data() + t * stride;
            std::copy_n(row, c, mean + t * c);
            std::copy_n(row + c, c, log_std + t * c);
        }
    }

    const Encoder& e_;
    Crew& crew_;
    const sk_encoder_input& in_;
    std::int64_t stride_;
    Buffer x_;  // [slots][stride]
    Scratch scratch_;
};

void Encoder::check(const sk_encoder_input& in) const {
    if (in.slots < 1 || in.characters < 1) throw Error("there is nothing to encode");
    check_ids(in.phones, in.slots, phones_.rows, phones_.name);
    check_ids(in.tones, in.slots, tones_.rows, tones_.name);
    check_ids(in.languages, in.slots, languages_.rows, languages_.name);
    check_ids(in.character_of_slot, in.slots, in.characters, "character");
}

void Encoder::run(const sk_encoder_input& in, int threads, const sk_encoder_output& out) const {
    check(in);
    with_crew(threads, [&](Crew& crew) { EncoderRun(*this, crew, in).run(out); });
}

std::int64_t Encoder::weight_bytes() const {
    std::int64_t floats = phones_.values.size() + tones_.values.size() + languages_.values.size();
    return floats * static_cast<std::int64_t>(sizeof(float)) + bert_.weight_bytes() + style_.weight_bytes() +
           prior_.weight_bytes() + stack_.weight_bytes() + durations_.weight_bytes();
}

}  // namespace sk
