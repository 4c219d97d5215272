// The rules of routing by example, and the conflicts a builder reports.

#include <gtest/gtest.h>

#include "methods.h"
#include "route/table_builder.h"

namespace ringtime::route {
namespace {

constexpr uint16_t all = 0x3ff;

[[nodiscard]] std::unique_ptr<const RouteTable> build(TableBuilder& builder) {
    BuildResult result = builder.build();
    for (const Problem& problem : result.problems) ADD_FAILURE() << problem.message;
    EXPECT_NE(result.table, nullptr);
    return std::move(result.table);
}

[[nodiscard]] uint32_t mount_at(const RouteTable& table, std::string_view path,
                                std::string_view host = "") {
    return table.match(host, path, get).mount;
}

TEST(RouteTable, an_empty_table_matches_nothing) {
    TableBuilder builder;
    auto table = build(builder);
    Match match = table->match("a.com", "/", get);
    EXPECT_FALSE(match.found());
    EXPECT_FALSE(match.is_public);
    EXPECT_FALSE(table->pass(match).found());
}

TEST(RouteTable, bases_match_on_segment_boundaries_and_the_longest_wins) {
    TableBuilder builder;
    builder.add_mount({"", "/shop", 1, 0});
    builder.add_mount({"", "/shop/admin", 2, 0});
    builder.add_mount({"", "/api/v1", 3, 0});
    auto table = build(builder);
    EXPECT_EQ(mount_at(*table, "/shop"), 1u);
    EXPECT_EQ(mount_at(*table, "/shop/"), 1u);
    EXPECT_EQ(mount_at(*table, "/shop/x"), 1u);
    EXPECT_EQ(mount_at(*table, "/shopping"), none);
    EXPECT_EQ(mount_at(*table, "/sho"), none);
    EXPECT_EQ(mount_at(*table, "/Shop"), none);
    EXPECT_EQ(mount_at(*table, "/shop%2Fx"), none);
    EXPECT_EQ(mount_at(*table, "//shop"), none);
    EXPECT_EQ(mount_at(*table, "/shop/admin/x"), 2u);
    EXPECT_EQ(mount_at(*table, "/shop/administrator"), 1u);
    EXPECT_EQ(mount_at(*table, "/api"), none);
    EXPECT_EQ(mount_at(*table, "/"), none);
    EXPECT_EQ(mount_at(*table, "*"), none);
    EXPECT_EQ(mount_at(*table, "/shop\xff"), none);
    EXPECT_EQ(table->match("", "/shop/admin/x", get).base_size, 11u);
}

TEST(RouteTable, the_root_takes_what_is_left_and_strips_nothing) {
    TableBuilder builder;
    builder.add_mount({"", "/", 1, 9});
    builder.add_mount({"", "/a", 2, 0});
    auto table = build(builder);
    Match match = table->match("", "/b/c", get);
    EXPECT_EQ(match.mount, 1u);
    EXPECT_EQ(match.kind, 9);
    EXPECT_EQ(match.base_size, 0u);
    EXPECT_EQ(mount_at(*table, "/"), 1u);
    EXPECT_EQ(table->pass(table->match("", "/a/b", get)).mount, 1u);
}

TEST(RouteTable, hosts_beat_wildcards_beat_none_only_among_equal_bases) {
    TableBuilder builder;
    builder.add_mount({"", "/app", 1, 0});
    builder.add_mount({"*.example.com", "/app", 2, 0});
    builder.add_mount({"shop.example.com", "/app", 3, 0});
    builder.add_mount({"*.eu.example.com", "/app", 4, 0});
    builder.add_mount({"", "/app/deep", 5, 0});
    auto table = build(builder);
    EXPECT_EQ(mount_at(*table, "/app", "shop.example.com"), 3u);
    EXPECT_EQ(mount_at(*table, "/app", "shop.example.com."), 3u);
    EXPECT_EQ(mount_at(*table, "/app", "x.example.com"), 2u);
    EXPECT_EQ(mount_at(*table, "/app", "example.com"), 1u);
    EXPECT_EQ(mount_at(*table, "/app", "badexample.com"), 1u);
    EXPECT_EQ(mount_at(*table, "/app", ""), 1u);
    EXPECT_EQ(mount_at(*table, "/app/deep", "shop.example.com"), 5u);
    EXPECT_EQ(mount_at(*table, "/app", std::string(5000, 'a') + ".example.com"), 1u);
    Match match = table->match("a.b.eu.example.com", "/app", get);
    EXPECT_EQ(match.mount, 4u);
    EXPECT_EQ(match.tenant, "a.b");
    match = table->pass(match);
    EXPECT_EQ(match.mount, 2u);
    EXPECT_EQ(match.tenant, "a.b.eu");
    match = table->pass(match);
    EXPECT_EQ(match.mount, 1u);
    EXPECT_EQ(match.tenant, "");
    EXPECT_FALSE(table->pass(match).found());
}

TEST(RouteTable, versions_answer_the_highest_that_satisfies) {
    TableBuilder builder;
    uint32_t id = 0;
    for (const char* version : {"1.2.3", "1.4.0", "1.10.1", "2.0.0", "3.0.0-rc.1", "3.0.0-rc.2"}) {
        builder.add_app_version({"", "/app", version, ++id, 0});
    }
    builder.add_app_version({"", "/@team/site", "1.0.0", 10, 0});
    builder.add_app_version({"", "/@team/site", "latest", 11, 0});
    builder.add_app_version({"", "/beta", "1.0.0-beta.1", 12, 0});
    auto table = build(builder);
    const std::pair<const char*, uint32_t> rows[] = {
        {"/app", 4},
        {"/app/", 4},
        {"/app@latest/x", 4},
        {"/app@1", 3},
        {"/app@1.4", 2},
        {"/app@1.4/deep", 2},
        {"/app@%5E1", 3},
        {"/app@%5E1.2", 3},
        {"/app@%5E3", none},
        {"/app@~1.2", 1},
        {"/app@~1.4", 2},
        {"/app@1.2.3", 1},
        {"/app@1.2.4", none},
        {"/app@3.0.0-rc.1", 5},
        {"/app@%5E3.0.0-rc.0", 6},
        {"/app@3", none},
        {"/app@", none},
        {"/app@x", 4},
        {"/app@junk", none},
        {"/app1", none},
        {"/@team/site", 11},
        {"/@team/site@latest", 11},
        {"/@team/site@1", 10},
        {"/@team/site@%5E1/a", 10},
        {"/@team", none},
        {"/beta", none},
        {"/beta@latest", none},
        {"/beta@1.0.0-beta.1", 12},
        {"/app@1@2", none},
        {"/app%401", none},
    };
    for (auto [path, expected] : rows) EXPECT_EQ(mount_at(*table, path), expected) << path;
    EXPECT_EQ(table->match("", "/app@%5E1/x", get).base_size, 9u);
}

TEST(RouteTable, globs_as_the_documents_describe_them) {
    TableBuilder builder;
    for (const char* glob :
         {"/api/*", "/tree/**", "/q/a?c", "/mid/**/end", "/file/*.js", "/caf\xc3\xa9", "/exact"}) {
        builder.add_public({Origin::plugin, "", none, glob, get, 1});
    }
    auto table = build(builder);
    const std::pair<const char*, bool> rows[] = {
        {"/api/", true},      {"/api/x", true},     {"/api", false},
        {"/api/x/y", false},  {"/tree/", true},     {"/tree/a/b/c", true},
        {"/tree", false},     {"/treeX", false},    {"/q/abc", true},
        {"/q/a/c", false},    {"/q/ac", false},     {"/mid/x/y/end", true},
        {"/mid/end", false},  {"/mid//end", true},  {"/mid/x/ends", false},
        {"/file/.js", true},  {"/file/a.js", true}, {"/file/a/b.js", false},
        {"/caf%C3%A9", true}, {"/caf%c3%a9", true}, {"/exact", true},
        {"/exact/", false},   {"/Exact", false},    {"/exact%20", false},
        {"/", false},         {"", false},
    };
    for (auto [path, expected] : rows)
        EXPECT_EQ(table->match("", path, get).is_public, expected) << path;
    EXPECT_FALSE(table->match("", "/exact", post).is_public);
}

// The examples of the documents this gateway grew from: a plugin's globs are absolute, an app's
// relative.
TEST(RouteTable, public_routes_of_the_seed_documents) {
    TableBuilder builder;
    builder.add_mount({"", "/todos-kv", 1, 0});
    builder.add_mount({"", "/keyval", 2, 0});
    builder.add_public({Origin::app, "", 1, "/api/health", all, 10});
    builder.add_public({Origin::app, "", 1, "/api/public/**", all, 11});
    builder.add_public({Origin::app, "", 1, "/api/users/**", get, 12});
    builder.add_public({Origin::app, "", 1, "/api/webhook", post, 13});
    builder.add_public({Origin::plugin, "", none, "/api/*/info", all, 20});
    builder.add_public({Origin::plugin, "", none, "/keyval/api/**", get, 21});
    auto table = build(builder);
    struct Row {
        const char* path;
        uint16_t method;
        uint32_t source;
    };
    const Row rows[] = {
        {"/todos-kv/api/health", get, 10},      {"/api/health", get, none},
        {"/todos-kv/api/public/a/b", post, 11}, {"/todos-kv/api/users/1", get, 12},
        {"/todos-kv/api/users/1", post, none},  {"/todos-kv/api/webhook", post, 13},
        {"/todos-kv/api/webhook", get, none},   {"/api/users/info", get, 20},
        {"/api/a/b/info", get, none},           {"/api/users/123/posts", get, none},
        {"/keyval/api/x", get, 21},             {"/keyval/api/x", post, none},
    };
    for (const Row& row : rows) {
        Match match = table->match("", row.path, row.method);
        EXPECT_EQ(match.public_source, row.source) << row.path;
        EXPECT_EQ(match.is_public, row.source != none) << row.path;
    }
}

TEST(RouteTable, public_routes_of_plugins_go_before_those_of_apps) {
    TableBuilder builder;
    builder.add_mount({"", "/app", 1, 0});
    builder.add_public({Origin::app, "", 1, "/x*", all, 10});
    builder.add_public({Origin::plugin, "", none, "/app/*y", get, 20});
    auto table = build(builder);
    Match match = table->match("", "/app/xy", get);
    EXPECT_EQ(match.public_source, 20u);
    EXPECT_EQ(match.public_origin, Origin::plugin);
    match = table->match("", "/app/xy", post);
    EXPECT_EQ(match.public_source, 10u);
    EXPECT_EQ(match.public_origin, Origin::app);
}

TEST(RouteTable, an_apps_globs_count_only_where_it_wins_and_a_plugins_only_for_its_hosts) {
    TableBuilder builder;
    builder.add_mount({"", "/app", 1, 0});
    builder.add_mount({"", "/app/inner", 2, 0});
    builder.add_public({Origin::app, "", 1, "/**", get, 10});
    builder.add_public({Origin::plugin, "a.com", none, "/only", get, 20});
    auto table = build(builder);
    EXPECT_TRUE(table->match("", "/app/x", get).is_public);
    EXPECT_FALSE(table->match("", "/app/inner/x", get).is_public);
    Match passed = table->pass(table->match("", "/app/inner/x", get));
    EXPECT_EQ(passed.mount, 1u);
    EXPECT_FALSE(passed.is_public) << "passing on must not make a request public";
    EXPECT_TRUE(table->match("a.com", "/only", get).is_public);
    EXPECT_FALSE(table->match("b.com", "/only", get).is_public);
}

// --- Conflicts ---

[[nodiscard]] std::vector<Problem> problems_of(TableBuilder& builder) {
    BuildResult result = builder.build();
    bool error = false;
    for (const Problem& problem : result.problems)
        error = error || problem.severity == Severity::error;
    EXPECT_EQ(result.table == nullptr, error);
    return result.problems;
}

TEST(TableBuilder, refuses_two_mounts_at_one_place_and_names_both) {
    TableBuilder builder;
    builder.add_mount({"", "/a", 1, 0});
    builder.add_mount({"x.com", "/a", 2, 0});
    builder.add_mount({"X.com.", "/a", 3, 0});
    builder.add_app_version({"", "/a", "1.0.0", 4, 0});
    auto problems = problems_of(builder);
    ASSERT_EQ(problems.size(), 2u);
    EXPECT_EQ(problems[0].code, ProblemCode::same_base);
    EXPECT_EQ(problems[0].first, 2u);
    EXPECT_EQ(problems[0].second, 3u);
    EXPECT_EQ(problems[0].message, "base `/a` is mounted twice for host `x.com`");
    EXPECT_EQ(problems[1].first, 1u);
    EXPECT_EQ(problems[1].second, 4u);
}

TEST(TableBuilder, refuses_versions_that_collide) {
    TableBuilder builder;
    builder.add_app_version({"", "/a", "1.0.0", 1, 0});
    builder.add_app_version({"", "/a", "1.0.0+build", 2, 0});
    builder.add_app_version({"", "/b", "latest", 3, 0});
    builder.add_app_version({"", "/b", "latest", 4, 0});
    builder.add_app_version({"", "/c", "one", 5, 0});
    builder.add_app_version({"", "/d", "", 6, 0});
    builder.add_app_version({"", "/e", "1.0.0", 7, 0});
    builder.add_mount({"", "/e@1", 8, 0});
    builder.add_mount({"", "/e@2", 9, 0});
    auto problems = problems_of(builder);
    ASSERT_EQ(problems.size(), 5u);
    EXPECT_EQ(problems[0].code, ProblemCode::same_version);
    EXPECT_EQ(problems[0].first, 1u);
    EXPECT_EQ(problems[0].second, 2u);
    EXPECT_EQ(problems[1].code, ProblemCode::same_version);
    EXPECT_EQ(problems[2].code, ProblemCode::bad_version);
    EXPECT_EQ(problems[3].code, ProblemCode::bad_version);
    EXPECT_EQ(problems[4].code, ProblemCode::spelled_version);
    EXPECT_EQ(problems[4].first, 7u);
    EXPECT_EQ(problems[4].second, 8u);
}

TEST(TableBuilder, refuses_reserved_bases_at_any_host) {
    TableBuilder builder;
    for (const char* path : {"/api", "/health", "/.well-known/ringtime"}) builder.reserve(path);
    builder.add_mount({"", "/api", 1, 0});
    builder.add_mount({"a.com", "/api/v1", 2, 0});
    builder.add_mount({"", "/apis", 3, 0});
    builder.add_mount({"", "/.well-known", 4, 0});
    builder.add_app_version({"", "/health", "1.0.0", 5, 0});
    auto problems = problems_of(builder);
    ASSERT_EQ(problems.size(), 3u);
    for (const Problem& problem : problems) EXPECT_EQ(problem.code, ProblemCode::reserved);
    EXPECT_EQ(problems[1].message, "base `/api/v1` is at or under the reserved path `/api`");
}

TEST(TableBuilder, refuses_malformed_bases_hosts_and_globs) {
    for (const char* base : {"", "a", "/a/", "//", "/a//b", "/a/../b", "/.", "/a b", "/a%20",
                             "/a:b", "/\xc3\xa9", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"}) {
        TableBuilder builder;
        builder.add_mount({"", base, 1, 0});
        auto problems = problems_of(builder);
        ASSERT_EQ(problems.size(), 1u) << base;
        EXPECT_EQ(problems[0].code, ProblemCode::bad_base) << base;
    }
    for (const char* host : {"*", "*.", "a.*.com", "a..com", ".a.com", "a.com:80", "a b", "*.[::1]",
                             "h\xc3\xa9.com", "[", "[]", "[::1", "[\xd4.", "[::1]x", "[a]b]"}) {
        TableBuilder builder;
        builder.add_mount({host, "/", 1, 0});
        auto problems = problems_of(builder);
        ASSERT_EQ(problems.size(), 1u) << host;
        EXPECT_EQ(problems[0].code, ProblemCode::bad_host) << host;
    }
    for (const char* glob : {"", "a", "*", "**", "/a#b", "/a\\b", "/%", "/%2", "/%zz", "/%00",
                             "/a/../b", "/./a", "/%2e%2E/a", "/a\x01"}) {
        TableBuilder builder;
        builder.add_public({Origin::plugin, "", none, glob, get, 9});
        auto problems = problems_of(builder);
        ASSERT_EQ(problems.size(), 1u) << glob;
        EXPECT_EQ(problems[0].code, ProblemCode::bad_glob) << glob;
        EXPECT_EQ(problems[0].first, 9u);
    }
    TableBuilder builder;
    builder.add_public({Origin::app, "", 77, "/x", get, 9});
    EXPECT_EQ(problems_of(builder)[0].code, ProblemCode::unknown_mount);
    builder.add_mount({"", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16", 1, 0});
    builder.add_mount({"[::1]", "/", 2, 0});
    EXPECT_TRUE(problems_of(builder).empty());
}

TEST(TableBuilder, refuses_wildcards_nested_beyond_its_cap) {
    TableBuilder builder;
    std::string host = "com";
    for (uint32_t i = 0; i < 5; ++i) {
        builder.add_mount({"*." + host, "/", i, 0});
        host.insert(0, "x.");
    }
    builder.add_mount({host, "/", 9, 0});
    auto problems = problems_of(builder);
    ASSERT_EQ(problems.size(), 1u);
    EXPECT_EQ(problems[0].code, ProblemCode::hosts_nest_too_deep);
    EXPECT_EQ(problems[0].first, 9u);
}

TEST(TableBuilder, warns_of_public_routes_that_never_decide) {
    TableBuilder builder;
    builder.add_mount({"", "/app", 1, 0});
    builder.add_mount({"", "/app/inner", 2, 0});
    builder.add_public({Origin::app, "", 1, "/inner/**", get, 10});  // Another mount takes them.
    builder.add_public({Origin::app, "", 1, "/a/**", all, 11});
    builder.add_public({Origin::app, "", 1, "/a/b*", get, 12});     // Covered by the one before.
    builder.add_public({Origin::app, "", 1, "/open/x", get, 13});   // Covered by the plugin's.
    builder.add_public({Origin::app, "", 1, "/open/x", post, 14});  // With a method it has not.
    builder.add_public({Origin::app, "", 1, "/open/**", get, 15});  // Larger than the plugin's.
    builder.add_public({Origin::plugin, "", none, "/app/open/*", get, 20});
    auto problems = problems_of(builder);
    ASSERT_EQ(problems.size(), 3u);
    for (const Problem& problem : problems) {
        EXPECT_EQ(problem.severity, Severity::warning);
        EXPECT_EQ(problem.code, ProblemCode::shadowed_public);
    }
    EXPECT_EQ(problems[0].first, 12u);
    EXPECT_EQ(problems[1].first, 10u);
    EXPECT_EQ(problems[1].second, 2u);
    EXPECT_EQ(problems[1].second_is, Subject::mount);
    EXPECT_EQ(problems[2].first, 13u);
    EXPECT_EQ(problems[2].second, 20u);
    EXPECT_EQ(problems[2].second_is, Subject::public_route);
}

TEST(TableBuilder, globs_beyond_every_cap_are_an_error_that_names_them) {
    TableBuilder builder({.states = 200, .positions = 64});
    for (uint32_t i = 0; i < 10; ++i) {
        std::string mark = std::to_string(100 + i);
        builder.add_public({Origin::plugin, "", none, "/**/a" + mark + "/**/b" + mark, get, i});
    }
    auto problems = problems_of(builder);
    ASSERT_EQ(problems.size(), 1u);
    EXPECT_EQ(problems[0].code, ProblemCode::globs_too_complex);
    EXPECT_EQ(problems[0].first, 0u);
    EXPECT_EQ(problems[0].second, 9u);
}

TEST(TableBuilder, the_order_of_mounts_decides_nothing) {
    const char* bases[] = {"/", "/a", "/a/b", "/a/bc", "/ab", "/abc/d", "/abc"};
    for (int shift = 0; shift < 7; ++shift) {
        TableBuilder builder;
        for (uint32_t i = 0; i < 7; ++i)
            builder.add_mount({"", bases[(i + shift) % 7], (i + shift) % 7, 0});
        auto table = build(builder);
        for (uint32_t i = 0; i < 7; ++i) {
            std::string path = i == 0 ? "/zzz" : std::string(bases[i]) + "/x";
            EXPECT_EQ(mount_at(*table, path), i) << path;
        }
    }
}

}  // namespace
}  // namespace ringtime::route
