// Response heads: the same distrust towards what stands behind the gateway.

#include "feed.h"

namespace ringtime::http {
namespace {

using namespace std::string_view_literals;

TEST(ResponseParser, refuses_with_502_whatever_is_malformed) {
    const Refused rows[] = {
        {"HTTP/2 200 OK\r\n\r\n", "status_version 502", "RFC 9112 2.3"},
        {"HTTP/0.9 200 OK\r\n\r\n", "status_version 502", "no HTTP/0.9 pass-through"},
        {"<html>", "status_line_malformed 502", "no HTTP/0.9 pass-through"},
        {"\r\nHTTP/1.1 200 OK\r\n\r\n", "status_line_malformed 502", "RFC 9112 2.2: requests only"},
        {"http/1.1 200 OK\r\n\r\n", "status_line_malformed 502", "RFC 9112 2.3"},
        {"HTTP/1.1  200 OK\r\n\r\n", "status_line_malformed 502", "RFC 9112 4: one SP"},
        {"HTTP/1.1\t200 OK\r\n\r\n", "status_line_malformed 502", "RFC 9112 4"},
        {"HTTP/1.1 20 OK\r\n\r\n", "status_line_malformed 502", "RFC 9112 4: 3DIGIT"},
        {"HTTP/1.1 2000 OK\r\n\r\n", "status_line_malformed 502", "RFC 9112 4: 3DIGIT"},
        {"HTTP/1.1 +20 OK\r\n\r\n", "status_line_malformed 502", "RFC 9112 4: 3DIGIT"},
        {"HTTP/1.1 200\tOK\r\n\r\n", "status_line_malformed 502", "RFC 9112 4"},
        {"HTTP/1.1 099 x\r\n\r\n", "status_out_of_range 502", "RFC 9110 15"},
        {"HTTP/1.1 600 x\r\n\r\n", "status_out_of_range 502", "strict"},
        {"HTTP/1.1 000\r\n\r\n", "status_out_of_range 502", "RFC 9110 15"},
        {"HTTP/1.1 200\n\n", "bare_lf 502", "RFC 9112 2.2"},
        {"HTTP/1.1 200 OK\n\n", "bare_lf 502", "RFC 9112 2.2"},
        {"HTTP/1.1 200 O\rK\r\n\r\n", "bare_cr 502", "RFC 9112 2.2"},
        {"HTTP/1.1 200 O\0K\r\n\r\n"sv, "reason_phrase_byte 502", "RFC 9112 4"},
        {"HTTP/1.1 200 O\x7fK\r\n\r\n", "reason_phrase_byte 502", "RFC 9112 4"},
        {"HTTP/1.1 200 OK\r\n A: b\r\n\r\n", "leading_whitespace 502", "RFC 9112 2.2"},
        {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "obs_fold 502", "RFC 9112 5.2"},
        {"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "field_space_before_colon 502", "RFC 9112 5.1"},
        {"HTTP/1.1 200 OK\r\nA\r\n\r\n", "field_colon_missing 502", "RFC 9112 5"},
        {"HTTP/1.1 200 OK\r\n: b\r\n\r\n", "field_name_empty 502", "RFC 9110 5.1"},
        {"HTTP/1.1 200 OK\r\nA: b\nSet-Cookie: x\r\n\r\n", "bare_lf 502", "response splitting"},
        {"HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n", "bare_cr 502", "response splitting"},
        {"HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n"sv, "field_value_byte 502", "RFC 9110 5.5"},
    };
    for (const Refused& row : rows) EXPECT_EQ(feed_response(row.text), row.outcome) << row.source;
}

TEST(ResponseParser, fills_the_head) {
    EXPECT_EQ(feed_response("HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\nbody"),
              "49 200 v11 <OK>\nSet-Cookie=[a]46\nSet-Cookie=[b]46\n");
    EXPECT_EQ(feed_response("HTTP/1.0 404\r\n\r\n"), "16 404 v10 <>\n");
    EXPECT_EQ(feed_response("HTTP/1.9 404 \r\n\r\n"), "17 404 v11 <>\n");
    EXPECT_EQ(feed_response("HTTP/1.1 599 \xfc\tx \r\nx_forwarded_for: 1\r\n\r\n"),
              "41 599 v11 <\xfc\tx >\nx_forwarded_for=[1]0\n");
}

TEST(ResponseParser, blames_the_one_it_was_made_for) {
    ResponseParser parser(Source::worker);
    ResponseHead head;
    Error error = parser.parse("x", 1, head).error;
    EXPECT_EQ(error.reason, Reason::worker_protocol);
    EXPECT_EQ(error.source, Source::worker);
    EXPECT_EQ(refusal_of(error), Refusal::status_line_malformed);
}

TEST(ResponseParser, holds_its_limits) {
    HeadLimits limits;
    limits.head_bytes = 64;
    limits.fields = 2;
    EXPECT_EQ(feed_response("HTTP/1.1 200 " + std::string(64, 'x'), limits), "head_too_large 502");
    EXPECT_EQ(feed_response("HTTP/1.1 200 OK\r\nA:1\r\nB:2\r\nC:3\r\n\r\n", limits),
              "fields_too_many 502");
}

}  // namespace
}  // namespace ringtime::http
