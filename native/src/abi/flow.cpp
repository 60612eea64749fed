// The flow's part of the C interface: no exception leaves it.
#include <exception>
#include <new>

#include "abi/abi.h"
#include "transformer/flow.h"

struct sk_flow {
    sk::Flow flow;
};

sk_flow* sk_flow_create(const sk_flow_config* config, const sk_tensor* tensors, int64_t count, const sk_codes* codes,
                        int64_t code_count, int32_t storage, const char* isa, char* error, int64_t error_size) {
    try {
        const sk::Kernels& kernels = sk::kernels_named(isa);
        const sk::FlowShape shape{config->channels, config->filters, config->kernel, config->heads, config->speaker};
        const sk::NamedTensors named(tensors, count, "flow", codes, code_count);
        return new sk_flow{sk::Flow(named, shape, sk::storage_of(storage), kernels)};
    } catch (const std::bad_alloc&) {
        sk::tell(error, error_size, "not enough memory for the flow's packed weights");
    } catch (const std::exception& problem) {
        sk::tell(error, error_size, problem.what());
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
    } catch (const sk::Stopped&) {
        return SK_STOPPED;
    } catch (const std::exception&) {
        return -1;
    }
    return 0;
}
