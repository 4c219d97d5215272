// Random tables against the brute-force matcher: small alphabets, so that routes collide, nest and
// miss each other by a byte. A failure prints its seed.

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <set>

#include "../oracle/brute_matcher.h"
#include "route/table_builder.h"

namespace ringtime::route {
namespace {

using oracle::BruteMatcher;

class Generator {
 public:
    explicit Generator(uint64_t seed) : engine_(seed) {}

    [[nodiscard]] unsigned below(unsigned limit) {
        return static_cast<unsigned>(engine_() % limit);
    }
    [[nodiscard]] bool chance(unsigned percent) { return below(100) < percent; }
    template <size_t n>
    [[nodiscard]] const char* pick(const char* const (&choices)[n]) {
        return choices[below(n)];
    }

    [[nodiscard]] std::string host() {
        static const char* const hosts[] = {"",        "",          "a.com",     "b.com",
                                            "*.a.com", "*.b.com",   "*.x.a.com", "x.a.com",
                                            "*.com",   "y.x.a.com", "a.com",     "*.y.x.a.com"};
        return pick(hosts);
    }
    [[nodiscard]] std::string request_host() {
        static const char* const hosts[] = {
            "",    "a.com",  "b.com",     "x.a.com",   "y.x.a.com", "z.y.x.a.com", "q.b.com",
            "com", "xa.com", "q.w.a.com", "other.org", ".a.com",    "x.a.com.",    "a.com."};
        return pick(hosts);
    }
    [[nodiscard]] std::string base() {
        if (chance(8)) return "/";
        static const char* const segments[] = {
            "a",        "b",   "ab", "shop",
            "shopping", "a@1", "@s", "a-very-long-segment-that-does-not-fit-one-label-of-a-node"};
        std::string base;
        for (unsigned n = 1 + below(3); n > 0; --n) base.append("/").append(pick(segments));
        return base;
    }
    [[nodiscard]] std::string version() {
        static const char* const versions[] = {"1.0.0", "1.2.3",  "1.2.4-beta.1", "1.3.0-rc.1",
                                               "1.3.0", "2.0.0",  "2.1.0-alpha",  "0.1.2",
                                               "0.0.3", "latest", "10.0.0",       "1.10.0"};
        return pick(versions);
    }
    [[nodiscard]] std::string range() {
        static const char* const ranges[] = {"1",
                                             "1.2",
                                             "%5E1",
                                             "^1.2",
                                             "~1.2",
                                             "latest",
                                             "1.2.3",
                                             "1.2.4-beta.1",
                                             "%5E1.2.4-beta.0",
                                             "2",
                                             "3",
                                             "*",
                                             "",
                                             "junk",
                                             "%3E%3D1",
                                             ">=1",
                                             "<2",
                                             "x",
                                             "0",
                                             "^0.0",
                                             "^0.1",
                                             "<=1.3.0-rc.1",
                                             "01",
                                             "~2.1.0-alpha",
                                             "v1",
                                             "1.x"};
        return pick(ranges);
    }
    [[nodiscard]] std::string glob() {
        static const char* const parts[] = {"a",  "b",    "ab",   "*",     "**", "?",   "a*", "*b",
                                            "?b", "a**b", "shop", "*a*b*", "",   "**a", "@s"};
        std::string glob;
        for (unsigned n = 1 + below(4); n > 0; --n) glob.append("/").append(pick(parts));
        return glob;
    }
    [[nodiscard]] uint16_t methods() {
        return static_cast<uint16_t>(chance(40) ? 0x1feU : 1U << (1 + below(4)));
    }
    [[nodiscard]] std::string path(const BruteMatcher& oracle) {
        std::string path;
        if (chance(60) && !oracle.mounts.empty()) {
            path = oracle.mounts[below(static_cast<unsigned>(oracle.mounts.size()))].base;
            if (path == "/") path = "";
            if (chance(30)) path.append("@").append(range());
            if (chance(10) && !path.empty()) path.pop_back();
        }
        static const char* const parts[] = {"a", "b", "ab", "ba",  "aab", "shop",
                                            "",  "c", "@s", "a@1", "axb", "aaaaaa"};
        for (unsigned n = below(4); n > 0; --n) path.append("/").append(pick(parts));
        if (chance(10)) path += chance(50) ? "/" : "b";
        if (path.empty() || path[0] != '/') path.insert(path.begin(), '/');
        return path;
    }

