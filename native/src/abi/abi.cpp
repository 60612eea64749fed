// The C interface: no exception leaves it.
#include <exception>
#include <new>

#include "abi/abi.h"
#include "decoder/decoder.h"
#include "threads/crew.h"

struct sk_decoder {
    sk::Decoder decoder;
};

namespace {

bool valid(int64_t frames, int64_t first, int64_t count) {
    return frames >= 0 && first >= 0 && count >= 0 && first <= frames && count <= frames - first;
}

}  // namespace

int32_t sk_abi_version(void) { return SK_ABI_VERSION; }

const char* sk_isa(void) { return sk::find_kernels(nullptr)->name; }

const char* sk_isas(void) { return sk::usable_kernels(); }

void sk_stop_when(const int32_t* flag) { sk::stop_when(flag); }

sk_decoder* sk_decoder_create(const sk_decoder_config* config, const sk_tensor* tensors, int64_t count,
                              const sk_codes* codes, int64_t code_count, int32_t storage, const char* isa, char* error,
                              int64_t error_size) {
    try {
        const sk::Kernels& kernels = sk::kernels_named(isa);
        const sk::Shape shape = sk::read_shape(*config);
        const sk::NamedTensors named(tensors, count, "decoder", codes, code_count);
        return new sk_decoder{sk::Decoder(sk::build_model(shape, kernels, sk::storage_of(storage), named))};
    } catch (const std::bad_alloc&) {
        sk::tell(error, error_size, "not enough memory for the decoder's packed weights");
    } catch (const std::exception& problem) {
        sk::tell(error, error_size, problem.what());
    }
    return nullptr;
}

void sk_decoder_destroy(sk_decoder* decoder) { delete decoder; }

int64_t sk_decoder_weight_bytes(const sk_decoder* decoder) { return decoder->decoder.model().weight_bytes(); }

int64_t sk_decoder_hop(const sk_decoder* decoder) { return decoder->decoder.model().shape.hop(); }

int32_t sk_decoder_run(const sk_decoder* decoder, const float* z, int64_t frames, const float* g, int64_t first,
                       int64_t count, int32_t threads, float* out) {
    if (!valid(frames, first, count)) return -1;
    try {
        decoder->decoder.run({z, frames, g}, {first, first + count}, threads, out);
    } catch (const sk::Stopped&) {
        return SK_STOPPED;
    } catch (const std::exception&) {
        return -1;
    }
    return 0;
}

int32_t sk_decoder_profile(const sk_decoder* decoder, const float* z, int64_t frames, const float* g, int64_t first,
                           int64_t count, float* out, double* seconds) {
    if (!valid(frames, first, count)) return -1;
    try {
        decoder->decoder.profile({z, frames, g}, {first, first + count}, out, seconds);
    } catch (const std::exception&) {
        return -1;
    }
    return 0;
}
