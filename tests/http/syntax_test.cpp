// The small grammars: names, tokens, lists, numbers, dates.

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "feed.h"
#include "http/date.h"
#include "http/fields.h"
#include "http/head.h"
#include "http/syntax.h"

namespace ringtime::http {
namespace {

TEST(FieldNames, every_known_name_interns_in_any_case_and_nothing_else_does) {
    for (unsigned i = 1; i < static_cast<unsigned>(FieldId::count_); ++i) {
        auto id = static_cast<FieldId>(i);
        std::string name(field_name(id));
        ASSERT_FALSE(name.empty());
        std::string upper = name;
        for (char& c : upper) c = static_cast<char>(std::toupper(c));
        EXPECT_EQ(intern(name), id);
        EXPECT_EQ(intern(upper), id);
        // Any other byte anywhere, shorter and longer.
        for (size_t at = 0; at < name.size(); ++at) {
            for (int byte = 0; byte < 256; ++byte) {
                std::string other = name;
                other[at] = static_cast<char>(byte);
                Exact exact(other);
                FieldId found = intern({exact.data(), exact.size()});
                bool same = equal_ignoring_case(other, name);
                EXPECT_EQ(found == id, same) << other;
                if (found != FieldId::other) {
                    EXPECT_TRUE(equal_ignoring_case(other, field_name(found)));
                }
            }
        }
        EXPECT_EQ(intern(name + "x"), FieldId::other);
        EXPECT_NE(intern(name.substr(1)), id);
    }
    EXPECT_EQ(intern(""), FieldId::other);
    EXPECT_EQ(field_name(FieldId::other), "");
}

TEST(FieldTable, finds_by_id_and_by_name_and_keeps_order) {
    std::string text = "HTTP/1.1 200 OK\r\nX: 1\r\nSet-Cookie: a\r\nx: 2\r\nset-cookie: b\r\n\r\n";
    ResponseHead head;
    ResponseParser parser;
    ASSERT_TRUE(parser.parse(text.data(), text.size(), head).complete());
    const FieldTable& fields = head.fields;
    const Field* cookie = fields.find(FieldId::set_cookie);
    ASSERT_NE(cookie, nullptr);
    EXPECT_EQ(fields.value(*cookie), "a");
    cookie = fields.next(*cookie);
    ASSERT_NE(cookie, nullptr);
    EXPECT_EQ(fields.value(*cookie), "b");
    EXPECT_EQ(fields.next(*cookie), nullptr);
    EXPECT_EQ(fields.value(*fields.find("X")), "1");
    EXPECT_EQ(fields.find("SET-COOKIE"), fields.find(FieldId::set_cookie));
    EXPECT_EQ(fields.find("y"), nullptr);
    EXPECT_EQ(fields.get(FieldId::host).data(), nullptr);
}

TEST(Methods, are_case_sensitive) {
    for (unsigned i = 1; i <= static_cast<unsigned>(Method::trace); ++i) {
        auto method = static_cast<Method>(i);
        std::string name(method_name(method));
        EXPECT_EQ(intern_method(name), method);
        EXPECT_EQ(intern_method(name + "X"), Method::other);
        name[0] = static_cast<char>(name[0] | 0x20);
        EXPECT_EQ(intern_method(name), Method::other);
    }
    EXPECT_EQ(intern_method(""), Method::other);
    EXPECT_TRUE(is_idempotent(Method::put));
    EXPECT_FALSE(is_idempotent(Method::post));
    EXPECT_FALSE(is_idempotent(Method::other));
}

TEST(Refusals, each_has_a_name_of_its_own_and_a_source) {
    std::set<std::string_view> names;
    for (unsigned i = 1; i < static_cast<unsigned>(Refusal::count_); ++i) {
        const RefusalInfo& info = describe(static_cast<Refusal>(i));
        EXPECT_TRUE(names.insert(info.name).second) << info.name;
        bool sourced = info.rule.find("RFC ") != std::string_view::npos ||
                       info.rule.find("CVE-") != std::string_view::npos;
        EXPECT_TRUE(sourced) << info.name;
        EXPECT_GE(describe(info.reason).status, 400) << info.name;
        EXPECT_EQ(refusal_of(refuse(static_cast<Refusal>(i))), static_cast<Refusal>(i));
    }
    EXPECT_EQ(describe(static_cast<Refusal>(250)).name, "none");
}

TEST(EqualIgnoringCase, folds_letters_only) {
    EXPECT_TRUE(equal_ignoring_case("aZ-09", "Az-09"));
    EXPECT_FALSE(equal_ignoring_case("[", "{"));
    EXPECT_FALSE(equal_ignoring_case("@", "`"));
    EXPECT_FALSE(equal_ignoring_case("\r", "-"));
    EXPECT_FALSE(equal_ignoring_case("a", "ab"));
}

TEST(Lists, yield_trimmed_elements_without_empty_ones) {
    ListElements list(" a ,, b c\t,\"d,");
    std::string shown;
    for (std::string_view element; list.next(element);) shown += "[" + std::string(element) + "]";
    EXPECT_EQ(shown, "[a][b c][\"d]");
}

TEST(Quality, follows_weights_and_the_wildcard) {
    EXPECT_EQ(quality_of("gzip, br;q=0.5, *;q=0.1", "gzip"), 1000u);
    EXPECT_EQ(quality_of("gzip, br;q=0.5, *;q=0.1", "br"), 500u);
    EXPECT_EQ(quality_of("gzip, br;q=0.5, *;q=0.1", "zstd"), 100u);
    EXPECT_EQ(quality_of("gzip", "br"), 0u);
    EXPECT_EQ(quality_of("*;q=0, GZIP ; x=y ; Q=0.123", "gzip"), 123u);
    for (const char* weight : {"", "2", "1.001", "0.1234", "x", "0,5", ".5", "-1"}) {
        EXPECT_EQ(quality_of("br;q=" + std::string(weight), "br"), 0u) << weight;
    }
}

TEST(RequestId, is_a_sane_token) {
    EXPECT_TRUE(valid_request_id("0123abcd-EF_.~+/=@:"));
    EXPECT_FALSE(valid_request_id("short"));
    EXPECT_FALSE(valid_request_id(std::string(129, 'a')));
    EXPECT_FALSE(valid_request_id("12345678 "));
    EXPECT_FALSE(valid_request_id("12345678\r\n"));
    EXPECT_FALSE(valid_request_id("12345678\"'<>"));
}

TEST(ContentLength, is_digits_below_two_to_the_63rd) {
    uint64_t value = 7;
    EXPECT_EQ(parse_content_length("9223372036854775807", value), LengthText::valid);
    EXPECT_EQ(value, static_cast<uint64_t>(INT64_MAX));
    EXPECT_EQ(parse_content_length("9223372036854775808", value), LengthText::overflow);
    EXPECT_EQ(parse_content_length("", value), LengthText::invalid);
    EXPECT_EQ(parse_content_length("1a", value), LengthText::invalid);
    EXPECT_EQ(value, static_cast<uint64_t>(INT64_MAX));
}

TEST(Scan, both_paths_find_the_same_in_every_byte_and_place) {
    const ScanPath* fast = avx2_scan();
    if (!fast) GTEST_SKIP() << "this machine has no AVX2";
    const ScanPath& slow = portable_scan();
    for (int byte = 0; byte < 256; ++byte) {
        for (size_t size : {1u, 2u, 31u, 32u, 33u, 34u, 63u, 64u, 65u, 66u, 97u, 130u}) {
            for (size_t at = 0; at < size; at += size > 40 ? 3 : 1) {
                std::string text(size, 'a');
                text[0] = '/';
                text[at] = static_cast<char>(byte);
                Exact exact(text);
                size_t from = at / 2;
                TargetScan a = slow.target(exact.data(), from, size);
                TargetScan b = fast->target(exact.data(), from, size);
                ASSERT_EQ(a.end, b.end);
                ASSERT_EQ(a.query, b.query);
                ASSERT_EQ(slow.path_is_plain(exact.data(), size),
                          fast->path_is_plain(exact.data(), size))
                    << byte << " " << size << " " << at;
                uint64_t tokens[4];
                uint64_t controls[4];
                fast->classify(exact.data(), size, 0, (size + 63) / 64, {tokens, controls});
                char c = text[at];
                bool control = c == '\t' || !is_class(c, kValueChar);
                ASSERT_EQ(tokens[at / 64] >> (at % 64) & 1, is_class(c, kTokenChar) ? 0u : 1u);
                ASSERT_EQ(controls[at / 64] >> (at % 64) & 1, control ? 1u : 0u);
                if (size % 64 != 0) {
                    ASSERT_EQ(tokens[size / 64] >> (size % 64) & 1, 1u);
                }
            }
        }
    }
}

std::string date(int64_t seconds) {
    char out[http_date_size];
    format_http_date(seconds, out);
    return {out, sizeof out};
}

TEST(HttpDate, writes_the_fixed_form) {
    EXPECT_EQ(date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    EXPECT_EQ(date(951782400), "Tue, 29 Feb 2000 00:00:00 GMT");
    EXPECT_EQ(date(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
    EXPECT_EQ(date(253402300799), "Fri, 31 Dec 9999 23:59:59 GMT");
}

TEST(HttpDate, reads_what_it_writes_and_the_old_forms) {
    constexpr int64_t now = 1'700'000'000;
    int64_t seconds = 0;
    for (int64_t at = -2'000'000'000; at < 5'000'000'000; at += 86399 * 37) {
        ASSERT_TRUE(parse_http_date(date(at), now, seconds)) << date(at);
        ASSERT_EQ(seconds, at);
    }
    EXPECT_TRUE(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT", now, seconds));
    EXPECT_EQ(seconds, 784111777);
    EXPECT_TRUE(parse_http_date("Sun Nov  6 08:49:37 1994", now, seconds));
    EXPECT_EQ(seconds, 784111777);
    EXPECT_TRUE(parse_http_date("Sun Nov 16 08:49:37 1994", now, seconds));
    EXPECT_TRUE(parse_http_date("Monday, 06-Nov-73 08:49:37 GMT", now, seconds));
    EXPECT_EQ(date(seconds).substr(12, 4), "2073");
    EXPECT_TRUE(parse_http_date("Monday, 06-Nov-74 08:49:37 GMT", now, seconds));
    EXPECT_EQ(date(seconds).substr(12, 4), "1974");
}

TEST(HttpDate, refuses_anything_else) {
    int64_t seconds = 42;
    for (const char* text : {"",
                             "x",
                             "Sun, 06 Nov 1994 08:49:37",
                             "Sun, 06 Nov 1994 08:49:37 UTC",
                             "sun, 06 Nov 1994 08:49:37 GMT",
                             "Sun, 6 Nov 1994 08:49:37 GMT",
                             "Sun, 31 Feb 1994 08:49:37 GMT",
                             "Sun, 29 Feb 1900 08:49:37 GMT",
                             "Sun, 00 Nov 1994 08:49:37 GMT",
                             "Sun, 06 Nov 1994 24:00:00 GMT",
                             "Sun, 06 Nov 1994 08:60:37 GMT",
                             "Sun, 06 Nov 1994 08:49:61 GMT",
                             "Sun, 06 Nov 1994 08:49:37 GMT ",
                             " Sun, 06 Nov 1994 08:49:37 GMT",
                             "Sun,  06 Nov 1994 08:49:37 GMT",
                             "Sun, 06 Nov 94 08:49:37 GMT",
                             "Sun Nov 6 08:49:37 1994",
                             "Sunday, 06-Nov-1994 08:49:37 GMT",
                             "Sund, 06-Nov-94 08:49:37 GMT",
                             "1994-11-06T08:49:37Z",
                             "Sun, 06 Nov -994 08:49:37 GMT",
                             "Sun, 06 \xc3\xa9\xc3 1994 08:49:37 GMT"}) {
        EXPECT_FALSE(parse_http_date(text, 0, seconds)) << text;
    }
    EXPECT_EQ(seconds, 42);
}

}  // namespace
}  // namespace ringtime::http
