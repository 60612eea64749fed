// Memory of a run that a network keeps for the next ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace sk {

// The lock over what networks keep: one for all, as it is taken for a moment only, and taken by fork itself, so that a
// child never finds it held by a thread that it does not have.
std::mutex& kept_mutex();

// At most so many spaces, the largest ones; Space::size() compares them.
template <class Space>
class Kept {
  public:
    // One for which `fits` holds, or null.
    template <class Fits>
    std::unique_ptr<Space> take(const Fits& fits) {
        const std::lock_guard lock(kept_mutex());
        for (auto& idle : idle_)
            if (fits(*idle)) {
                std::swap(idle, idle_.back());
                auto space = std::move(idle_.back());
                idle_.pop_back();
                return space;
            }
        return nullptr;
    }

    void put(std::unique_ptr<Space> space, int most) {
        const std::lock_guard lock(kept_mutex());
        if (idle_.size() < static_cast<std::size_t>(most)) return idle_.push_back(std::move(space));
        for (auto& idle : idle_)
            if (idle->size() < space->size()) return std::swap(idle, space);
    }

  private:
    std::vector<std::unique_ptr<Space>> idle_;
};

}  // namespace sk
