// Memory of a run that networks keep for the next ones.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace sk {

// The lock over what networks keep: one for all, as it is taken for a moment only, and taken by fork itself, so that a
// child never finds it held by a thread that it does not have.
std::mutex& kept_mutex();

// At most so many spaces, the largest ones; Space::size() compares them. A run takes its own and puts it back.
template <class Space>
class Kept {
  public:
    // One for which `fits` holds, or null.
    template <class Fits>
    std::unique_ptr<Space> take(const Fits& fits) {
        const std::lock_guard lock(kept_mutex());
        return remove(std::find_if(idle_.begin(), idle_.end(), [&](const auto& idle) { return fits(*idle); }));
    }

    // The largest one, or null.
    std::unique_ptr<Space> take_largest() {
        const std::lock_guard lock(kept_mutex());
        return remove(std::max_element(idle_.begin(), idle_.end(),
                                       [](const auto& a, const auto& b) { return a->size() < b->size(); }));
    }

    void put(std::unique_ptr<Space> space, int most) {
        const std::lock_guard lock(kept_mutex());
        if (idle_.size() < static_cast<std::size_t>(most)) return idle_.push_back(std::move(space));
        for (auto& idle : idle_)
            if (idle->size() < space->size()) return std::swap(idle, space);
    }

  private:
    using Idle = std::vector<std::unique_ptr<Space>>;

    std::unique_ptr<Space> remove(typename Idle::iterator at) {
        if (at == idle_.end()) return nullptr;
        std::swap(*at, idle_.back());
        auto space = std::move(idle_.back());
        idle_.pop_back();
        return space;
    }

    Idle idle_;
};

// Everything that the sizes of a network's spaces follow from.
using ShapeKey = std::vector<std::int64_t>;

// What all networks of that key share, so that a further voice brings its weights alone. Freed with the last of them.
template <class Space>
std::shared_ptr<Kept<Space>> kept_by(const ShapeKey& key) {
    static auto& shared = *new std::map<ShapeKey, std::weak_ptr<Kept<Space>>>;  // never destroyed, as kept_mutex
    const std::lock_guard lock(kept_mutex());
    std::erase_if(shared, [](const auto& entry) { return entry.second.expired(); });
    std::weak_ptr<Kept<Space>>& entry = shared[key];
    std::shared_ptr<Kept<Space>> kept = entry.lock();
    if (!kept) entry = kept = std::make_shared<Kept<Space>>();
    return kept;
}

}  // namespace sk
