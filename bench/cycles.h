#pragma once
// Time in cycles of the core: what a turn of a loop costs, divided by what an addition costs that
// waits for the one before, timed right before and behind it. A machine that changes its clock, or
// is robbed of it, shows the same figure; one whose core is shared with a neighbour does not quite.

#include <benchmark/benchmark.h>

#include <chrono>

namespace ringtime::bench {

[[nodiscard]] inline double nanoseconds_since(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin)
        .count();
}

/// Of one addition in a chain: a cycle.
[[nodiscard]] inline double addition_ns() {
    constexpr int kTurns = 100'000;
    auto begin = std::chrono::steady_clock::now();
    uint64_t sum = 0;
    for (int i = 0; i < kTurns; ++i) {
        for (int step = 0; step < 8; ++step) {
            ++sum;
            asm volatile("" : "+r"(sum));  // In a register, and not added up at once.
        }
    }
    return nanoseconds_since(begin) / (kTurns * 8);
}

/// Runs `step` as the benchmark's loop and adds the counter `cycles`, per turn.
template <typename Step>
void in_cycles(benchmark::State& state, Step step) {
    double before = addition_ns();
    auto begin = std::chrono::steady_clock::now();
    for (auto _ : state) step();
    double all = nanoseconds_since(begin);
    double addition = (before + addition_ns()) / 2;
    state.counters["cycles"] = all / static_cast<double>(state.iterations()) / addition;
}

}  // namespace ringtime::bench
