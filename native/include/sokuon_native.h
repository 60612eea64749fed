/* The C interface of the native decoder: a HiFi-GAN generator in exact FP32 (to rounding).
 *
 * Every function is thread-safe; a decoder is immutable after creation, so any number of threads may run it.
 * No function throws, and none keeps a pointer that it was given but those of sk_codes. */
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

#define SK_ABI_VERSION 5

typedef struct sk_decoder sk_decoder;

/* Shape of the generator; the meaning of the fields is that of sokuon.formats.decoder_config.DecoderConfig. */
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

/* A weight as 16-bit codes in panels of 32 outputs, as sokuon.formats.codes writes them: the flow's [panel][tap][input][32]
 * with a scale per output, the decoder's [panel][input][tap][32] with a scale per tap and output. Networks with
 * SK_STORAGE_INT16 use them where they lie instead of coding the tensor of this name, so they must stay as long. */
typedef struct sk_codes {
    const char* name;
    const int16_t* codes;
    const float* scales;
    int64_t size;
    int64_t scale_count;
} sk_codes;

SK_API int32_t sk_abi_version(void);

/* Best instruction set of this machine that the library has kernels for: "avx512", "avx2", "neon", "sse2" … */
SK_API const char* sk_isa(void);

/* Instruction sets usable on this machine, best first, separated by commas. */
SK_API const char* sk_isas(void);

/* What sk_flow_run, sk_encoder_run and sk_bert_run return when they were told to stop. */
#define SK_STOPPED (-3)

/* Runs of these that the calling thread starts from now on end early, their output unfinished, soon after *flag has
 * become nonzero, which any thread may do; NULL: never. The flag must stay until the last of them has ended. */
SK_API void sk_stop_when(const int32_t* flag);

/* How weights stay in memory. */
#define SK_STORAGE_FLOAT32 0
#define SK_STORAGE_INT16 1 /* 16-bit codes with a scale per output column: about 90 dB */

/* Packs the weights that have no codes. `isa` NULL or "" means the best one. Returns NULL and a sentence in `error` when something is
 * missing, mis-shaped or unsupported. */
SK_API sk_decoder* sk_decoder_create(const sk_decoder_config* config, const sk_tensor* tensors, int64_t count,
                                     const sk_codes* codes, int64_t code_count, int32_t storage, const char* isa,
                                     char* error, int64_t error_size);
SK_API void sk_decoder_destroy(sk_decoder* decoder);

/* Bytes of packed weights. */
SK_API int64_t sk_decoder_weight_bytes(const sk_decoder* decoder);

/* Samples per frame. */
SK_API int64_t sk_decoder_hop(const sk_decoder* decoder);

/* Decodes frames [first, first + count) of z [latent_channels][frames] (row-major) into out [count * hop]: exactly
 * those samples of the whole decoding. g [speaker_channels]. Returns 0, -1 when memory ran out or a range is bad, or
 * SK_STOPPED (sk_stop_when). */
SK_API int32_t sk_decoder_run(const sk_decoder* decoder, const float* z, int64_t frames, const float* g, int64_t first,
                              int64_t count, int32_t threads, float* out);

/* Same, on one thread, with the CPU seconds of each part added to seconds[stages + 2]: conv_pre, then per stage
 * upsampling and resblocks (seconds[1 + 2*i], seconds[2 + 2*i]), then conv_post: 2 + 2 * stages values. */
SK_API int32_t sk_decoder_profile(const sk_decoder* decoder, const float* z, int64_t frames, const float* g,
                                  int64_t first, int64_t count, float* out, double* seconds);

/* ---- The flow: prior sample -> latent frames, through couplings of transformer stacks, in FP32. ---- */

typedef struct sk_flow sk_flow;

/* Sizes; couplings and layers are counted from the tensors' names. */
typedef struct sk_flow_config {
    int32_t channels; /* of a latent frame */
    int32_t filters;
    int32_t kernel;
    int32_t heads;
    int32_t speaker; /* width of the speaker vector */
} sk_flow_config;

/* Packs the tensors of a converted voice's flow.weights. Returns NULL and a sentence in `error` when one is missing or
 * mis-shaped; the sentence begins with "unsupported" for couplings of another kind (WaveNet). */
SK_API sk_flow* sk_flow_create(const sk_flow_config* config, const sk_tensor* tensors, int64_t count,
                               const sk_codes* codes, int64_t code_count, int32_t storage, const char* isa, char* error,
                               int64_t error_size);
SK_API void sk_flow_destroy(sk_flow* flow);

/* Bytes of packed weights. */
SK_API int64_t sk_flow_weight_bytes(const sk_flow* flow);

/* z_prior [frames][channels] -> z [frames][channels], which may be the same memory. speaker [speaker]. Returns 0, or -1
 * when memory ran out. */
