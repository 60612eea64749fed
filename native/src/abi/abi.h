// What the parts of the C interface share.
#pragma once

#include <cstdio>
#include <string>

#include "sokuon_native.h"
#include "kernels/byte_kernels.h"
#include "kernels/kernels.h"
#include "memory/storage.h"
#include "memory/tensors.h"

namespace sk {

inline void tell(char* error, std::int64_t size, const char* message) {
    if (error && size > 0) std::snprintf(error, static_cast<std::size_t>(size), "%s", message);
}

// The kernels of that name, of the set that a variant of the BERT's kernels belongs to, or the best ones; throws Error.
inline const Kernels& kernels_named(const char* isa) {
    if (const Kernels* kernels = find_kernels(isa)) return *kernels;
    if (const ByteKernels* variant = find_byte_kernels(isa)) return *find_kernels(variant->set);
    throw Error(std::string("this machine has no kernels named ") + isa);
}

// SK_STORAGE_…; throws Error.
inline Storage storage_of(std::int32_t storage) {
    if (storage != SK_STORAGE_FLOAT32 && storage != SK_STORAGE_INT16)
        throw Error("the storage is neither float32 nor int16");
    return storage == SK_STORAGE_INT16 ? Storage::int16 : Storage::float32;
}

}  // namespace sk
