// The flow's part of the C interface: no exception leaves it.
#include <cstdio>
#include <exception>
#include <new>

#include "flow.h"

struct sk_flow {
    sk::Flow flow;
};

namespace {

void tell(char* error, int64_t size, const char* message) {
    if (error && size > 0) std::snprintf(error, static_cast<std::size_t>(size), "%s", message);
}

sk::Storage storage_of(int32_t storage) {
    if (storage != SK_STORAGE_FLOAT32 && storage != SK_STORAGE_INT16)
        throw sk::Error("there is no storage number " + std::to_string(storage));
    return storage == SK_STORAGE_INT16 ? sk::Storage::int16 : sk::Storage::float32;
}

}  // namespace

sk_flow* sk_flow_create(const sk_flow_config* config, const sk_tensor* tensors, int64_t count, int32_t storage,
                        const char* isa, char* error, int64_t error_size) {
    try {
        const sk::Kernels* kernels = sk::find_kernels(isa);
        if (!kernels) throw sk::Error(std::string("this machine has no kernels named ") + isa);
        const sk::FlowShape shape{config->channels, config->filters, config->kernel, config->heads, config->speaker};
        return new sk_flow{sk::Flow(sk::NamedTensors(tensors, count, "flow"), shape, storage_of(storage), *kernels)};
    } catch (const std::bad_alloc&) {
        tell(error, error_size, "not enough memory for the flow's packed weights");
    } catch (const std::exception& problem) {
        tell(error, error_size, problem.what());
    }
    return nullptr;
}

void sk_flow_destroy(sk_flow* flow) { delete flow; }

int64_t sk_flow_weight_bytes(const sk_flow* flow) { return flow->flow.weight_bytes(); }

int32_t sk_flow_run(const sk_flow* flow, const float* z_prior, int64_t frames, const float* speaker, int32_t threads,
                    float* z) {
    if (frames < 0) return -1;
    try {
        flow->flow.run(z_prior, frames, speaker, threads, z);
    } catch (const std::exception&) {
        return -1;
    }
    return 0;
}
