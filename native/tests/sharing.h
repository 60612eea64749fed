// Two voices whose networks are of one shape: they share the memory of their runs, one call after the other, and never
// at once.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <thread>
#include <vector>

#include "held.h"

namespace sharing {

// A network: how it is made, run on so many threads, and destroyed.
struct Network {
    std::function<void()> create;
    std::function<std::vector<float>(int threads)> run;
    std::function<void()> destroy;
};

// Callers of both at once, over and over, get what one caller alone gets, to the bit.
inline bool as_alone(const Network& a, const Network& b, int threads) {
    const std::vector<float> expected[] = {a.run(threads), b.run(threads)};
    std::atomic<bool> same = true;
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 4; ++caller)
        callers.emplace_back([&, caller] {
            for (int round = 0; round < 4; ++round)
                if ((caller % 2 ? b : a).run(threads) != expected[caller % 2]) same = false;
        });
    for (std::thread& caller : callers) caller.join();
    return same;
}

inline bool check(const Network& a, const Network& b, const char* what) {
    const auto tell = [&](bool holds, const char* problem) {
        if (!holds) std::printf("FAILED %s: %s\n", what, problem);
        return holds;
    };
    const std::int64_t before = held::bytes;
    a.create();
    b.create();
    const std::int64_t opened = held::bytes;
    a.run(1);
    const std::int64_t spoken = held::bytes;
    b.run(1);
    bool good = tell(spoken > opened, "nothing is kept for the next run");
    good &= tell(held::bytes == spoken, "a second voice has memory of its own");
    for (int threads : {1, 2}) good &= tell(as_alone(a, b, threads), "callers at once disturb each other");
    const std::int64_t busy = held::bytes;
    a.destroy();
    good &= tell(held::bytes < busy && held::bytes > before, "a closed voice keeps its weights, or takes what is shared");
    b.destroy();
    return good & tell(held::bytes == before, "the last voice leaves memory behind");
}

}  // namespace sharing
