// How weights stay in memory.
#pragma once

namespace sk {

enum class Storage {
    float32,
    int16,  // codes with a float scale, expanded into a small panel just before their use
};

// Outputs of a panel of weights on every instruction set, so that all map one file of codes (whose last panel is filled up).
// A column block of a set is a panel or a part of one.
constexpr int panel_columns = 32;

}  // namespace sk
