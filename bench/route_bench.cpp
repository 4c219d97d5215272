// Route lookups: what a request pays, against a hash map and against the naive ways. Every table is
// checked against known answers before it is timed.
//
// Expected: a lookup is one or two probes of the directory, a bucket and a mount: about 400
// instructions in all, most of them independent. At 100,000 uniform routes the bucket and the mount
// come from the outer caches, one after the other; a hash map's bucket, node and key do too.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <regex>
#include <string>
#include <unordered_map>
#include <vector>

#include "cycles.h"
#include "route/pattern_routes.h"
#include "route/table_builder.h"

namespace {

using namespace ringtime::route;
using ringtime::bench::in_cycles;

constexpr uint16_t get = 1 << 1;
constexpr uint16_t all_methods = 0x3ff;

void require(bool fact, const char* what) {
    if (fact) return;
    std::fprintf(stderr, "route_bench: wrong answer: %s\n", what);
    std::abort();
}

/// Bases as people write them: shared beginnings, one to four segments.
[[nodiscard]] std::vector<std::string> make_bases(size_t count) {
    static const char* const areas[] = {"/api/v1", "/api/v2", "/internal", "/apps", "", "/@team"};
    static const char* const nouns[] = {"orders",  "users", "billing", "search",
                                        "reports", "media", "auth",    "carts"};
    std::vector<std::string> bases;
    std::mt19937 random(7);
    for (size_t i = 0; i < count; ++i) {
        std::string base = areas[random() % 6];
        base += std::string("/") + nouns[random() % 8] + "-" + std::to_string(i);
        if (random() % 3 == 0) base += std::string("/") + nouns[random() % 8];
        bases.push_back(base);
    }
    return bases;
}

struct Fixture {
    std::vector<std::string> bases;
    std::vector<std::string> paths;  ///< Below the base of the same index.
    std::unique_ptr<const RouteTable> table;
    std::unordered_map<std::string_view, uint32_t> map;
};

/// Each tenth mount has public globs, and one plugin has some for everything.
[[nodiscard]] std::unique_ptr<Fixture> make_fixture(size_t count) {
    auto fixture = std::make_unique<Fixture>();
    fixture->bases = make_bases(count);
    TableBuilder builder;
    for (uint32_t i = 0; i < count; ++i) {
        builder.add_mount({"", fixture->bases[i], i, 0});
        if (i % 10 == 0) {
            builder.add_public({Origin::app, "", i, "/public/**", get, i});
            builder.add_public({Origin::app, "", i, "/health", all_methods, i});
        }
        fixture->map[fixture->bases[i]] = i;
        fixture->paths.push_back(fixture->bases[i] + "/items/" + std::to_string(i % 97));
    }
    builder.add_public({Origin::plugin, "", none, "/login/**", all_methods, 1'000'000});
    builder.add_public({Origin::plugin, "", none, "/*/status", get, 1'000'001});
    BuildResult result = builder.build();
    require(result.table != nullptr, "the table compiles");
    fixture->table = std::move(result.table);
    for (uint32_t i = 0; i < count; ++i) {
        Match match = fixture->table->match("www.example.com", fixture->paths[i], get);
        require(match.mount == i && match.base_size == fixture->bases[i].size() && !match.is_public,
                "a base");
        if (i % 10 == 0) {
            require(fixture->table->match("", fixture->bases[i] + "/public/x", get).is_public,
                    "a public route");
        }
    }
    return fixture;
}

[[nodiscard]] Fixture& fixture_of(size_t count) {
    static std::unordered_map<size_t, std::unique_ptr<Fixture>> fixtures;
    auto& fixture = fixtures[count];
    if (!fixture) fixture = make_fixture(count);
    return *fixture;
}

/// What is asked for, in random order: `hot` distinct ones out of all. One piece of text, read from
/// front to back and fetched ahead: a request's path has just been parsed and is in the first
/// cache.
struct Questions {
    static constexpr size_t count = 1 << 14;

    Questions(const std::vector<std::string>& choices, size_t hot) {
        std::mt19937 random(11);
        std::vector<uint32_t> chosen(hot);
        for (uint32_t& index : chosen) index = static_cast<uint32_t>(random() % choices.size());
        std::vector<size_t> ends;
        for (size_t i = 0; i < count; ++i) {
            text += choices[chosen[random() % hot]];
            ends.push_back(text.size());
        }
        for (size_t i = 0, from = 0; i < count; from = ends[i++]) {
            views.emplace_back(text.data() + from, ends[i] - from);
        }
    }
    [[nodiscard]] std::string_view next() noexcept {
        std::string_view soon = views[(at + 8) & (count - 1)];
        __builtin_prefetch(soon.data());
        __builtin_prefetch(soon.data() + soon.size());
        return views[at++ & (count - 1)];
    }

