#include "runtime/api_request.h"

#include <gtest/gtest.h>

namespace ringtime::runtime {
namespace {

struct OriginRow {
    const char* origin;
    const char* host;
    bool same;
};

TEST(SameOrigin, compares_authorities_and_nothing_else) {
    const OriginRow rows[] = {
        {"http://example.com", "example.com", true},
        {"https://example.com", "example.com", true},
        {"https://EXAMPLE.com", "example.COM", true},
        {"http://example.com:8000", "example.com:8000", true},
        {"http://example.com:80", "example.com", true},
        {"http://example.com", "example.com:80", true},
        {"https://example.com:443", "example.com", true},
        {"http://[::1]:8000", "[::1]:8000", true},
        // Another site, a sub-domain, another port.
        {"http://evil.com", "example.com", false},
        {"http://sub.example.com", "example.com", false},
        {"http://example.com.evil.com", "example.com", false},
        {"http://example.com:8001", "example.com:8000", false},
        {"http://example.com:443", "example.com", false},
        {"https://example.com:80", "example.com", false},
        // What is no origin.
        {"", "example.com", false},
        {"null", "example.com", false},
        {"null", "null", false},
        {"example.com", "example.com", false},
        {"http://", "example.com", false},
        {"http://", "", false},
        {"file://", "", false},
        {"http://example.com/", "example.com", false},
        {"http://example.com@evil.com", "example.com", false},
        {"http://example.com http://evil.com", "example.com", false},
        {"ftp://example.com", "example.com", false},
    };
    for (const OriginRow& row : rows)
        EXPECT_EQ(same_origin(row.origin, row.host), row.same) << row.origin << " " << row.host;
}

TEST(BearerKey, takes_the_scheme_in_any_capitals) {
    EXPECT_EQ(bearer_key("Bearer rtk_1"), "rtk_1");
    EXPECT_EQ(bearer_key("bearer  rtk_1"), "rtk_1");
    EXPECT_EQ(bearer_key("Basic rtk_1"), "");
    EXPECT_EQ(bearer_key("Bearerrtk_1"), "");
    EXPECT_EQ(bearer_key("Bearer"), "");
    EXPECT_EQ(bearer_key(""), "");
}

TEST(PercentDecode, refuses_what_is_malformed) {
    EXPECT_EQ(percent_decode("a%2Fb+c", Plus::is_plus), "a/b+c");
    EXPECT_EQ(percent_decode("a+b%20c", Plus::is_space), "a b c");
    for (const char* text : {"%", "%1", "a%", "%zz", "%2x", "%00"})
        EXPECT_EQ(percent_decode(text, Plus::is_plus), std::nullopt) << text;
}

TEST(ParseQuery, keeps_order_and_decodes) {
    QueryValues expected{{"a", "1"}, {"b", "x y"}, {"c", ""}, {"", "d"}, {"a", "2"}};
    EXPECT_EQ(parse_query("a=1&&b=x+y&c&=d&a=2"), expected);
    EXPECT_EQ(parse_query(""), QueryValues{});
    EXPECT_EQ(parse_query("a=%"), std::nullopt);
    std::string many;
    for (int i = 0; i < 33; ++i) many += "a=1&";
    EXPECT_EQ(parse_query(many), std::nullopt);
}

TEST(MatchPattern, goes_by_segments) {
    std::vector<std::string_view> values;
    EXPECT_TRUE(match_pattern("/workers/{id}/restart", "/workers/12/restart", &values));
    EXPECT_EQ(values, std::vector<std::string_view>{"12"});
    EXPECT_TRUE(match_pattern("/keys", "/keys", nullptr));
    for (const char* path : {"/", "", "/keys/", "/keysx", "/key", "/keys/1", "keys"})
        EXPECT_FALSE(match_pattern("/keys", path, nullptr)) << path;
    for (const char* path : {"/workers//restart", "/workers/restart", "/workers/1/restart/",
                             "/workers/1/2/restart"})
        EXPECT_FALSE(match_pattern("/workers/{id}/restart", path, nullptr)) << path;
}

}  // namespace
}  // namespace ringtime::runtime
