#include "threads/crew.h"

#include <algorithm>
#include <exception>
#include <thread>

#include "threads/pool.h"

namespace sk {

namespace {

constexpr int part_bits = 20;  // of a ticket: step number, parts, next part
constexpr std::uint64_t part_mask = (std::uint64_t{1} << part_bits) - 1;
constexpr std::int64_t most_parts = std::int64_t{1} << (part_bits - 1);
constexpr int spins_before_yield = 4000;  // some 50 microseconds: longer than any pause between two steps

struct Ticket {
    std::uint64_t step, parts, next;
};

Ticket read(std::uint64_t word) {
    return {word >> (2 * part_bits), word >> part_bits & part_mask, word & part_mask};
}

thread_local const std::int32_t* stop_flag = nullptr;

void relax(int& spins) {
    if (++spins > spins_before_yield) {
        std::this_thread::yield();
        return;
    }
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

}  // namespace

void Crew::run_step(std::int64_t count, const void* body, Call call) {
    if (count > most_parts) {  // no layer has as many; correct all the same
        for (std::int64_t i = 0; i < count && !stopped(); ++i) call(body, i, 0);
        if (stopped()) throw Stopped();
        return;
    }
    body_ = body;
    call_ = call;
    done_.store(0, std::memory_order_relaxed);
    const std::uint64_t step = read(ticket_.load(std::memory_order_relaxed)).step + 1;
    ticket_.store(step << (2 * part_bits) | static_cast<std::uint64_t>(count) << part_bits, std::memory_order_release);
    while (work(ticket_.load(std::memory_order_acquire), 0)) {
    }
    for (int spins = 0; done_.load(std::memory_order_acquire) < count;) relax(spins);
    if (stopped()) throw Stopped();  // whoever left a part out saw the flag before this
}

// Takes one part of the step that `word` names; false when none is left.
bool Crew::work(std::uint64_t word, int worker) {
    const Ticket ticket = read(word);
    if (ticket.next >= ticket.parts) return false;
    if (ticket_.compare_exchange_weak(word, word + 1, std::memory_order_acq_rel)) {
        if (!stopped()) call_(body_, static_cast<std::int64_t>(ticket.next), worker);
        done_.fetch_add(1, std::memory_order_release);
    }
    return true;
}

void Crew::help(int worker) {
    for (int spins = 0; !over_.load(std::memory_order_acquire);) {
        if (work(ticket_.load(std::memory_order_acquire), worker))
            spins = 0;
        else
            relax(spins);
    }
}

void Crew::leave() { over_.store(true, std::memory_order_release); }

void stop_when(const std::int32_t* flag) { stop_flag = flag; }

StopFlag::StopFlag() : flag_(stop_flag) {}

void with_crew(int threads, const std::function<void(Crew&)>& program) {
    Crew crew(std::clamp(threads, 1, usable_cpus()));
    std::exception_ptr problem;
    run_tasks(crew.size(), crew.size(), [&](int worker) {
        if (worker > 0) return crew.help(worker);
        try {
            program(crew);
        } catch (...) {
            problem = std::current_exception();
        }
        crew.leave();
    });
    if (problem) std::rethrow_exception(problem);
}

}  // namespace sk