    std::string text;
    std::vector<std::string_view> views;
    size_t at = 0;
};

void lookup(benchmark::State& state) {
    auto count = static_cast<size_t>(state.range(0));
    Fixture& fixture = fixture_of(count);
    Questions questions(fixture.paths, static_cast<size_t>(state.range(1)));
    in_cycles(state, [&] {
        Match match = fixture.table->match("www.example.com", questions.next(), get);
        benchmark::DoNotOptimize(match);
    });
    TableStats stats = fixture.table->stats();
    state.counters["bytes_per_route"] =
        static_cast<double>(stats.bytes) / static_cast<double>(count);
}

/// The best a hash map could do: it is told where the base ends.
void hash_map(benchmark::State& state) {
    auto count = static_cast<size_t>(state.range(0));
    Fixture& fixture = fixture_of(count);
    Questions questions(fixture.bases, static_cast<size_t>(state.range(1)));
    in_cycles(state, [&] { benchmark::DoNotOptimize(fixture.map.find(questions.next())->second); });
}

void linear_prefix_list(benchmark::State& state) {
    Fixture& fixture = fixture_of(1000);
    std::vector<std::string> bases = fixture.bases;
    std::sort(bases.begin(), bases.end(),
              [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
    Questions questions(fixture.paths, 1000);
    for (auto _ : state) {
        std::string_view path = questions.next();
        size_t found = 0;
        while (found < bases.size() &&
               !(path.starts_with(bases[found]) && at_boundary(path, bases[found].size()))) {
            ++found;
        }
        benchmark::DoNotOptimize(found);
    }
}

void regex_list(benchmark::State& state) {
    Fixture& fixture = fixture_of(1000);
    std::vector<std::regex> list;
    for (const std::string& base : fixture.bases)
        list.emplace_back(base + "(/.*)?", std::regex::optimize);
    Questions questions(fixture.paths, 1000);
    for (auto _ : state) {
        std::string_view path = questions.next();
        size_t found = 0;
        while (found < list.size() && !std::regex_match(path.begin(), path.end(), list[found]))
            ++found;
        benchmark::DoNotOptimize(found);
    }
}

/// The longest path there is, under globs that have to look at every byte of it; one for the
/// plugins and one for the winner. Range 0: how many `**` in the middle each side has.
void worst_path(benchmark::State& state) {
    TableBuilder builder;
    builder.add_mount({"", "/", 1, 0});
    for (Origin origin : {Origin::plugin, Origin::app}) {
        for (int i = 0; i < state.range(0); ++i) {
            std::string mark(1, static_cast<char>('b' + i));
            builder.add_public({origin, "", 1, "/**/a" + mark + "/**/x" + mark + "*z", get, 1});
        }
    }
    BuildResult result = builder.build();
    require(result.table != nullptr, "adversarial globs compile");
    // Its end is that of a match, else no automaton would run.
    std::string path;
    while (path.size() < 8188) path += "/a";
    path += "/az";
    require(path.size() <= 8192 && !result.table->match("", path, get).is_public, "the worst path");
    require(result.table->match("", "/x/ab/x/xb1z", get).is_public, "the globs match at all");
    in_cycles(state, [&] { benchmark::DoNotOptimize(result.table->match("", path, get)); });
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) *
                            static_cast<int64_t>(path.size()));
    state.counters["automata_bytes"] = static_cast<double>(result.table->stats().automata_bytes);
}

void host_lookup(benchmark::State& state) {
    TableBuilder builder;
    for (uint32_t i = 0; i < 1000; ++i)
        builder.add_mount({"shop-" + std::to_string(i) + ".example.com", "/", i, 0});
    builder.add_mount({"*.example.com", "/", 5000, 0});
    builder.add_mount({"", "/api/v1", 5001, 0});
    BuildResult result = builder.build();
    require(result.table != nullptr, "hosts compile");
    require(result.table->match("shop-77.example.com", "/cart/1", get).mount == 77, "a host");
    require(result.table->match("other.example.com", "/cart/1", get).tenant == "other",
            "a wildcard");
    std::vector<std::string> hosts;
    for (int i = 0; i < 1024; ++i)
        hosts.push_back("shop-" + std::to_string(i * 7 % 1000) + ".example.com");
    size_t at = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(result.table->match(hosts[at++ & 1023], "/cart/1", get));
    }
}

