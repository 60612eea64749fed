/* The C interface of the native decoder: a HiFi-GAN generator in exact FP32 (to rounding).
 *
 * Every function is thread-safe; a decoder is immutable after creation, so any number of threads may run it.
 * No function throws or keeps a pointer that it was given. */
#ifndef SOKUON_NATIVE_H
#define SOKUON_NATIVE_H

#include <stdint.h>

#if defined(_WIN32)
#define SK_API __declspec(dllexport)
#else
#define SK_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define SK_ABI_VERSION 1

typedef struct sk_decoder sk_decoder;

/* Shape of the generator; the meaning of the fields is that of sokuon.decoder_config.DecoderConfig. */
typedef struct sk_decoder_config {
    int32_t latent_channels;
    int32_t speaker_channels; /* 0: no speaker conditioning */
    int32_t initial_channels;
    int32_t stages;
    const int32_t* upsample_rates;   /* [stages] */
    const int32_t* upsample_kernels; /* [stages] */
    int32_t resblock;                /* 1 or 2 */
    int32_t branches;
    const int32_t* branch_kernels;  /* [branches] */
    const int32_t* dilation_counts; /* [branches] */
    const int32_t* dilations;       /* [sum of dilation_counts], branch after branch */
} sk_decoder_config;

/* One named FP32 tensor, contiguous, in the layout of the checkpoint. */
typedef struct sk_tensor {
    const char* name;
    const float* data;
    int64_t size;
} sk_tensor;

SK_API int32_t sk_abi_version(void);

/* Best instruction set of this machine that the library has kernels for: "avx512", "avx2", "neon", "sse2" … */
SK_API const char* sk_isa(void);

/* Instruction sets usable on this machine, best first, separated by commas. */
SK_API const char* sk_isas(void);

/* Packs the weights. `isa` NULL or "" means the best one. Returns NULL and a sentence in `error` when something is
 * missing, mis-shaped or unsupported. */
SK_API sk_decoder* sk_decoder_create(const sk_decoder_config* config, const sk_tensor* tensors, int64_t count,
                                     const char* isa, char* error, int64_t error_size);
SK_API void sk_decoder_destroy(sk_decoder* decoder);

/* Bytes of packed weights. */
SK_API int64_t sk_decoder_weight_bytes(const sk_decoder* decoder);

/* Samples per frame. */
SK_API int64_t sk_decoder_hop(const sk_decoder* decoder);

/* Decodes frames [first, first + count) of z [latent_channels][frames] (row-major) into out [count * hop]: exactly
 * those samples of the whole decoding. g [speaker_channels]. Returns 0, or -1 when memory ran out or a range is bad. */
SK_API int32_t sk_decoder_run(const sk_decoder* decoder, const float* z, int64_t frames, const float* g, int64_t first,
                              int64_t count, int32_t threads, float* out);

/* Same, on one thread, with the CPU seconds of each part added to seconds[stages + 2]: conv_pre, then per stage
 * upsampling and resblocks (seconds[1 + 2*i], seconds[2 + 2*i]), then conv_post: 2 + 2 * stages values. */
SK_API int32_t sk_decoder_profile(const sk_decoder* decoder, const float* z, int64_t frames, const float* g,
                                  int64_t first, int64_t count, float* out, double* seconds);

#ifdef __cplusplus
}
#endif
#endif
