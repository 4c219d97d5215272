// Request heads: what is accepted and how it is understood, and each rule for whose breach one is
// refused. Every row is fed in every way it may arrive.

#include <string>

#include "feed.h"

namespace ringtime::http {
namespace {

using namespace std::string_view_literals;

std::string with_host(std::string_view lines) {
    return "GET / HTTP/1.1\r\nHost: h\r\n" + std::string(lines) + "\r\n";
}

TEST(RequestParser, refuses_what_the_request_line_may_not_be) {
    const Refused rows[] = {
        {"\x16\x03\x01\x02"sv, "method_first_byte 400", "TLS hello, RFC 9112 3"},
        {"\xef\xbb\xbfGET / HTTP/1.1\r\n"sv, "method_first_byte 400", "byte order mark"},
        {"\0"sv, "method_first_byte 400", "NUL"},
        {" GET / HTTP/1.1\r\n", "method_first_byte 400", "RFC 9112 3"},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2_preface 505", "RFC 9113 3.4"},
        {"\nGET / HTTP/1.1\r\n", "bare_lf 400", "RFC 9112 2.2"},
        {"\rGET / HTTP/1.1\r\n", "bare_cr 400", "RFC 9112 2.2"},
        {"\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n", "empty_lines 400", "RFC 9112 2.2"},
        {"GE\tT / HTTP/1.1\r\n", "method_byte 400", "RFC 9110 5.6.2"},
        {"GET\t/ HTTP/1.1\r\n", "method_byte 400", "RFC 9112 3"},
        {"GET\r\n", "method_byte 400", "RFC 9112 3"},
        {"G(T / HTTP/1.1\r\n", "method_byte 400", "RFC 9110 9.1"},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n", "method_too_long 501", "RFC 9112 3"},
        {"CONNECT h:443 HTTP/1.1\r\n", "method_connect 501", "RFC 9110 9.3.6"},
        {"TRACE / HTTP/1.1\r\n", "method_trace 405", "RFC 9110 9.3.8"},
        {"GET  / HTTP/1.1\r\n", "target_empty 400", "RFC 9112 3: one SP"},
        {"GET /\0 HTTP/1.1\r\n"sv, "target_byte 400", "RFC 9112 3.2"},
        {"GET /\t HTTP/1.1\r\n", "target_byte 400", "RFC 9112 3.2"},
        {"GET /\x0b HTTP/1.1\r\n", "target_byte 400", "VT is no blank here"},
        {"GET /\x7f HTTP/1.1\r\n", "target_byte 400", "RFC 3986 2"},
        {"GET /\xc3\xa9 HTTP/1.1\r\n", "target_byte 400", "RFC 3986 2"},
        {"GET /?q=\xff HTTP/1.1\r\n", "target_byte 400", "RFC 3986 3.4"},
        {"GET /#f HTTP/1.1\r\n", "target_fragment 400", "RFC 9110 7.1"},
        {"GET /\r\n", "version_missing 400", "HTTP/0.9"},
        {"GET /\n", "version_missing 400", "HTTP/0.9"},
        {"GET /  HTTP/1.1\r\n", "version_malformed 400", "RFC 9112 3: one SP"},
        {"GET / HTTP/1.1 \r\n", "version_malformed 400", "RFC 9112 3"},
        {"GET / HTTP/1.1\n", "bare_lf 400", "RFC 9112 2.2"},
        {"GET / HTTP/1.1\rX", "bare_cr 400", "CVE-2023-30589"},
        {"GET / HTTP/11\r\n", "version_malformed 400", "RFC 9112 2.3"},
        {"GET / HTTP/1.10\r\n", "version_malformed 400", "RFC 9112 2.3"},
        {"GET / http/1.1\r\n", "version_malformed 400", "RFC 9112 2.3: case-sensitive"},
        {"GET / HTTP/1,1\r\n", "version_malformed 400", "RFC 9112 2.3"},
        {"GET / HTTP/2.0\r\n", "version_unsupported 505", "RFC 9110 15.6.6"},
        {"GET / HTTP/0.9\r\n", "version_unsupported 505", "RFC 9110 15.6.6"},
        {"GET /a b HTTP/1.1\r\n", "version_malformed 400", "RFC 9112 3.2"},
        {"GET x HTTP/1.1\r\n", "target_form 400", "RFC 9112 3.2"},
        {"GET h:80 HTTP/1.1\r\n", "target_form 400", "RFC 9112 3.2.3"},
        {"GET * HTTP/1.1\r\n", "target_form 400", "RFC 9112 3.2.4"},
        {"OPTIONS ** HTTP/1.1\r\n", "target_form 400", "RFC 9112 3.2.4"},
        {"GET ftp://h/ HTTP/1.1\r\n", "target_form 400", "RFC 9112 3.2.2"},
        {"GET http:/h/ HTTP/1.1\r\n", "target_form 400", "RFC 9110 4.2.1"},
        {"GET http:/// HTTP/1.1\r\n", "target_authority 400", "RFC 9110 4.2.1: host not empty"},
        {"GET http://:80/ HTTP/1.1\r\n", "target_authority 400", "RFC 9110 4.2.1"},
        {"GET http://h:/ HTTP/1.1\r\n", "target_authority 400", "strict"},
        {"GET http://h:8x/ HTTP/1.1\r\n", "target_authority 400", "RFC 3986 3.2.3"},
        {"GET http://h:65536/ HTTP/1.1\r\n", "target_authority 400", "strict"},
        {"GET http://h\\x/ HTTP/1.1\r\n", "target_authority 400", "RFC 3986 3.2.2"},
        {"GET http://u@h/ HTTP/1.1\r\n", "target_userinfo 400", "RFC 9110 4.2.4"},
        {"GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", "target_host_mismatch 400", "RFC 9112 3.2.2"},
        {"GET http://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n", "target_host_mismatch 400", "strict"},
        {"GET http://a/ HTTP/1.1\r\n\r\n", "host_missing 400", "RFC 9112 3.2"},
    };
    for (const Refused& row : rows) EXPECT_EQ(feed_request(row.text), row.outcome) << row.source;
}

TEST(RequestParser, refuses_what_field_lines_may_not_be) {
    const Refused rows[] = {
        {"GET / HTTP/1.1\r\n Host: h\r\n\r\n", "leading_whitespace 400", "RFC 9112 2.2"},
        {"GET / HTTP/1.1\r\n\tHost: h\r\n\r\n", "leading_whitespace 400", "RFC 9112 2.2"},
        {"GET / HTTP/1.1\r\nHost: h\r\n x\r\n\r\n", "obs_fold 400", "RFC 9112 5.2"},
        {"GET / HTTP/1.1\r\nHost: h\r\n\tx\r\n\r\n", "obs_fold 400", "RFC 9112 5.2"},
        {"GET / HTTP/1.1\r\nHost : h\r\n\r\n", "field_space_before_colon 400", "RFC 9112 5.1"},
        {"GET / HTTP/1.1\r\nHost\t: h\r\n\r\n", "field_space_before_colon 400", "RFC 9112 5.1"},
        {"GET / HTTP/1.1\r\nHost\x0b: h\r\n\r\n", "field_name_byte 400", "RFC 9110 5.1"},
        {"GET / HTTP/1.1\r\n: h\r\n\r\n", "field_name_empty 400", "CVE-2023-25725"},
        {"GET / HTTP/1.1\r\nHost\r\n\r\n", "field_colon_missing 400", "RFC 9112 5"},
        {"GET / HTTP/1.1\r\nHost: h\r\nfoo\r\n\r\n", "field_colon_missing 400", "RFC 9112 5"},
        {"GET / HTTP/1.1\r\nHo\x80st: h\r\n\r\n", "field_name_byte 400", "RFC 9110 5.1"},
        {"GET / HTTP/1.1\r\nHo\"st: h\r\n\r\n", "field_name_byte 400", "RFC 9110 5.1"},
        {"GET / HTTP/1.1\r\nX\0: h\r\n\r\n"sv, "field_name_byte 400", "RFC 9110 5.1"},
        {"GET / HTTP/1.1\r\nHost: h\n\r\n", "bare_lf 400", "RFC 9112 2.2"},
        {"GET / HTTP/1.1\r\nHost: h\r\n\n", "bare_lf 400", "RFC 9112 2.2"},
        {"GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", "bare_cr 400", "CVE-2023-30589"},
        {"GET / HTTP/1.1\r\nHost: h\r\n\rX", "bare_cr 400", "RFC 9112 2.2"},
        {"GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", "bare_cr 400", "RFC 9112 2.2"},
        {"GET / HTTP/1.1\r\nHost: h\r\nA: b\0c\r\n\r\n"sv, "field_value_byte 400", "RFC 9110 5.5"},
        {"GET / HTTP/1.1\r\nHost: h\r\nA: b\x01\r\n\r\n", "field_value_byte 400", "RFC 9110 5.5"},
        {"GET / HTTP/1.1\r\nHost: h\r\nA: b\x7f\r\n\r\n", "field_value_byte 400", "RFC 9110 5.5"},
        {"GET / HTTP/1.1\r\nHost: h\r\nA: b\x0b\r\n\r\n", "field_value_byte 400", "RFC 9110 5.5"},
    };
    for (const Refused& row : rows) EXPECT_EQ(feed_request(row.text), row.outcome) << row.source;
}

TEST(RequestParser, refuses_underscore_aliases_of_protected_fields_only) {
    for (std::string_view name :
         {"Content_Length", "content-length_", "Transfer_Encoding", "X_Forwarded_For",
          "X-Forwarded_Proto", "x_forwarded_anything", "X_Real_IP", "X_Identity", "x_base",
          "x_request_id", "X_Ringtime_Reason", "x_vhost_tenant", "Keep_Alive", "http2_settings"}) {
        std::string line = std::string(name) + ": 1\r\n";
        bool alias = name != "content-length_";
        std::string outcome = feed_request(with_host(line));
        EXPECT_EQ(outcome == "field_name_alias 400", alias) << name;
    }
    for (std::string_view name : {"x_custom", "_", "a_b", "my_content_length", "cache_control",
                                  "long_long_long_long_long_long_long_long_name"}) {
        std::string outcome = feed_request(with_host(std::string(name) + ": 1\r\n"));
        EXPECT_TRUE(outcome.find("=[1]") != std::string::npos) << name << outcome;
    }
}

TEST(RequestParser, refuses_what_host_may_not_be) {
    EXPECT_EQ(feed_request("GET / HTTP/1.1\r\n\r\n"), "host_missing 400");
    EXPECT_EQ(feed_request("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"), "host_repeated 400");
    EXPECT_EQ(feed_request("GET / HTTP/1.0\r\nHost: h\r\nhost: g\r\n\r\n"), "host_repeated 400");
    for (std::string_view value :
         {"", " ", "a b", "a,b", "a/b", "a?b", "a#b", "a@b", "a\\b", "a\"b", "a'b", "[::1", "::1",
          "[::1]x", "[]", "[1::2::3]", "[12345::]", "[1:2:3:4:5:6:7]", "[::1.2.3.256]", "[v1.x]",
          "[fe80::1%25eth0]", "h:x", "h:1:2", "h:65536", "h:123456", "h:-1", "h: 1", ":80",
          "h\xc3\xa9", "h%4", "h%zz", "h%00", "a<b", "a{b", "a|b", "a^b", "a`b", "a[b]"}) {
        std::string text = "GET / HTTP/1.1\r\nHost: " + std::string(value) + "\r\n\r\n";
        EXPECT_EQ(feed_request(text), "host_invalid 400") << value;
    }
    for (std::string_view value :
         {"h", "h.", "H:80", "h:", "127.0.0.1:8080", "[::1]:80", "[::]", "[1:2:3:4:5:6:7:8]",
          "[::ffff:1.2.3.4]", "[2001:DB8::1]", "xn--bcher-kva.example", "a_b.c", "a%20b", "h:65535",
          "h:0", "~!$&()*+;="}) {
        std::string text = "GET / HTTP/1.1\r\nHost: " + std::string(value) + "\r\n\r\n";
        std::string outcome = feed_request(text);
        EXPECT_NE(outcome.find("host<"), std::string::npos) << value << ": " << outcome;
    }
}

TEST(RequestParser, fills_the_head) {
    EXPECT_EQ(feed_request("POST /a/b?x=1&y HTTP/1.1\r\nHost: Example.com:8080\r\nX-A:\r\n"
                           "Content-Length:\t 5 \t\r\nx-a:  b\tc\xe9 \r\n\r\nhello"),
              "93 <POST>3 v11 f0 target</a/b?x=1&y> path</a/b> query<x=1&y> host<Example.com> "
              "authority<Example.com:8080>\nHost=[Example.com:8080]1\nX-A=[]0\n"
              "Content-Length=[5]3\nx-a=[b\tc\xe9]0\n");
    EXPECT_EQ(feed_request("get / HTTP/1.0\r\n\r\n"),
              "18 <get>0 v10 f0 target</> path</> querynull hostnull authoritynull\n");
    EXPECT_EQ(feed_request("\r\n\r\nGET /?a? HTTP/1.7\r\nHost: h:\r\n\r\n"),
              "35 <GET>1 v11 f0 target</?a?> path</> query<a?> host<h> authority<h>\nHost=[h:]1\n");
    EXPECT_EQ(feed_request("GET /? HTTP/1.1\r\nHost: h\r\n\r\n"),
              "28 <GET>1 v11 f0 target</?> path</> query<> host<h> authority<h>\nHost=[h]1\n");
    EXPECT_EQ(feed_request("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"),
              "31 <OPTIONS>6 v11 f2 target<*> path<*> querynull host<h> authority<h>\nHost=[h]1\n");
}

TEST(RequestParser, takes_absolute_targets_apart) {
    EXPECT_EQ(feed_request("GET HTTP://H:81/p/q?r HTTP/1.1\r\nHost: h:81\r\n\r\n"),
              "46 <GET>1 v11 f1 target<HTTP://H:81/p/q?r> path</p/q> query<r> host<H> "
              "authority<H:81>\nHost=[h:81]1\n");
    EXPECT_EQ(feed_request("GET https://h?r/s HTTP/1.0\r\n\r\n"),
              "30 <GET>1 v10 f1 target<https://h?r/s> path</> query<r/s> host<h> authority<h>\n");
    EXPECT_EQ(feed_request("OPTIONS http://h HTTP/1.1\r\nHost: h\r\n\r\n"),
              "38 <OPTIONS>6 v11 f2 target<http://h> path<*> querynull host<h> authority<h>\n"
              "Host=[h]1\n");
    EXPECT_EQ(feed_request("GET http://[::1]:80 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"),
              "48 <GET>1 v11 f1 target<http://[::1]:80> path</> querynull host<[::1]> "
              "authority<[::1]:80>\nHost=[[::1]:80]1\n");
}

TEST(RequestParser, holds_its_limits_at_the_byte) {
    HeadLimits limits;
    limits.head_bytes = 512;
    limits.target_bytes = 64;
    limits.fields = 4;
    auto head_of = [](size_t size) {
        std::string text = "GET / HTTP/1.1\r\nHost: h\r\nA: ";
        return text + std::string(size - text.size() - 4, 'x') + "\r\n\r\n";
    };
    EXPECT_TRUE(feed_request(head_of(512), limits).starts_with("512 <GET>"));
    EXPECT_EQ(feed_request(head_of(513), limits), "head_too_large 431");
    EXPECT_EQ(feed_request(head_of(4000), limits), "head_too_large 431");
    // A breach behind the limit is not looked at, however much has arrived.
    EXPECT_EQ(feed_request(head_of(600) + "\n\0", limits), "head_too_large 431");

    auto target_of = [](size_t size) {
        return "GET /" + std::string(size - 1, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n";
    };
    EXPECT_TRUE(feed_request(target_of(64), limits).ends_with("Host=[h]1\n"));
    EXPECT_EQ(feed_request(target_of(65), limits), "target_too_long 414");
    EXPECT_EQ(feed_request("GET /" + std::string(64, 'a') + "\x01 HTTP/1.1\r\n", limits),
              "target_too_long 414");
    EXPECT_TRUE(feed_request(with_host("A:b\r\nA:c\r\nA:d\r\n"), limits).ends_with("A=[d]0\n"));
    EXPECT_EQ(feed_request(with_host("A:b\r\nA:c\r\nA:d\r\nA:e\r\n"), limits),
              "fields_too_many 431");
    // The defaults.
    EXPECT_EQ(feed_request("GET /" + std::string(9000, 'a')), "target_too_long 414");
    EXPECT_EQ(feed_request(head_of(32 * 1024 + 1)), "head_too_large 431");
    EXPECT_TRUE(feed_request(head_of(32 * 1024)).starts_with("32768 <GET>"));
}

TEST(RequestParser, goes_on_with_the_next_request_in_the_same_bytes) {
    std::string text;
    for (int i = 0; i < 1000; ++i)
        text += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
    for (const ScanPath* path : scan_paths()) {
        RequestParser parser({}, *path);
        RequestHead head;
        size_t at = 0;
        for (int i = 0; i < 1000; ++i) {
            ParseOutcome outcome = parser.parse(text.data() + at, text.size() - at, head);
            ASSERT_TRUE(outcome.complete());
            EXPECT_EQ(head.path.substr(1), std::to_string(i));
            EXPECT_EQ(head.fields.size(), 1u);
            at += outcome.head_size;
        }
        EXPECT_EQ(at, text.size());
    }
}

TEST(RequestParser, repeats_a_refusal_until_reset) {
    RequestParser parser;
    RequestHead head;
    EXPECT_TRUE(parser.parse("\n", 1, head).failed());
    std::string good = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    EXPECT_EQ(refusal_of(parser.parse(good.data(), good.size(), head).error), Refusal::bare_lf);
    parser.reset();
    EXPECT_TRUE(parser.parse(good.data(), good.size(), head).complete());
}

}  // namespace
}  // namespace ringtime::http