void version_lookup(benchmark::State& state) {
    TableBuilder builder;
    uint32_t id = 0;
    for (int app = 0; app < 100; ++app) {
        for (int minor = 0; minor < 20; ++minor) {
            builder.add_app_version(
                {"", "/app-" + std::to_string(app), "1." + std::to_string(minor) + ".0", id++, 0});
        }
    }
    BuildResult result = builder.build();
    require(result.table && result.table->match("", "/app-3@%5E1.4/x", get).mount == 79,
            "a version");
    for (auto _ : state) benchmark::DoNotOptimize(result.table->match("", "/app-3@%5E1.4/x", get));
}

void pattern_lookup(benchmark::State& state) {
    PatternRoutesBuilder builder;
    static const char* const parts[] = {"issues", "pulls", "commits", "tags",
                                        "forks",  "stats", "keys",    "hooks"};
    uint32_t handler = 0;
    for (const char* part : parts) {
        std::string base = std::string("/repos/:owner/:repo/") + part;
        builder.add(get, base, handler++);
        builder.add(get, base + "/:number", handler++);
        builder.add(get, base + "/:number/events", handler++);
    }
    builder.add(get, "/users/:user", handler++);
    auto routes = builder.build().routes;
    require(routes != nullptr, "patterns compile");
    PatternMatch match = routes->match("/repos/someone/something/commits/1234", get);
    require(match.handler == 7 && match.param("number") == "1234", "a pattern");
    for (auto _ : state)
        benchmark::DoNotOptimize(routes->match("/repos/someone/something/commits/1234", get));
}

void compile_bases(benchmark::State& state) {
    std::vector<std::string> bases = make_bases(static_cast<size_t>(state.range(0)));
    for (auto _ : state) {
        TableBuilder builder;
        for (uint32_t i = 0; i < bases.size(); ++i) builder.add_mount({"", bases[i], i, 0});
        BuildResult result = builder.build();
        require(result.table != nullptr, "bases compile");
        benchmark::DoNotOptimize(result.table);
    }
}

/// 10,000 globs: half of plugins, half of 500 apps; a fifth has wildcards in unlike places.
void compile_globs(benchmark::State& state) {
    auto count = static_cast<uint32_t>(state.range(0));
    double bytes = 0;
    for (auto _ : state) {
        TableBuilder builder;
        for (uint32_t i = 0; i < 500; ++i)
            builder.add_mount({"", "/app-" + std::to_string(i), i, 0});
        for (uint32_t i = 0; i < count; ++i) {
            std::string name = std::to_string(i);
            bool plugin = i % 2 == 0;
            std::string glob = plugin ? "/plugin-" + std::to_string(i % 500) : "";
            if (i % 5 == 0) glob += "/users/*/posts-" + name + "/**";
            if (i % 5 == 1) glob += "/api/" + name + "/*";
            if (i % 5 == 2) glob += "/public/" + name + "/**";
            if (i % 5 == 3) glob += "/health-" + name;
            if (i % 5 == 4) glob += "/files/" + name + "-*.j?";
            builder.add_public({plugin ? Origin::plugin : Origin::app, "", i % 500, glob, get, i});
        }
        BuildResult result = builder.build();
        require(result.table != nullptr && result.problems.empty(), "globs compile");
        require(result.table->match("", "/app-1/api/1/x", get).is_public, "a glob of an app");
        bytes = static_cast<double>(result.table->stats().bytes);
    }
    state.counters["bytes_per_glob"] = bytes / count;
}

BENCHMARK(lookup)->Args({1000, 1000})->Args({100'000, 1000})->Args({100'000, 100'000});
BENCHMARK(hash_map)->Args({1000, 1000})->Args({100'000, 1000})->Args({100'000, 100'000});
BENCHMARK(linear_prefix_list);
BENCHMARK(regex_list);
BENCHMARK(worst_path)->Arg(1)->Arg(3)->Arg(10)->Unit(benchmark::kMicrosecond);
BENCHMARK(host_lookup);
BENCHMARK(version_lookup);
BENCHMARK(pattern_lookup);
BENCHMARK(compile_bases)->Arg(100'000)->Unit(benchmark::kMillisecond);
BENCHMARK(compile_globs)->Arg(10'000)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
