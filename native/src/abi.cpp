// The C interface: no exception leaves it.
#include <cstdio>
#include <exception>
#include <new>

#include "decoder.h"

struct sk_decoder {
    sk::Decoder decoder;
};

namespace {

void tell(char* error, int64_t size, const char* message) {
    if (error && size > 0) std::snprintf(error, static_cast<std::size_t>(size), "%s", message);
}

bool valid(int64_t frames, int64_t first, int64_t count) {
    return frames >= 0 && first >= 0 && count >= 0 && first <= frames && count <= frames - first;
}

}  // namespace

int32_t sk_abi_version(void) { return SK_ABI_VERSION; }

const char* sk_isa(void) { return sk::find_kernels(nullptr)->name; }

const char* sk_isas(void) { return sk::usable_kernels(); }

sk_decoder* sk_decoder_create(const sk_decoder_config* config, const sk_tensor* tensors, int64_t count,
                              int32_t storage, const char* isa, char* error, int64_t error_size) {
    try {
        const sk::Kernels* kernels = sk::find_kernels(isa);
        if (!kernels) throw sk::Error(std::string("this machine has no kernels named ") + isa);
        if (storage != SK_STORAGE_FLOAT32 && storage != SK_STORAGE_INT16) throw sk::Error("the storage is neither float32 nor int16");
        const sk::Shape shape = sk::read_shape(*config);
        return new sk_decoder{sk::Decoder(sk::build_model(shape, *kernels, static_cast<sk::Storage>(storage), tensors, count))};
    } catch (const std::bad_alloc&) {
        tell(error, error_size, "not enough memory for the decoder's packed weights");
    } catch (const std::exception& problem) {
        tell(error, error_size, problem.what());
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
