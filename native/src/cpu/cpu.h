// What this processor can do, with the operating system's support for the registers: asked once, in one place.
#pragma once

namespace sk {

struct Cpu {
    bool avx2 = false;       // with FMA
    bool f16c = false;       // conversions of half precision
    bool avxvnni = false;    // products of bytes in 256 bits
    bool avx512 = false;     // F, VL, DQ, BW
    bool avx512vnni = false; // products of bytes in 512 bits
    bool amx = false;        // tiles of bfloat16 and of bytes, allowed to this process; with avx512vnni
    bool dot = false;        // products of bytes on Arm
    bool i8mm = false;       // products of matrices of bytes on Arm
};

const Cpu& cpu();

}  // namespace sk
