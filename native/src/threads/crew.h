// Steps of a network over threads that stay awake between the steps.
//
// A layer is a few dozen microseconds of work, less than waking a sleeping thread costs. `with_crew` therefore asks the
// pool (pool.h) for its helpers once per run of a network; they wait for the next step by spinning. Whoever is free takes
// the next part of a step, the leader included, so nothing depends on how many helpers come, or when.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>

namespace sk {

// A run that was told to stop (stop_when).
struct Stopped : std::exception {
    const char* what() const noexcept override { return "stopped"; }
};

// What `stop_when` was told on the thread that makes it: for work that others do for that thread.
class StopFlag {
  public:
    StopFlag();
    bool raised() const { return flag_ && __atomic_load_n(flag_, __ATOMIC_RELAXED); }

  private:
    const std::int32_t* flag_;
};

class Crew {
  public:
    explicit Crew(int size) : size_(size) {}
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    // Workers at most; they are numbered from 0, the leader.
    int size() const { return size_; }

    // Runs body(i, worker) for every i in [0, count) and returns when all are done; throws Stopped, the rest left undone,
    // when the run is told to stop. Leader only; bodies must not throw.
    template <class Body>
    void parallel(std::int64_t count, const Body& body) {
        if (count <= 1 || size_ <= 1) {
            for (std::int64_t i = 0; i < count && !stopped(); ++i) body(i, 0);
            if (stopped()) throw Stopped();
            return;
        }
        run_step(count, &body, [](const void* what, std::int64_t i, int worker) {
            (*static_cast<const Body*>(what))(i, worker);
        });
    }

    void help(int worker);  // until the leader leaves
    void leave();

  private:
    using Call = void (*)(const void*, std::int64_t, int);

    bool stopped() const { return stop_.raised(); }
    void run_step(std::int64_t count, const void* body, Call call);
    bool work(std::uint64_t ticket, int worker);

    const int size_;
    const StopFlag stop_;  // read before each part
    // The step's number, how many parts it has and which is next, in one word: a part can only be taken of the step that
    // is running. What a step is (`body_`, `call_`) changes only when all of its parts are done.
    std::atomic<std::uint64_t> ticket_{0};
    std::atomic<std::int64_t> done_{0};
    std::atomic<bool> over_{false};
    const void* body_ = nullptr;
    Call call_ = nullptr;
};

// Programs that this thread starts from now on throw Stopped soon after *flag has become nonzero; nullptr: never.
void stop_when(const std::int32_t* flag);

// Runs program(crew) on the calling thread with up to threads - 1 helpers of the pool; what it throws passes.
void with_crew(int threads, const std::function<void(Crew&)>& program);

}  // namespace sk
