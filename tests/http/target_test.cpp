// One path for everybody, and one host.

#include <gtest/gtest.h>

#include <string>

#include "feed.h"
#include "http/target.h"
#include "reference_parser.h"

namespace ringtime::http {
namespace {

using namespace std::string_view_literals;

/// "canonical forwarded" or the rule that was broken; from memory of exactly the sizes needed.
std::string canonical(std::string_view path) {
    std::string first;
    for (const ScanPath* scan : scan_paths()) {
        Exact text(path);
        std::string storage(canonical_storage({text.data(), text.size()}, *scan), '\0');
        auto result =
            canonicalise({text.data(), text.size()}, storage.data(), storage.size(), *scan);
        std::string shown = result.ok() ? std::string(result->canonical) + " " +
                                              std::string(result->forwarded)
                                        : std::string(describe(refusal_of(result.error())).name);
        if (first.empty()) first = shown;
        EXPECT_EQ(shown, first) << scan->name;
    }
    return first;
}

TEST(CanonicalPath, leaves_alone_what_is_canonical) {
    for (std::string_view path : {"/",
                                  "/a",
                                  "/a/b.c/d-e_f~g",
                                  "//",
                                  "/a//b/",
                                  "/...",
                                  "/a..b",
                                  "/a./b",
                                  "/a;b=c;d/e,f",
                                  "/!$&'()*+,;=:@",
                                  "/[slug]/[[...rest]]",
                                  "/a%20b",
                                  "/a%2fb%2Fc",
                                  "/%c3%a9",
                                  "/a%3bb",
                                  "/.well-known/acme",
                                  "/%25",
                                  "/a%5cb",
                                  "/x/%3F%23",
                                  "/0123456789012345678901234567890123456789/abcdef.g"}) {
        EXPECT_EQ(canonical(path), std::string(path) + " " + std::string(path));
    }
    std::string storage;
    std::string_view plain = "/plain/path";
    auto result = canonicalise(plain, nullptr, 0);
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->canonical.data(), plain.data());
    EXPECT_EQ(result->forwarded.data(), plain.data());
    EXPECT_EQ(canonical_storage(plain), 0u);
}

TEST(CanonicalPath, decodes_the_unreserved_for_readers_and_forwards_what_came) {
    EXPECT_EQ(canonical("/%61%2d%7E%5f"), "/a-~_ /%61%2d%7E%5f");
    EXPECT_EQ(canonical("/%41%2f%2e%2e%2e"), "/A%2f... /%41%2f%2e%2e%2e");
    EXPECT_EQ(canonical("/a\"b<c>d^e`f{g|h}"), "/a%22b%3Cc%3Ed%5Ee%60f%7Bg%7Ch%7D "
                                               "/a%22b%3Cc%3Ed%5Ee%60f%7Bg%7Ch%7D");
    EXPECT_EQ(canonical("/@^1/%61"), "/@%5E1/a /@%5E1/%61");
}

TEST(CanonicalPath, resolves_dot_segments_in_both_forms) {
    struct {
        const char* path;
        const char* both;
    } rows[] = {
        {"/.", "/ /"},
        {"/./", "/ /"},
        {"/a/.", "/a/ /a/"},
        {"/a/..", "/ /"},
        {"/a/../", "/ /"},
        {"/a/b/../c", "/a/c /a/c"},
        {"/a/./b/./c", "/a/b/c /a/b/c"},
        {"/a//../b", "/a/b /a/b"},
        {"/a/b/c/../../d", "/a/d /a/d"},
        {"/%2e/a", "/a /a"},
        {"/a/%2E%2e/b", "/b /b"},
        {"/a/.%2e/%62", "/b /%62"},
        {"/%61/x/../%62", "/a/b /%61/%62"},
        {"/a%2fb/../c", "/c /c"},
        {"/a;x/../b", "/b /b"},
        {"/a/b/..", "/a/ /a/"},
    };
    for (auto& row : rows) EXPECT_EQ(canonical(row.path), row.both) << row.path;
}

TEST(CanonicalPath, refuses_what_readers_would_disagree_about) {
    struct {
        std::string_view path;
        std::string_view rule;
    } rows[] = {
        {"", "path_form"},
        {"a", "path_form"},
        {"*", "path_form"},
        {"/%", "path_escape_malformed"},
        {"/%4", "path_escape_malformed"},
        {"/%4g", "path_escape_malformed"},
        {"/%/a", "path_escape_malformed"},
        {"/%u0041", "path_escape_malformed"},
        {"/a%00b", "path_nul"},
        {"/a\\b", "path_backslash"},
        {"/..\\x", "path_backslash"},
        {"/..", "path_above_root"},
        {"/../a", "path_above_root"},
        {"/a/../..", "path_above_root"},
        {"/./../a", "path_above_root"},
        {"/%2e%2e/a", "path_above_root"},
        {"/%252e%252e/a", "path_hidden_dots"},
        {"/a/%252e", "path_hidden_dots"},
        {"/a/..%2fb", "path_hidden_dots"},
        {"/a%2f..", "path_hidden_dots"},
        {"/a%2f%2e%2e%2fb", "path_hidden_dots"},
        {"/a/..%5cb", "path_hidden_dots"},
        {"/a%5c..", "path_hidden_dots"},
        {"/a/..;/b", "path_hidden_dots"},
        {"/a/..;x=1/b", "path_hidden_dots"},
        {"/a/.;/b", "path_hidden_dots"},
        {"/a/..%3bx/b", "path_hidden_dots"},
        {"/a/%2e%2e;/b", "path_hidden_dots"},
        {"/a/%252e%2e;x%5c", "path_hidden_dots"},
        {"/a?b", "path_byte"},
        {"/a b", "path_byte"},
        {"/a\x7f", "path_byte"},
        {"/a\xc3\xa9", "path_byte"},
        {"/a\0"sv, "path_byte"},
    };
    for (auto& row : rows) EXPECT_EQ(canonical(row.path), row.rule) << row.path;
}

TEST(CanonicalPath, agrees_with_the_reference_on_all_short_paths) {
    // Every string of up to six pieces of what matters.
    const std::string_view pieces[] = {"/", ".", "%2e", "%2f", "%5c", ";", "a", "%61", "%25", "^"};
    std::string path;
    unsigned refused = 0;
    unsigned accepted = 0;
    for (unsigned number = 0; number < 1'000'000; number += 23) {
        path = "/";
        for (unsigned rest = number; rest != 0; rest /= 10) path += pieces[rest % 10];
        char storage[256];
        auto result = canonicalise(path, storage, sizeof storage);
        auto expected = reference::path(path);
        ASSERT_EQ(result.ok(), expected.has_value()) << path;
        (result.ok() ? accepted : refused) += 1;
        if (!expected) continue;
        ASSERT_EQ(result->canonical, expected->first) << path;
        ASSERT_EQ(result->forwarded, expected->second) << path;
    }
    EXPECT_GT(refused, 2'000u);
    EXPECT_GT(accepted, 2'000u);
}

TEST(CanonicalPath, asks_for_enough_storage_and_never_takes_more) {
    std::string path = "/" + std::string(50, '{') + "/..";
    size_t needed = canonical_storage(path);
    for (size_t size = 0; size < needed; size += 7) {
        std::string storage(size, 'x');
        auto result = canonicalise(path, storage.data(), size);
        EXPECT_EQ(refusal_of(result.error()), Refusal::path_too_long);
    }
    EXPECT_EQ(describe(refuse(Refusal::path_too_long).reason).status, 414);
}

TEST(StripBase, leaves_one_leading_slash) {
    EXPECT_EQ(strip_base("/shop/x", 5), "/x");
    EXPECT_EQ(strip_base("/shop", 5), "/");
    EXPECT_EQ(strip_base("/shop/", 5), "/");
    EXPECT_EQ(strip_base("/shop//x", 5), "//x");
    EXPECT_EQ(strip_base("/shop////", 5), "////");
    EXPECT_EQ(strip_base("//evil.com", 1), "//evil.com");
    EXPECT_EQ(strip_base("/a", 0), "/a");
}

TEST(StripBase, counts_escapes_of_the_base_as_what_they_mean) {
    EXPECT_EQ(strip_base_forwarded("/%73h%6Fp//%78", 5), "//%78");
    EXPECT_EQ(strip_base_forwarded("/shop", 5), "/");
    EXPECT_EQ(strip_base_forwarded("/app@%5E1/x", 9), "/x");
    EXPECT_EQ(strip_base_forwarded("/%61", 2), "/");
}

std::string host(std::string_view authority) {
    char storage[256];
    auto result = canonical_host(authority, storage, sizeof storage);
    if (!result.ok()) return "refused";
    return std::string(result->name) + " " + std::to_string(result->port) +
           (result->ip_literal ? " literal" : "");
}

TEST(CanonicalHost, is_lower_case_without_port_and_final_dot) {
    EXPECT_EQ(host("Example.COM:8080"), "example.com 8080");
    EXPECT_EQ(host("example.com."), "example.com 0");
    EXPECT_EQ(host("EXAMPLE.com.:443"), "example.com 443");
    EXPECT_EQ(host("h:"), "h 0");
    EXPECT_EQ(host("[2001:DB8::1]:1"), "[2001:db8::1] 1 literal");
    EXPECT_EQ(host("127.0.0.1"), "127.0.0.1 0");
    EXPECT_EQ(host(""), " 0");
    EXPECT_EQ(host("."), "refused");
    EXPECT_EQ(host("a.."), "refused");
    EXPECT_EQ(host("a b"), "refused");
    std::string_view plain = "h.example";
    EXPECT_EQ(canonical_host(plain, nullptr, 0)->name.data(), plain.data());
    EXPECT_FALSE(canonical_host("H", nullptr, 0).ok());
}

}  // namespace
}  // namespace ringtime::http