 private:
    std::mt19937_64 engine_;
};

struct Tables {
    BruteMatcher oracle;
    std::unique_ptr<const RouteTable> table;
};

/// A table without conflicts and the oracle of the same routes.
[[nodiscard]] Tables make_tables(Generator& random) {
    Tables tables;
    TableBuilder builder;
    std::set<std::tuple<std::string, std::string, std::string>> taken;
    uint32_t id = 0;
    for (unsigned n = random.below(14); n > 0; --n) {
        oracle::BruteMount mount{random.host(), random.base(), "", ++id};
        bool app =
            mount.base != "/" && mount.base.find("a@1") == std::string::npos && random.chance(40);
        // A base is either versioned or not; `/a@1` may be a version of `/a`.
        if (app ? taken.contains({mount.host, mount.base, ""})
                : taken.contains({mount.host, mount.base, "app"})) {
            continue;
        }
        if (!app && mount.base.ends_with("a@1") &&
            taken.contains({mount.host, mount.base.substr(0, mount.base.size() - 2), "app"})) {
            continue;
        }
        if (app && taken.contains({mount.host, mount.base + "@1", ""})) continue;
        for (unsigned versions = app ? 1 + random.below(5) : 1; versions > 0; --versions) {
            if (app) mount.version = random.version();
            if (!taken.insert({mount.host, mount.base, mount.version}).second) continue;
            mount.id = ++id;
            tables.oracle.mounts.push_back(mount);
            if (app) {
                taken.insert({mount.host, mount.base, "app"});
                builder.add_app_version({mount.host, mount.base, mount.version, mount.id, 1});
            } else {
                builder.add_mount({mount.host, mount.base, mount.id, 0});
            }
        }
    }
    for (unsigned n = random.below(10); n > 0; --n) {
        oracle::BrutePublic route{random.chance(50), "",      oracle::nothing, random.glob(),
                                  random.methods(),  1000 + n};
        if (route.plugin) {
            route.host = random.host();
        } else if (!tables.oracle.mounts.empty()) {
            route.mount =
                tables.oracle
                    .mounts[random.below(static_cast<unsigned>(tables.oracle.mounts.size()))]
                    .id;
        } else {
            continue;
        }
        tables.oracle.publics.push_back(route);
        builder.add_public({route.plugin ? Origin::plugin : Origin::app, route.host, route.mount,
                            route.glob, route.methods, route.source});
    }
    BuildResult result = builder.build();
    for (const Problem& problem : result.problems) {
        EXPECT_EQ(problem.severity, Severity::warning) << problem.message;
    }
    tables.table = std::move(result.table);
    return tables;
}

[[nodiscard]] std::string describe(const BruteMatcher& oracle) {
    std::string text;
    for (const auto& mount : oracle.mounts) {
        text.append("\n").append(std::to_string(mount.id)).append(" ").append(mount.host);
        text.append(mount.base).append(" ").append(mount.version);
    }
    return text;
}

void compare_once(const Tables& tables, Generator& random) {
    std::string host = random.request_host();
    std::string path = random.path(tables.oracle);
    auto method = static_cast<uint16_t>(1U << (1 + random.below(4)));
    std::string name = host.ends_with('.') ? host.substr(0, host.size() - 1) : host;
    auto expected = tables.oracle.candidates(name, path);
    Match match = tables.table->match(host, path, method);
    uint32_t source = tables.oracle.public_source(
        name, path, method, expected.empty() ? oracle::Candidate{} : expected.front());
    std::string what = host + " " + path;
    ASSERT_EQ(match.is_public, source != oracle::nothing) << what;
    if (match.is_public) {
        ASSERT_EQ(match.public_source, source) << what;
    }
    for (const oracle::Candidate& candidate : expected) {
        ASSERT_EQ(match.mount, candidate.mount) << what << describe(tables.oracle);
        ASSERT_EQ(match.base_size, candidate.base_size) << what;
        ASSERT_EQ(match.tenant, candidate.tenant) << what;
        match = tables.table->pass(match);
    }
    ASSERT_FALSE(match.found()) << what << " " << match.mount;
}

TEST(RouteTableProperty, agrees_with_the_brute_force_matcher) {
    const char* wished = std::getenv("RINGTIME_SEED");
    uint64_t first = wished ? std::strtoull(wished, nullptr, 10) : 1;
#ifdef __SANITIZE_ADDRESS__
    const uint64_t rounds = 1'000;  // Sanitizers make a table thirty times dearer.
#else
    const uint64_t rounds = 10'000;
#endif
    uint64_t count = wished ? 1 : rounds;
    for (uint64_t seed = first; seed < first + count; ++seed) {
        SCOPED_TRACE("RINGTIME_SEED=" + std::to_string(seed));
        Generator random(seed);
        Tables tables = make_tables(random);
        ASSERT_NE(tables.table, nullptr);
        for (int i = 0; i < 100; ++i) {
            compare_once(tables, random);
            if (testing::Test::HasFatalFailure()) return;
        }
    }
}

}  // namespace
}  // namespace ringtime::route
