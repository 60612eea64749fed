// The lock over what networks keep between runs: one for all, as it is taken for a moment only, and taken by fork itself,
// so that a child never finds it held by a thread that it does not have.
#pragma once

#include <mutex>

namespace sk {

std::mutex& kept_mutex();

}  // namespace sk
