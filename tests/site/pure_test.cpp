// The decisions of a site as tables, without files.

#include <random>

#include "fixture.h"
#include "site/caching.h"
#include "site/inject.h"
#include "site/mime.h"
#include "site/negotiate.h"
#include "site/path.h"
#include "site/range.h"
#include "site/validators.h"

namespace ringtime::site {
namespace {

TEST(SitePath, decodes_or_says_why_not) {
    struct Row {
        std::string path;
        PathVerdict verdict;
        std::string text;
    };
    const Row rows[] = {
        {"/", PathVerdict::ok, ""},
        {"/a/b.txt", PathVerdict::ok, "a/b.txt"},
        {"/a/", PathVerdict::ok, "a/"},
        {"/%61%2f", PathVerdict::refused, ""},
        {"/%5C", PathVerdict::ok, "\\"},
        {"/a%252e", PathVerdict::ok, "a%2e"},
        {"/%252e%252e/x", PathVerdict::ok, "%2e%2e/x"},
        {"", PathVerdict::malformed, ""},
        {"a", PathVerdict::malformed, ""},
        {"/%", PathVerdict::malformed, ""},
        {"/%2", PathVerdict::malformed, ""},
        {"/%g0", PathVerdict::malformed, ""},
        {"/%0g", PathVerdict::malformed, ""},
        {"/%00", PathVerdict::malformed, ""},
        {std::string("/a\0b", 4), PathVerdict::malformed, ""},
        {"//a", PathVerdict::missing, ""},
        {"/a//", PathVerdict::missing, ""},
        {"/a//.x", PathVerdict::refused, ""},
        {"/.", PathVerdict::refused, ""},
        {"/..", PathVerdict::refused, ""},
        {"/...", PathVerdict::refused, ""},
        {"/a/.b", PathVerdict::refused, ""},
        {"/.well-known/x", PathVerdict::ok, ".well-known/x"},
        {"/.well-known", PathVerdict::ok, ".well-known"},
        {"/.well-knownx", PathVerdict::refused, ""},
        {"/a/.well-known", PathVerdict::refused, ""},
        {"/" + std::string(255, 'n'), PathVerdict::ok, std::string(255, 'n')},
        {"/" + std::string(256, 'n'), PathVerdict::missing, ""},
        {"/%41" + std::string(5000, 'n'), PathVerdict::missing, ""},
    };
    for (const Row& row : rows) {
        char out[limits::path_bytes_max];
        DecodedPath decoded = decode_path(row.path, out);
        EXPECT_EQ(decoded.verdict, row.verdict) << row.path;
        if (row.verdict == PathVerdict::ok) { EXPECT_EQ(decoded.text, row.text); }
    }
}

TEST(SitePath, finds_the_extension) {
    EXPECT_EQ(extension_of("/a.b/c"), "");
    EXPECT_EQ(extension_of("/a.b/c.tar.gz"), "gz");
    EXPECT_EQ(extension_of("/.env"), "");
    EXPECT_EQ(extension_of("/a/"), "");
}

/// What RFC 9110 §14 asks for, byte by byte.
std::vector<bool> covered(const std::vector<std::pair<int, int>>& specs, int size) {
    std::vector<bool> bytes(static_cast<size_t>(size));
    for (auto [first, last] : specs) {
        int from = first < 0 ? std::max(0, size - last) : first;
        int to = first < 0 ? size - 1 : (last < 0 ? size - 1 : std::min(last, size - 1));
        if (first < 0 && last == 0) continue;
        for (int i = from; i <= to; ++i) bytes[static_cast<size_t>(i)] = true;
    }
    return bytes;
}

TEST(SiteRange, equals_a_simple_reference) {
    std::mt19937 random(11);
    auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    for (int round = 0; round < 20000; ++round) {
        int size = 1 + below(40);
        std::vector<std::pair<int, int>> specs;
        std::string text = "bytes=";
        int count = 1 + below(static_cast<int>(limits::ranges_max));
        for (int i = 0; i < count; ++i) {
            int first = below(4) ? below(50) : -1;
            int last = first < 0 ? below(50) : (below(4) ? first + below(20) : -1);
            specs.emplace_back(first, last);
            text += (i ? "," : "") + (first < 0 ? "" : std::to_string(first)) + "-" +
                    (last < 0 ? "" : std::to_string(last));
        }
        RangeSet set = resolve_ranges(text, static_cast<uint64_t>(size));
        std::vector<bool> wanted = covered(specs, size);
        std::vector<bool> got(wanted.size());
        bool any = std::find(wanted.begin(), wanted.end(), true) != wanted.end();
        ASSERT_EQ(set.kind, any ? RangeSet::Kind::partial : RangeSet::Kind::unsatisfiable) << text;
        for (unsigned i = 0; i < set.count; ++i) {
            ASSERT_LE(set.items[i].first, set.items[i].last);
            for (uint64_t at = set.items[i].first; at <= set.items[i].last; ++at) {
                ASSERT_FALSE(got.at(at)) << text << " twice";
                got[at] = true;
            }
            for (unsigned j = 0; j < i; ++j) ASSERT_NE(set.items[j].last + 1, set.items[i].first);
        }
        ASSERT_EQ(got, wanted) << text << " of " << size;
    }
}

TEST(SiteRange, keeps_order_and_bounds_abuse) {
    RangeSet set = resolve_ranges("bytes=8-9,0-1,4-5,9-9", 10);
    ASSERT_EQ(set.count, 3U);
    EXPECT_EQ(set.items[0], (ByteRange{8, 9}));
    EXPECT_EQ(set.items[1], (ByteRange{0, 1}));
    EXPECT_EQ(set.items[2], (ByteRange{4, 5}));
    std::string many = "bytes=0-0";
    for (int i = 1; i < 16; ++i) many += "," + std::to_string(i * 2) + "-" + std::to_string(i * 2);
    EXPECT_EQ(resolve_ranges(many, 100).count, 16U);
    EXPECT_EQ(resolve_ranges(many + ",50-51", 100).kind, RangeSet::Kind::whole);
    EXPECT_EQ(resolve_ranges("bytes=-18446744073709551616", 5).items[0], (ByteRange{0, 4}));
    EXPECT_EQ(resolve_ranges("bytes=0-18446744073709551615", UINT64_MAX).items[0],
              (ByteRange{0, UINT64_MAX - 1}));
    for (const char* text : {"", "bytes", "bytes=-", "bytes=1", "bytes=1-2;3", "bytes=+1-2",
                             "bytes=1 -2", "bytes=1-2,x", "items=1-2", "bytes=-1-2"})
        EXPECT_EQ(resolve_ranges(text, 10).kind, RangeSet::Kind::whole) << text;
}

TEST(SiteNegotiate, weighs_codings) {
    constexpr auto all = static_cast<CodingSet>(0xf);
    auto choose = [&](const std::vector<Fields::Line>& lines, CodingSet available) {
        return AcceptedCodings(Fields(lines).draft()).best_of(available);
    };
    EXPECT_EQ(choose({}, all), Coding::identity);
    EXPECT_EQ(choose({{"accept-encoding", ""}}, all), Coding::identity);
    EXPECT_EQ(choose({{"accept-encoding", "gzip, zstd, br"}}, all), Coding::br);
    EXPECT_EQ(choose({{"accept-encoding", "gzip, zstd"}}, all), Coding::zstd);
    EXPECT_EQ(choose({{"accept-encoding", "gzip"}, {"accept-encoding", "br"}}, all), Coding::br);
    EXPECT_EQ(choose({{"accept-encoding", "br;q=0.2, gzip;q=0.3"}}, all), Coding::gzip);
    EXPECT_EQ(choose({{"accept-encoding", "identity;q=0, *;q=0"}}, all), Coding::identity);
    EXPECT_EQ(choose({{"accept-encoding", "br"}}, coding_bit(Coding::identity)), Coding::identity);
    EXPECT_EQ(choose({{"accept-encoding", "x, gzip;q=nan"}}, all), Coding::identity);
}

TEST(SiteMime, knows_the_web) {
    EXPECT_EQ(media_type("html"), "text/html");
    EXPECT_EQ(media_type("JS"), "text/javascript");
    EXPECT_EQ(media_type("mjs"), "text/javascript");
    EXPECT_EQ(media_type("wasm"), "application/wasm");
    EXPECT_EQ(media_type("woff2"), "font/woff2");
    EXPECT_EQ(media_type("webmanifest"), "application/manifest+json");
    EXPECT_EQ(media_type("map"), "application/json");
    EXPECT_EQ(media_type("7"), "");
    EXPECT_EQ(media_type(""), "");
    EXPECT_EQ(media_type(std::string(500, 'x')), "");
    EXPECT_TRUE(may_have_codings("image/svg+xml"));
    EXPECT_FALSE(may_have_codings("image/png"));
}

TEST(SiteCaching, recognises_hashes_in_names) {
    for (const char* name :
         {"assets/index-BfI3k2Qz.js", "assets/index-DiwrgTda.css", "main.8e0d62a3.js",
          "static/js/2.8e0d62a3.chunk.js", "chunk-5LDMYUUN.js", "a-B3-_x9Qk.js",
          "main.0a1b2c3d4e5f60718293.css", "main.8e0d62a3.js.map"})
        EXPECT_TRUE(has_hashed_name(name)) << name;
    for (const char* name :
         {"index.html", "jquery-3.6.0.min.js", "bootstrap-20230101.js", "IMG_12345678.jpg",
          "photo-DSC00123.jpg", "some-Document.pdf", "service-worker.js", "favicon.ico",
          "deadbeef.js", "site-facade.css", "8e0d62a3", "report-2023-01.pdf", "a-document.js",
          "x.deadbeef.js", "lib-JavaScript.js"})
        EXPECT_FALSE(has_hashed_name(name)) << name;
}

TEST(SiteCaching, matches_globs) {
    struct Row {
        const char* glob;
        const char* path;
        bool matches;
    };
    const Row rows[] = {
        {"/a/*", "/a/b", true},      {"/a/*", "/a/", true},        {"/a/*", "/a/b/c", false},
        {"/a/**", "/a/b/c", true},   {"/a/**", "/a", false},       {"/*.js", "/x.js", true},
        {"/*.js", "/x/y.js", false}, {"/**.js", "/x/y.js", true},  {"/?", "/a", true},
        {"/?", "//", false},         {"/**/x", "/a/b/x", true},    {"", "", true},
        {"", "/", false},            {"/a*b*c", "/aXbYbZc", true}, {"/a", "/A", false},
    };
    for (const Row& row : rows)
        EXPECT_EQ(glob_matches(row.glob, row.path), row.matches) << row.glob;
    std::string stars;
    for (int i = 0; i < 100; ++i) stars += "*a";
    EXPECT_FALSE(glob_matches(stars, std::string(1000, 'a') + "b"));
}

TEST(SiteInject, finds_the_place) {
    struct Row {
        const char* before;
        const char* behind;
    };
    const Row rows[] = {
        {"<!doctype html><html><head>", "<title>x</title>"},
        {"<HTML>\n<HeAd class='a>b'>", "</HEAD>"},
        {"<head\n>", "<base href='/old'>"},
        {"<!-- <head> --><html><head>", ""},
        {"<html>", "<header></header><head>"},
        {"<!doctype html>", "<title>no head</title>"},
        {"\xef\xbb\xbf", "<p>"},
        {"", "plain text"},
        {"", ""},
        {"", "<head"},
        {"", "<headline>"},
        {"<head/>", "x"},
        {"", "<!-- never closed <head>"},
        {"<html a=\"<head>\">", "<body>"},
        {"<!--><html><head>", "x"},
        {"<!---><head>", "x"},
        {"<!--!> <head> --><head>", "x"},
        {"<!-- --!><head>", "x"},
        {"<?xml version=\"1.0\"?><html lang=it's><HEAD>", "x"},
        {"<html lang = 'a>b' x>", "<script>'<head>'</script><head>"},
        {"", "<script>document.write('<head>')</script><head>"},
        {"<html><head>", "<script>'<head>'</script>"},
        {"", "<html lang='open"},
    };
    for (const Row& row : rows) {
        std::string html = std::string(row.before) + row.behind;
        EXPECT_EQ(injection_point(html), std::string(row.before).size()) << html;
    }
}

TEST(SiteInject, escapes_for_its_place) {
    EXPECT_EQ(injection_of({}, ""), "");
    EXPECT_EQ(injection_of("/", ""), "<base href=\"/\">");
    EXPECT_EQ(injection_of("/a&\"<", ""), "<base href=\"/a&amp;&quot;&lt;/\">");
    EXPECT_EQ(injection_of({}, "{\"a\":\"</script>\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\"}"),
              "<script>window.__env__={\"a\":\"\\u003c/script>\\u2028\\u2029\xe2\x80\"};</script>");
}

TEST(SiteValidators, compares_tags) {
    EXPECT_TRUE(list_holds("\"a\"", "\"a\"", Comparison::strong));
    EXPECT_FALSE(list_holds("W/\"a\"", "\"a\"", Comparison::strong));
    EXPECT_TRUE(list_holds("W/\"a\"", "\"a\"", Comparison::weak));
    EXPECT_TRUE(list_holds(" , \"b,c\" ,W/\"a\"", "\"a\"", Comparison::weak));
    EXPECT_TRUE(list_holds("*", "\"a\"", Comparison::strong));
    EXPECT_FALSE(list_holds("a", "\"a\"", Comparison::weak));
    EXPECT_FALSE(list_holds("\"a", "\"a\"", Comparison::weak));
    EXPECT_FALSE(list_holds("\"b\" x \"a\"", "\"a\"", Comparison::weak));
    EXPECT_FALSE(list_holds("", "\"a\"", Comparison::weak));
}

TEST(SiteHash, tells_apart) {
    EXPECT_NE(hash_bytes("", 0), hash_bytes(std::string(1, '\0'), 0));
    EXPECT_NE(hash_bytes(std::string(16, '\0'), 0), hash_bytes(std::string(32, '\0'), 0));
    EXPECT_NE(hash_bytes("a", 0), hash_bytes("a", 1));
    std::string bytes(100, 'x');
    uint64_t before = hash_bytes(bytes, 0);
    for (char& c : bytes) {
        c ^= 1;
        EXPECT_NE(hash_bytes(bytes, 0), before);
        c ^= 1;
    }
}

}  // namespace
}  // namespace ringtime::site
