// What a hook costs: a chain of pass-through hooks from a real shared object, beside direct calls
// of an empty function through pointers and beside a route without a chain. The plugin is the one
// of the tests; the result of each run is checked before it is timed.

#include <benchmark/benchmark.h>

#include <time.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "hook/chain_run.h"
#include "hook/plugin_set.h"

namespace ringtime::hook {
namespace {

class IdlePort final : public CorePort {
 public:
    [[nodiscard]] bool post(const loop::Message&) noexcept override { return false; }
    void arm(loop::Timer&, Nanoseconds) noexcept override {}
    void disarm(loop::Timer&) noexcept override {}
    [[nodiscard]] Nanoseconds now() const noexcept override { return 0; }
};

struct Bench {
    explicit Bench(size_t hooks) : arena(block, sizeof block, sizeof block) {
        cores[0].attach(port);
        std::vector<PluginSpec> specs;
        for (size_t i = 0; i < hooks; ++i) {
            PluginSpec spec;
            spec.name = spec.short_name = "pass" + std::to_string(i);
            spec.file = PASS_PLUGIN;
            specs.push_back(spec);
        }
        LoadResult result = load_plugins(specs, cores);
        if (!result.set) std::abort();
        set = std::move(result.set);
        chain = set->chain_for("");
        head.fields.base = "";
        draft.begin(head.fields);
        facts.head = &head;
        facts.draft = &draft;
        facts.arena = &arena;
        facts.path = facts.full_path = "/page";
    }

    IdlePort port;
    Cores cores{1};
    std::unique_ptr<PluginSet> set;
    const Chain* chain = nullptr;
    alignas(16) char block[4096];
    Arena arena;
    http::RequestHead head;
    http::FieldDraft draft;
    RequestFacts facts;
    ChainRun run;
};

ringtime_verdict empty_hook(void*, const ringtime_request*) { return RINGTIME_CONTINUE; }

void report(benchmark::State& state, double hooks) {
    state.counters["per_hook"] =
        benchmark::Counter(hooks, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

/// The floor: the same number of calls through pointers that nobody can see through.
void direct_calls(benchmark::State& state) {
    auto count = static_cast<size_t>(state.range(0));
    std::vector<ringtime_verdict (*)(void*, const ringtime_request*)> hooks(count, &empty_hook);
    benchmark::DoNotOptimize(hooks.data());
    ringtime_request request{};
    for (auto _ : state) {
        for (auto* hook : hooks) {
            if (hook(nullptr, &request) != RINGTIME_CONTINUE) std::abort();
        }
        benchmark::ClobberMemory();
    }
    report(state, static_cast<double>(state.iterations() * state.range(0)));
}
BENCHMARK(direct_calls)->Arg(1)->Arg(16);

/// An exchange's whole part: begin, every hook, end.
Outcome run_once(Bench& bench) {
    bench.run.begin(bench.chain, bench.cores[0], bench.facts, {});
    Outcome outcome = bench.run.run_request();
    bench.run.end();
    return outcome;
}

/// With 0 hooks it is what a route pays that no plugin subscribed to.
void chain_calls(benchmark::State& state) {
    Bench bench(static_cast<size_t>(state.range(0)));
    if (run_once(bench) != Outcome::go_on) std::abort();
    for (const PluginRef& plugin : bench.set->plugins()) {
        if (plugin->totals(Hook::request).calls != 1) std::abort();
    }
    for (auto _ : state) {
        if (run_once(bench) != Outcome::go_on) std::abort();
    }
}
BENCHMARK(chain_calls)->Arg(0)->Arg(1)->Arg(8)->Arg(16);

double thread_seconds() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// The cost of a hook itself: what 16 take more than 1, in turns and in time of this thread alone,
/// so that a busy machine disturbs both alike. The promise is 5 ns.
void one_more_hook(benchmark::State& state) {
    constexpr int rounds = 1000;
    Bench one(1);
    Bench many(16);
    auto time = [](Bench& bench) {
        double from = thread_seconds();
        for (int i = 0; i < rounds; ++i) {
            if (run_once(bench) != Outcome::go_on) std::abort();
        }
        return (thread_seconds() - from) / rounds;
    };
    for (auto _ : state) {
        double base = time(one);
        double difference = (time(many) - base) / 15;
        // A disturbed round may come out below zero, which no clock of a benchmark takes.
        state.SetIterationTime(difference > 0 ? difference : 0);
    }
}
BENCHMARK(one_more_hook)->UseManualTime()->Iterations(500);

}  // namespace
}  // namespace ringtime::hook

BENCHMARK_MAIN();
