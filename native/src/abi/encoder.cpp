// The C interface of the encoder: no exception leaves it.
#include <exception>
#include <new>

#include "abi/abi.h"
#include "transformer/encoder.h"

struct sk_encoder {
    sk::Encoder encoder;
};

sk_encoder* sk_encoder_create(const sk_tensor* tensors, int64_t count, const char* isa, char* error,
                              int64_t error_size) {
    try {
        const sk::Kernels& kernels = sk::kernels_named(isa);
        return new sk_encoder{sk::Encoder(sk::NamedTensors(tensors, count, "encoder"), kernels)};
    } catch (const std::bad_alloc&) {
        sk::tell(error, error_size, "not enough memory for the encoder's packed weights");
    } catch (const std::exception& problem) {
        sk::tell(error, error_size, problem.what());
    }
    return nullptr;
}

void sk_encoder_destroy(sk_encoder* encoder) { delete encoder; }

sk_encoder_shape sk_encoder_shape_of(const sk_encoder* encoder) {
    const sk::EncoderShape& shape = encoder->encoder.shape();
    return {shape.channels, shape.bert, shape.style, shape.speaker};
}

int64_t sk_encoder_weight_bytes(const sk_encoder* encoder) { return encoder->encoder.weight_bytes(); }

int32_t sk_encoder_run(const sk_encoder* encoder, const sk_encoder_input* input, int32_t threads,
                       const sk_encoder_output* output, char* error, int64_t error_size) {
    try {
        encoder->encoder.run(*input, threads, *output);
        return 0;
    } catch (const sk::Stopped&) {
        return SK_STOPPED;
    } catch (const std::bad_alloc&) {
        sk::tell(error, error_size, "not enough memory");
    } catch (const std::exception& problem) {
        sk::tell(error, error_size, problem.what());
    }
    return -1;
}
