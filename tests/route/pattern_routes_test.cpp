// Routes of a plugin: which handler, which parameters, 404 or 405.

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "methods.h"
#include "route/pattern_routes.h"

namespace ringtime::route {
namespace {

constexpr uint16_t put = 1 << 4;
using Status = PatternMatch::Status;

struct Row {
    uint16_t methods;
    const char* pattern;
};

/// Handlers are the indexes of the rows.
[[nodiscard]] std::unique_ptr<const PatternRoutes> make(std::initializer_list<Row> rows) {
    PatternRoutesBuilder builder;
    uint32_t handler = 0;
    for (const Row& row : rows) builder.add(row.methods, row.pattern, handler++);
    PatternResult result = builder.build();
    for (const Problem& problem : result.problems) ADD_FAILURE() << problem.message;
    return std::move(result.routes);
}

[[nodiscard]] std::vector<Problem> problems_of(std::initializer_list<Row> rows) {
    PatternRoutesBuilder builder;
    uint32_t handler = 0;
    for (const Row& row : rows) builder.add(row.methods, row.pattern, handler++);
    PatternResult result = builder.build();
    EXPECT_EQ(result.routes == nullptr, !result.problems.empty());
    return result.problems;
}

TEST(PatternRoutes, takes_parameters_as_views_of_the_path) {
    auto routes = make({{get, "/users/:id/posts/:post"}, {get, "/files/*path"}, {get, "/"}});
    std::string path = "/users/42/posts/a%20b";
    PatternMatch match = routes->match(path, get);
    ASSERT_EQ(match.status, Status::found);
    EXPECT_EQ(match.handler, 0u);
    EXPECT_EQ(match.param("id"), "42");
    EXPECT_EQ(match.param("post"), "a%20b");
    EXPECT_EQ(match.param("id").data(), path.data() + 7);
    EXPECT_EQ(match.param("other").data(), nullptr);
    match = routes->match("/files/a/b//c", get);
    EXPECT_EQ(match.handler, 1u);
    EXPECT_EQ(match.param("path"), "a/b//c");
    EXPECT_EQ(routes->match("/files/", get).param("path"), "");
    EXPECT_EQ(routes->match("/files", get).status, Status::not_found);
    EXPECT_EQ(routes->match("", get).handler, 2u);
    EXPECT_EQ(routes->match("/", get).handler, 2u);
}

TEST(PatternRoutes, a_parameter_is_one_segment_that_is_not_empty) {
    auto routes = make({{get, "/users/:id"}});
    EXPECT_EQ(routes->match("/users/1", get).status, Status::found);
    for (const char* path :
         {"/users", "/users/", "/users/1/", "/users/1/2", "/users//1", "/Users/1", "users/1"}) {
        EXPECT_EQ(routes->match(path, get).status, Status::not_found) << path;
    }
}

TEST(PatternRoutes, earlier_literals_win_whatever_the_order) {
    for (bool forwards : {true, false}) {
        PatternRoutesBuilder builder;
        const char* patterns[] = {"/a/b/c", "/a/b/:y", "/a/:x/c", "/a/:x/:y",
                                  "/a/*",   "/:p/b/c", "/*all"};
        for (uint32_t i = 0; i < 7; ++i) {
            uint32_t index = forwards ? i : 6 - i;
            builder.add(get, patterns[index], index);
        }
        auto routes = builder.build().routes;
        ASSERT_NE(routes, nullptr);
        EXPECT_EQ(routes->match("/a/b/c", get).handler, 0u);
        EXPECT_EQ(routes->match("/a/b/d", get).handler, 1u);
        EXPECT_EQ(routes->match("/a/d/c", get).handler, 2u);
        EXPECT_EQ(routes->match("/a/d/d", get).handler, 3u);
        EXPECT_EQ(routes->match("/a/d", get).handler, 4u);
        EXPECT_EQ(routes->match("/a/b/c/d", get).handler, 4u);
        EXPECT_EQ(routes->match("/x/b/c", get).handler, 5u);
        EXPECT_EQ(routes->match("/x/b/d", get).handler, 6u);
    }
}

TEST(PatternRoutes, another_method_is_405_with_all_that_are_allowed) {
    auto routes = make({{get, "/users/:id"}, {post, "/users/me"}, {put, "/users/*rest"}});
    PatternMatch match = routes->match("/users/me", 1 << 5);
    EXPECT_EQ(match.status, Status::method_not_allowed);
    EXPECT_EQ(match.allow, get | post | put);
    EXPECT_EQ(match.handler, none);
    match = routes->match("/users/you", post);
    EXPECT_EQ(match.status, Status::method_not_allowed);
    EXPECT_EQ(match.allow, get | put);
    EXPECT_EQ(routes->match("/user", get).status, Status::not_found);
    EXPECT_EQ(routes->match("/user", get).allow, 0);
    // A less literal pattern that has the method is better than a refusal.
    EXPECT_EQ(routes->match("/users/me", get).handler, 0u);
    EXPECT_EQ(routes->match("/users/me", get).param("id"), "me");
}

TEST(PatternRoutes, literals_match_their_canonical_form) {
    auto routes = make({{get, "/caf\xc3\xa9/a b"}, {get, "/%7Euser/%2f:x"}});
    EXPECT_EQ(routes->match("/caf%C3%A9/a%20b", get).handler, 0u);
    EXPECT_EQ(routes->match("/caf%c3%a9/a%20b", get).handler, 0u);
    EXPECT_EQ(routes->match("/~user/%2F:x", get).handler, 1u);
}

TEST(PatternRoutes, refuses_what_it_cannot_mean) {
    for (const char* pattern :
         {"", "users", "/a/:", "/a/:b-c", "/*x/b", "/a*", "/a/b?", "/:a/:a", "/a/../b", "/a\\b",
          "/%zz", "/*a*", "/:a/:b/:c/:d/:e/:f/:g/:h/:i/:j/:k/:l/:m/:n/:o/:p/:q"}) {
        auto problems = problems_of({{get, pattern}});
        ASSERT_EQ(problems.size(), 1u) << pattern;
        EXPECT_EQ(problems[0].code, ProblemCode::bad_pattern) << pattern;
    }
    EXPECT_EQ(problems_of({{0, "/a"}})[0].code, ProblemCode::bad_pattern);
    auto twice = problems_of({{get, "/a/:x"}, {post, "/a/:y"}, {get | put, "/a/:z"}});
    ASSERT_EQ(twice.size(), 1u);
    EXPECT_EQ(twice[0].code, ProblemCode::same_pattern);
    EXPECT_EQ(twice[0].first, 0u);
    EXPECT_EQ(twice[0].second, 2u);
}

TEST(PatternRoutes, hundreds_below_one_prefix_fit) {
    PatternRoutesBuilder builder;
    for (uint32_t i = 0; i < 300; ++i) {
        builder.add(get, "/repos/:owner/:repo/part" + std::to_string(i) + "/:number", i);
    }
    auto result = builder.build();
    ASSERT_NE(result.routes, nullptr);
    PatternMatch match = result.routes->match("/repos/o/r/part217/9", get);
    EXPECT_EQ(match.handler, 217u);
    EXPECT_EQ(match.param("repo"), "r");
    EXPECT_EQ(match.param("number"), "9");
}

// --- Against the rules, written down once more ---

struct Plain {
    std::vector<std::string> segments;
    uint16_t methods;
};

[[nodiscard]] std::vector<std::string> split(const std::string& path) {
    std::vector<std::string> segments;
    for (size_t from = 1; from <= path.size();) {
        size_t end = std::min(path.find('/', from), path.size());
        segments.push_back(path.substr(from, end - from));
        from = end + 1;
    }
    return segments;
}

[[nodiscard]] bool takes(const Plain& pattern, const std::vector<std::string>& path,
                         std::string& rank) {
    rank.clear();
    for (size_t i = 0; i < pattern.segments.size(); ++i) {
        const std::string& segment = pattern.segments[i];
        if (segment == "*") {
            rank += 'c';
            return i < path.size();
        }
        if (i >= path.size()) return false;
        bool param = segment[0] == ':';
        if (param ? path[i].empty() : segment != path[i]) return false;
        rank += param ? 'b' : 'a';
    }
    return path.size() == pattern.segments.size();
}

TEST(PatternRoutesProperty, agrees_with_a_scan_of_all_patterns) {
    static const char* const choices[] = {"a", "b", "ab", ":x", ":y", "a"};
    static const char* const words[] = {"a", "b", "ab", "c", ""};
#ifdef __SANITIZE_ADDRESS__
    constexpr unsigned rounds = 400;  // Sanitizers make compiling many times dearer.
#else
    constexpr unsigned rounds = 2000;
#endif
    for (unsigned seed = 1; seed <= rounds; ++seed) {
        std::mt19937 engine(seed);
        auto random = [&engine] { return static_cast<unsigned>(engine()); };
        PatternRoutesBuilder builder;
        std::vector<Plain> plain;
        std::set<std::string> used;
        for (unsigned n = 1 + random() % 10; n > 0; --n) {
            std::string text, shape;
            for (unsigned k = 1 + random() % 3, i = 0; i < k; ++i) {
                std::string part = choices[random() % 6];
                if (i + 1 == k && random() % 5 == 0) part = "*";
                bool param = part[0] == ':';
                text.append("/").append(part);
                if (param) text.append(std::to_string(i));
                shape.append("/").append(param ? ":" : part.c_str());
            }
            auto method = static_cast<uint16_t>(1U << (1 + random() % 3));
            if (!used.insert(shape + std::to_string(method)).second) continue;
            builder.add(method, text, static_cast<uint32_t>(plain.size()));
            plain.push_back({split(text), method});
        }
        auto routes = builder.build().routes;
        ASSERT_NE(routes, nullptr) << "seed=" << seed;
        for (int i = 0; i < 50; ++i) {
            std::string path;
            for (unsigned k = 1 + random() % 4; k > 0; --k)
                path += std::string("/") + words[random() % 5];
            auto method = static_cast<uint16_t>(1U << (1 + random() % 3));
            uint32_t best = none;
            uint16_t allow = 0;
            std::string best_rank = "z";
            for (uint32_t at = 0; at < plain.size(); ++at) {
                std::string rank;
                if (!takes(plain[at], split(path), rank)) continue;
                allow = static_cast<uint16_t>(allow | plain[at].methods);
                if ((plain[at].methods & method) == 0 || rank >= best_rank) continue;
                best = at;
                best_rank = rank;
            }
            PatternMatch match = routes->match(path, method);
            ASSERT_EQ(match.handler, best) << "seed=" << seed << " " << path;
            ASSERT_EQ(match.allow, allow) << "seed=" << seed << " " << path;
        }
    }
}

}  // namespace
}  // namespace ringtime::route
