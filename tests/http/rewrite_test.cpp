// Answers of a server that does not know its base.

#include "http/rewrite.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ringtime::http {
namespace {

std::string text_of(const Rewritten& parts, std::string_view unchanged) {
    if (!parts.changed) return std::string(unchanged);
    return std::string(parts.before) + std::string(parts.base) + std::string(parts.after);
}

TEST(Rewrite, locations_come_to_lie_below_the_base) {
    struct Row {
        std::string_view from, to;
    };
    const std::vector<Row> rows = {
        {"/login", "/shop/login"},
        {"/", "/shop/"},
        {"/?a=/b", "/shop/?a=/b"},
        {"/shop", "/shop"},
        {"/shop/x", "/shop/x"},
        {"/shop?x", "/shop?x"},
        {"/shopping", "/shop/shopping"},
        {"/a#/shop", "/shop/a#/shop"},
        {"login", "login"},
        {"../x", "../x"},
        {"?page=2", "?page=2"},
        {"", ""},
        {"http://gateway.test/login", "http://gateway.test/shop/login"},
        {"HTTPS://Gateway.Test/login", "HTTPS://Gateway.Test/shop/login"},
        {"http://gateway.test", "http://gateway.test/shop"},
        {"http://gateway.test?x=1", "http://gateway.test/shop?x=1"},
        {"http://gateway.test/shop/login", "http://gateway.test/shop/login"},
        {"//gateway.test/login", "//gateway.test/shop/login"},
        {"http://10.0.0.1:3000/login?x#y", "/shop/login?x#y"},
        {"http://10.0.0.1:3000/shop/login", "/shop/login"},
        {"http://10.0.0.1:3000", "/shop"},
        {"http://10.0.0.1/login", "http://10.0.0.1/login"},
        {"https://elsewhere.test/login", "https://elsewhere.test/login"},
        {"//elsewhere.test/login", "//elsewhere.test/login"},
        {"http://gateway.test@evil.test/", "http://gateway.test@evil.test/"},
        {"ftp://gateway.test/", "ftp://gateway.test/"},
        {"http://", "http://"},
    };
    for (const Row& row : rows)
        EXPECT_EQ(text_of(rewrite_location(row.from, "/shop", "gateway.test", "10.0.0.1:3000"),
                          row.from),
                  row.to)
            << row.from;
}

TEST(Rewrite, cookie_paths_come_to_lie_below_the_base) {
    struct Row {
        std::string_view from, to;
    };
    const std::vector<Row> rows = {
        {"a=1", "a=1"},
        {"a=1; Path=/", "a=1; Path=/shop"},
        {"a=1; path=/x; HttpOnly", "a=1; path=/shop/x; HttpOnly"},
        {"a=1;Path = /x ;Secure", "a=1;Path = /shop/x ;Secure"},
        {"a=1; Path=/shop", "a=1; Path=/shop"},
        {"a=1; Path=/shop/x", "a=1; Path=/shop/x"},
        {"a=1; Path=/shopping", "a=1; Path=/shop/shopping"},
        {"a=1; Path=x", "a=1; Path=x"},
        {"a=1; Path=", "a=1; Path="},
        {"a=1; Path=/x; Path=/y", "a=1; Path=/x; Path=/shop/y"},
        {"path=/x", "path=/x"},
        {"a=1; XPath=/x", "a=1; XPath=/x"},
        {"", ""},
        {";", ";"},
    };
    for (const Row& row : rows)
        EXPECT_EQ(text_of(rewrite_cookie_path(row.from, "/shop"), row.from), row.to) << row.from;
}

TEST(Rewrite, a_cookie_is_found_by_its_whole_name) {
    EXPECT_EQ(find_cookie("a=1; route=x; b=2", "route"), "x");
    EXPECT_EQ(find_cookie("route=", "route"), "");
    EXPECT_NE(find_cookie("route=", "route").data(), nullptr);
    EXPECT_EQ(find_cookie("xroute=1; routex=2; route", "route").data(), nullptr);
    EXPECT_EQ(find_cookie("Route=1", "route").data(), nullptr);
    EXPECT_EQ(find_cookie(" ;; route=a=b;", "route"), "a=b");
    EXPECT_EQ(find_cookie("", "route").data(), nullptr);
}

}  // namespace
}  // namespace ringtime::http
