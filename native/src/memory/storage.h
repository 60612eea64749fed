// How weights stay in memory.
#pragma once

namespace sk {

enum class Storage {
    float32,
    int16,  // codes with a float scale, expanded into a small panel just before their use
};

}  // namespace sk
