// Explanations say what match() does, and name what was narrowly missed.

#include <gtest/gtest.h>

#include "methods.h"
#include "route/explain.h"
#include "route/table_builder.h"

namespace ringtime::route {
namespace {

[[nodiscard]] std::unique_ptr<const RouteTable> table() {
    TableBuilder builder;
    builder.add_mount({"", "/", 1, 7});
    builder.add_mount({"", "/shop", 2, 0});
    builder.add_mount({"", "/shop/admin", 3, 0});
    builder.add_mount({"a.com", "/shop", 4, 0});
    builder.add_mount({"*.b.com", "/tenant", 5, 0});
    builder.add_app_version({"", "/app", "1.2.3", 6, 0});
    builder.add_app_version({"", "/app", "2.0.0", 7, 0});
    builder.add_app_version({"", "/app", "3.0.0-rc.1", 8, 0});
    builder.add_app_version({"", "/next", "1.0.0-rc.1", 9, 0});
    builder.add_public({Origin::app, "", 2, "/api/*", get, 100});
    builder.add_public({Origin::app, "", 2, "/*/open", get, 101});
    builder.add_public({Origin::plugin, "", none, "/login/**", get, 102});
    BuildResult result = builder.build();
    for (const Problem& problem : result.problems) ADD_FAILURE() << problem.message;
    return std::move(result.table);
}

[[nodiscard]] const NearMiss* find_miss(const Explanation& explanation, NearMiss::Kind kind) {
    for (const NearMiss& miss : explanation.misses) {
        if (miss.kind == kind) return &miss;
    }
    return nullptr;
}

TEST(Explain, lists_candidates_in_the_order_in_which_they_are_asked) {
    auto routes = table();
    Explanation told = explain(*routes, "a.com", "/shop/admin/x", get);
    ASSERT_EQ(told.candidates.size(), 4u);
    EXPECT_EQ(told.candidates[0].mount, 3u);
    EXPECT_EQ(told.candidates[1].mount, 4u);
    EXPECT_EQ(told.candidates[1].host, "a.com");
    EXPECT_EQ(told.candidates[2].mount, 2u);
    EXPECT_EQ(told.candidates[2].why, "the same base for a less specific host");
    EXPECT_EQ(told.candidates[3].mount, 1u);
    EXPECT_EQ(told.candidates[3].kind, 7);
    EXPECT_EQ(told.verdict,
              "`/shop/admin` for any host wins: the longest base that takes the path");
    ASSERT_EQ(told.hosts.size(), 2u);
    EXPECT_EQ(told.hosts[0].pattern, "a.com");
    EXPECT_EQ(explain(*routes, "a.com", "/shop", get).verdict,
              "`/shop` for host `a.com` wins: of equal bases the more specific host's");
}

TEST(Explain, names_the_versions_and_the_tenant) {
    auto routes = table();
    Explanation told = explain(*routes, "x.b.com", "/app@%5E1/y", get);
    EXPECT_EQ(told.candidates[0].version, "1.2.3");
    EXPECT_EQ(told.candidates[0].spelled, "/app@%5E1");
    EXPECT_EQ(told.hosts[0].tenant, "x");
    told = explain(*routes, "", "/app@9/y", get);
    EXPECT_EQ(told.candidates[0].mount, 1u);
    const NearMiss* miss = find_miss(told, NearMiss::Kind::version);
    ASSERT_NE(miss, nullptr);
    EXPECT_EQ(miss->text, "`/app` has no version for `@9`: there is 1.2.3, 2.0.0, 3.0.0-rc.1");
    told = explain(*routes, "", "/next", get);
    miss = find_miss(told, NearMiss::Kind::version);
    ASSERT_NE(miss, nullptr);
    EXPECT_EQ(miss->text, "`/next` has no version for a release: there is 1.0.0-rc.1");
}

TEST(Explain, tells_near_misses_of_bases) {
    auto routes = table();
    Explanation told = explain(*routes, "", "/shopping/cart", get);
    const NearMiss* miss = find_miss(told, NearMiss::Kind::segment_boundary);
    ASSERT_NE(miss, nullptr);
    EXPECT_EQ(miss->text, "`/shopping` did not match `/shop`: not a segment boundary");
    told = explain(*routes, "", "/Shop/ADMIN/x", get);
    miss = find_miss(told, NearMiss::Kind::letter_case);
    ASSERT_NE(miss, nullptr);
    EXPECT_EQ(miss->text, "`/Shop/ADMIN` did not match `/shop/admin`: upper and lower case differ");
    told = explain(*routes, "b.com", "/tenant/x", get);
    miss = find_miss(told, NearMiss::Kind::other_host);
    ASSERT_NE(miss, nullptr);
    EXPECT_EQ(miss->text, "`/tenant` is mounted for host `*.b.com`, which `b.com` is not");
    EXPECT_EQ(miss->mount, 5u);
}

TEST(Explain, says_which_glob_decides_or_nearly_did) {
    auto routes = table();
    Explanation told = explain(*routes, "", "/shop/api/x", get);
    EXPECT_TRUE(told.match.is_public);
    EXPECT_EQ(told.public_glob, "/api/*");
    EXPECT_EQ(told.public_verdict, "public through `/api/*` of the app");
    EXPECT_EQ(explain(*routes, "", "/login/x", get).public_verdict,
              "public through `/login/**` of a plugin");
    told = explain(*routes, "", "/shop/api", get);
    const NearMiss* miss = find_miss(told, NearMiss::Kind::trailing_slash);
    ASSERT_NE(miss, nullptr);
    EXPECT_EQ(miss->text, "public route `/api/*` takes `/shop/api/`, not `/shop/api`");
    told = explain(*routes, "", "/shop/api/x", post);
    miss = find_miss(told, NearMiss::Kind::other_method);
    ASSERT_NE(miss, nullptr);
    EXPECT_EQ(miss->source, 100u);
    EXPECT_EQ(miss->methods, get);
    told = explain(*routes, "", "/shop/admin/open", get);
    miss = find_miss(told, NearMiss::Kind::other_mount);
    ASSERT_NE(miss, nullptr);
    EXPECT_EQ(miss->text,
              "public route `/*/open` of `/shop` does not count: `/shop/admin` takes the request");
}

TEST(Explain, walks_the_same_tree) {
    auto routes = table();
    Explanation told = explain(*routes, "", "/shop/admin", get);
    std::vector<std::string> taken;
    for (const WalkStep& step : told.steps) {
        if (step.outcome == WalkStep::Outcome::taken)
            taken.push_back(step.consumed + "=" + step.base);
    }
    EXPECT_EQ(taken, (std::vector<std::string>{"=/", "/shop=/shop", "/shop/admin=/shop/admin"}));
    ASSERT_EQ(told.ends.size(), 1u);
    EXPECT_EQ(told.ends[0], "`/shop/admin` is the whole path");
    EXPECT_EQ(explain(*routes, "", "/shopX", get).ends[0],
              "no base goes on with `X` behind `/shop`");
}

TEST(Explain, lists_every_mount) {
    auto rows = list_mounts(*table());
    ASSERT_EQ(rows.size(), 9u);
    EXPECT_EQ(rows[0].base, "/");
    EXPECT_EQ(rows[1].base, "/app");
    EXPECT_EQ(rows[1].version, "1.2.3");
    EXPECT_FALSE(rows[1].is_default);
    EXPECT_TRUE(rows[2].is_default);
    EXPECT_EQ(rows[8].host, "a.com");
}

}  // namespace
}  // namespace ringtime::route
