// The crew: every part of every step runs once, whoever helps, also when several crews want the same helpers. What networks
// keep for their runs: each space is taken once, and freed with the last network.
#include <atomic>
#include <cstdio>
#include <stdexcept>
#include <thread>
#include <vector>

#include "threads/crew.h"
#include "threads/kept.h"

namespace {

int failures = 0;

void check(bool holds, const char* what) {
    if (holds) return;
    std::printf("FAILED: %s\n", what);
    ++failures;
}

// Steps that depend on each other: each adds 1 to what the step before left.
bool steps_add_up(int threads, int parts, int steps) {
    std::vector<int> values(parts, 0);
    std::atomic<bool> numbers_fit = true;
    sk::with_crew(threads, [&](sk::Crew& crew) {
        for (int step = 0; step < steps; ++step)
            crew.parallel(parts, [&](std::int64_t i, int worker) {
                if (worker < 0 || worker >= crew.size()) numbers_fit = false;
                const int left = values[(i + step) % parts];  // written by another worker, perhaps, in the last step
                if (left != step) numbers_fit = false;
                values[(i + step) % parts] = left + 1;
            });
    });
    for (int value : values)
        if (value != steps) return false;
    return numbers_fit;
}

bool rival_crews() {
    std::atomic<bool> all = true;
    std::vector<std::thread> callers;
    for (int c = 0; c < 4; ++c)
        callers.emplace_back([&, c] {
            for (int round = 0; round < 20; ++round)
                if (!steps_add_up(2 + c % 2, 1 + (c * 7 + round) % 13, 50)) all = false;
        });
    for (std::thread& caller : callers) caller.join();
    return all;
}

bool throws() {
    try {
        sk::with_crew(2, [](sk::Crew& crew) {
            crew.parallel(3, [](std::int64_t, int) {});
            throw std::runtime_error("as wanted");
        });
    } catch (const std::runtime_error&) {
        return steps_add_up(2, 5, 10);
    }
    return false;
}

// Told to stop in its third step: no later step runs, and the next crew of the thread is a new one.
bool stops(int threads, std::int64_t parts) {
    std::int32_t flag = 0;
    std::atomic<int> steps = 0;
    sk::stop_when(&flag);
    bool stopped = false;
    try {
        sk::with_crew(threads, [&](sk::Crew& crew) {
            for (int step = 0; step < 10; ++step)
                crew.parallel(parts, [&](std::int64_t i, int) {
                    if (i == 0 && ++steps == 3) __atomic_store_n(&flag, 1, __ATOMIC_RELAXED);
                });
        });
    } catch (const sk::Stopped&) {
        stopped = true;
    }
    sk::stop_when(nullptr);
    return stopped && steps == 3 && steps_add_up(threads, 5, 10);
}

struct Space {
    std::int64_t rows;
    std::int64_t size() const { return rows; }
};

void kept_spaces() {
    auto kept = sk::kept_by<Space>({1, 2});
    check(kept == sk::kept_by<Space>({1, 2}) && kept != sk::kept_by<Space>({1, 3}), "one for each key");
    check(!kept->take_largest(), "nothing at first");
    for (std::int64_t rows : {3, 9, 5}) kept->put(std::make_unique<Space>(Space{rows}), 2);
    const auto fits = [](const Space& idle) { return idle.rows >= 4; };
    const auto first = kept->take(fits), second = kept->take(fits);
    check(first && second && first != second && !kept->take(fits), "each is taken once");
    check(first->rows + second->rows == 9 + 5, "the largest ones are kept");
    const std::weak_ptr<sk::Kept<Space>> last = kept;
    kept.reset();
    check(last.expired(), "freed with the last that uses it");
    check(!sk::kept_by<Space>({1, 2})->take_largest(), "and begun anew");
}

}  // namespace

int main() {
    for (int threads : {0, 1, 2, 3, 8})
        for (int parts : {1, 2, 3, 17, 256}) check(steps_add_up(threads, parts, 200), "steps in order");
    sk::with_crew(2, [](sk::Crew& crew) { crew.parallel(0, [](std::int64_t, int) { check(false, "no parts"); }); });
    for (int threads : {1, 2, 3})
        for (std::int64_t parts : {1, 5, 1 << 20}) check(stops(threads, parts), "a run that is told to stop");
    check(rival_crews(), "crews of several callers at once");
    kept_spaces();
    check(throws(), "what a program throws reaches the caller");
    std::printf(failures ? "%d failures\n" : "crew: all passed\n", failures);
    return failures != 0;
}
