// The C interface of the BERT: no exception leaves it.
#include <algorithm>
#include <exception>
#include <string>

#include "abi/abi.h"
#include "bert/bert.h"
#include "memory/tensors.h"
#include "threads/crew.h"

struct sk_bert {
    sk::Bert bert;
};

namespace {

bool valid(const sk_bert_config& shape, const int64_t* lengths, int64_t count, const int32_t* positions) {
    int64_t longest = 0;
    for (int64_t i = 0; i < count; ++i) {
        if (lengths[i] < 1 || lengths[i] > INT32_MAX) return false;
        longest = std::max(longest, lengths[i]);
    }
    return std::all_of(positions, positions + 2 * longest,
                       [&](int32_t row) { return row >= 0 && row <= 2 * shape.buckets; });
}

}  // namespace

const char* sk_bert_isas(void) { return sk::usable_byte_kernels(); }

sk_bert* sk_bert_create(const sk_bert_config* config, const sk_view* views, int64_t count, const char* isa, char* error,
                        int64_t error_size) {
    try {
        const sk::ByteKernels* kernels = sk::find_byte_kernels(isa);
        if (!kernels) throw sk::Error(std::string("this machine has no kernels named ") + isa);
        return new sk_bert{sk::Bert(sk::build_bert(*config, *kernels, views, count))};
    } catch (const std::exception& problem) {
        sk::tell(error, error_size, problem.what());
    }
    return nullptr;
}

void sk_bert_destroy(sk_bert* bert) { delete bert; }

const char* sk_bert_isa(const sk_bert* bert) { return bert->bert.model().kernels->name; }

int32_t sk_bert_run(const sk_bert* bert, const float* rows, const int64_t* lengths, int64_t count,
                    const int32_t* positions, int32_t threads, float* out) {
    if (count < 0 || !valid(bert->bert.model().shape, lengths, count, positions)) return -2;
    try {
        bert->bert.run({rows, lengths, count, positions}, threads, out);
    } catch (const sk::Stopped&) {
        return SK_STOPPED;
    } catch (const std::exception&) {
        return -1;
    }
    return 0;
}