SK_API int32_t sk_flow_run(const sk_flow* flow, const float* z_prior, int64_t frames, const float* speaker,
                           int32_t threads, float* z);

/* ---- The text encoder and the duration predictors: FP32 ---- */

typedef struct sk_encoder sk_encoder;

typedef struct sk_encoder_shape {
    int32_t channels;
    int32_t bert;    /* width of a BERT row */
    int32_t style;   /* width of the style vector */
    int32_t speaker; /* width of the speaker vector */
} sk_encoder_shape;

typedef struct sk_encoder_input {
    int64_t slots;                    /* T, at least 1 */
    int64_t characters;               /* S, at least 1 */
    const int64_t* phones;            /* [T] */
    const int64_t* tones;             /* [T] */
    const int64_t* languages;         /* [T] */
    const int64_t* character_of_slot; /* [T], row of `bert` that belongs to each slot */
    const float* bert;                /* [S][bert] */
    const float* style;               /* [style] */
    const float* speaker;             /* [speaker] */
    const float* duration_noise;      /* [2][T], scaled */
} sk_encoder_input;

typedef struct sk_encoder_output {
    float* mean;                 /* [T][channels] */
    float* log_std;              /* [T][channels] */
    float* log_duration;         /* [T], deterministic predictor, log frames */
    float* log_duration_sampled; /* [T], stochastic predictor, log frames */
} sk_encoder_output;

/* Packs the tensors of a converted voice's encoder.weights, whose sizes tell the shape. NULL as for the decoder. */
SK_API sk_encoder* sk_encoder_create(const sk_tensor* tensors, int64_t count, const char* isa, char* error,
                                     int64_t error_size);
SK_API void sk_encoder_destroy(sk_encoder* encoder);
SK_API sk_encoder_shape sk_encoder_shape_of(const sk_encoder* encoder);
SK_API int64_t sk_encoder_weight_bytes(const sk_encoder* encoder);

/* Returns 0, or -1 and a sentence in `error` when an id is in no table or memory ran out. The result does not depend on
 * the number of threads. */
SK_API int32_t sk_encoder_run(const sk_encoder* encoder, const sk_encoder_input* input, int32_t threads,
                              const sk_encoder_output* output, char* error, int64_t error_size);

/* The BERT of 8-bit or 4-bit weights: rows of embeddings to rows of features.
 *
 * Everything is read where it lies in the mapped bert.weights, which must stay mapped until sk_bert_destroy. */
typedef struct sk_bert sk_bert;

typedef struct sk_bert_config {
    int32_t hidden_size; /* this, heads * head_size and inner_size: multiples of 16 */
    int32_t heads;
    int32_t head_size;
    int32_t inner_size;
    int32_t layers;
    int32_t buckets;     /* of positions: the relative tables have 2 * buckets + 1 rows */
    int32_t conv_kernel; /* 0: no convolution */
    int32_t bits;        /* of a weight: 8 or 4 */
    float epsilon;       /* of the layer norms */
} sk_bert_config;

/* One tensor as it lies in memory, named as in bert.weights. */
typedef struct sk_view {
    const char* name;
    const void* data;
    int64_t bytes;
} sk_view;

/* Kernels usable on this machine, best first, separated by commas; instruction sets come in variants, with products of
 * bytes and without: "avx512vnni", "avx512madd" … */
SK_API const char* sk_bert_isas(void);

/* `isa` NULL or "" means the best kernels; else a name of theirs, or an instruction set for its best. Returns NULL and a
 * sentence in `error` when a tensor is missing, mis-shaped or unsupported. */
SK_API sk_bert* sk_bert_create(const sk_bert_config* config, const sk_view* views, int64_t count, const char* isa,
                               char* error, int64_t error_size);
SK_API void sk_bert_destroy(sk_bert* bert);
SK_API const char* sk_bert_isa(const sk_bert* bert); /* which kernels it uses */

/* `count` sentences of lengths[] rows under each other, rows and out [sum of lengths][hidden_size]; positions
 * [2 * longest]: row of the relative tables for every distance -longest ... longest - 1. Returns 0, -1 when memory ran
 * out, -2 when a length or a position is out of range. */
SK_API int32_t sk_bert_run(const sk_bert* bert, const float* rows, const int64_t* lengths, int64_t count,
                           const int32_t* positions, int32_t threads, float* out);

/* The stream of standard normal numbers of NumPy's RandomState(seed), for a seed of several words. To be used by one
 * thread at a time. NULL without words or memory. */
typedef struct sk_noise sk_noise;
SK_API sk_noise* sk_noise_create(const uint32_t* seed, int64_t words);
SK_API void sk_noise_destroy(sk_noise* noise);
SK_API void sk_noise_draw(sk_noise* noise, int64_t count, double scale, float* out); /* out [count]: times `scale` */

#ifdef __cplusplus
}
#endif
#endif
