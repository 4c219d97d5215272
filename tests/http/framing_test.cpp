// Where bodies end, whether connections go on, what is expected and upgraded; and which fields stop
// here.

#include <gtest/gtest.h>

#include <string>

#include "http/framing.h"
#include "http/head_parser.h"
#include "http/hop_by_hop.h"

namespace ringtime::http {
namespace {

std::string show(const Result<Framing>& result) {
    if (!result.ok()) {
        return std::string(describe(refusal_of(result.error())).name) + " " +
               std::to_string(describe(result.error().reason).status);
    }
    const Framing& framing = result.value();
    std::string text;
    switch (framing.kind) {
        case BodyKind::none: text = "none"; break;
        case BodyKind::length: text = "length " + std::to_string(framing.length); break;
        case BodyKind::chunked: text = "chunked"; break;
        case BodyKind::until_close: text = "until close"; break;
    }
    if (framing.keep_alive) text += " keep";
    if (framing.expect_continue) text += " expect";
    if (framing.upgrade) text += " upgrade";
    if (framing.announced != Framing::unannounced) {
        text += " announced " + std::to_string(framing.announced);
    }
    return text;
}

void parse(const std::string& text, RequestHead& head) {
    RequestParser parser;
    ParseOutcome outcome = parser.parse(text.data(), text.size(), head);
    ASSERT_TRUE(outcome.complete()) << text << describe(refusal_of(outcome.error)).name;
}

std::string of_request(std::string start, std::string lines) {
    static RequestHead head;
    std::string text = start + "\r\nHost: h\r\n" + lines + "\r\n";
    parse(text, head);
    return show(decide_framing(head));
}
std::string of_post(std::string lines) { return of_request("POST / HTTP/1.1", lines); }
std::string of_get(std::string lines) { return of_request("GET / HTTP/1.1", lines); }

std::string of_response(std::string start, std::string lines, Method method = Method::get) {
    static ResponseHead head;
    std::string text = start + "\r\n" + lines + "\r\n";
    ResponseParser parser;
    EXPECT_TRUE(parser.parse(text.data(), text.size(), head).complete()) << text;
    return show(decide_response_framing(head, method));
}

TEST(RequestFraming, takes_exactly_one_plain_length) {
    EXPECT_EQ(of_get(""), "none keep");
    EXPECT_EQ(of_post("Content-Length: 0\r\n"), "length 0 keep");
    EXPECT_EQ(of_get("Content-Length: 5\r\n"), "length 5 keep");
    EXPECT_EQ(of_post("content-length:\t007 \r\n"), "length 7 keep");
    EXPECT_EQ(of_post("Content-Length: 9223372036854775807\r\n"),
              "length 9223372036854775807 keep");
    struct {
        const char* value;
        const char* outcome;
    } rows[] = {
        {"9223372036854775808", "content_length_overflow 400"},
        {"18446744073709551621", "content_length_overflow 400"},
        {"99999999999999999999999", "content_length_overflow 400"},
        {"", "content_length_invalid 400"},
        {"+5", "content_length_invalid 400"},
        {"-0", "content_length_invalid 400"},
        {"0x5", "content_length_invalid 400"},
        {"5, 5", "content_length_invalid 400"},
        {"5 5", "content_length_invalid 400"},
        {"\"5\"", "content_length_invalid 400"},
        {"5;", "content_length_invalid 400"},
        {"1_0", "content_length_invalid 400"},
        {"5.0", "content_length_invalid 400"},
        {"\xd9\xa5", "content_length_invalid 400"},
    };
    for (auto& row : rows) {
        EXPECT_EQ(of_post("Content-Length: " + std::string(row.value) + "\r\n"), row.outcome)
            << row.value;
    }
    // RFC 9112 6.3: differing lines; and, stricter, equal ones.
    EXPECT_EQ(of_post("Content-Length: 5\r\nContent-Length: 6\r\n"), "content_length_repeated 400");
    EXPECT_EQ(of_post("Content-Length: 5\r\nX: y\r\ncontent-length: 5\r\n"),
              "content_length_repeated 400");
}

TEST(RequestFraming, takes_chunked_alone_as_transfer_coding) {
    EXPECT_EQ(of_post("Transfer-Encoding: chunked\r\n"), "chunked keep");
    EXPECT_EQ(of_get("transfer-encoding:\t CHUNKED \t\r\n"), "chunked keep");
    struct {
        const char* value;
        const char* outcome;
    } rows[] = {
        {"gzip", "transfer_encoding_unsupported 501"},
        {"identity", "transfer_encoding_unsupported 501"},
        {"xchunked", "transfer_encoding_unsupported 501"},
        {"gzip, chunked", "transfer_encoding_unsupported 501"},
        {"chunked, gzip", "transfer_encoding_malformed 400"},
        {"chunked, chunked", "transfer_encoding_malformed 400"},
        {"chunked,", "transfer_encoding_malformed 400"},
        {", chunked", "transfer_encoding_malformed 400"},
        {"chunked;q=1", "transfer_encoding_malformed 400"},
        {"\"chunked\"", "transfer_encoding_malformed 400"},
        {"chun ked", "transfer_encoding_malformed 400"},
        {"\xc2\xa0" "chunked", "transfer_encoding_malformed 400"},
        {"", "transfer_encoding_malformed 400"},
    };
    for (auto& row : rows) {
        EXPECT_EQ(of_post("Transfer-Encoding: " + std::string(row.value) + "\r\n"), row.outcome)
            << row.value;
    }
    EXPECT_EQ(of_post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
              "transfer_encoding_repeated 400");
    EXPECT_EQ(of_post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
              "transfer_encoding_repeated 400");
    EXPECT_EQ(of_request("POST / HTTP/1.0", "Transfer-Encoding: chunked\r\n"),
              "transfer_encoding_in_http_1_0 400");  // CVE-2026-2835
    for (const char* lines : {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                              "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                              "Transfer-Encoding: x\r\nContent-Length: 0\r\n"}) {
        EXPECT_EQ(of_post(lines), "length_with_transfer_encoding 400");  // CL.TE, TE.CL
    }
}

TEST(RequestFraming, keeps_connections_as_version_and_options_say) {
    EXPECT_EQ(of_get("Connection: close\r\n"), "none");
    EXPECT_EQ(of_get("Connection: x,, CLOSE ,keep-alive\r\n"), "none");
    EXPECT_EQ(of_get("Connection: keep-alive\r\nConnection: close\r\n"), "none");
    EXPECT_EQ(of_get("Connection: \"x, close\r\n"), "none");  // An open quote hides nothing.
    EXPECT_EQ(of_get("Connection: closed\r\n"), "none keep");
    EXPECT_EQ(of_request("GET / HTTP/1.0", ""), "none");
    EXPECT_EQ(of_request("GET / HTTP/1.0", "Connection: Keep-Alive\r\n"), "none keep");
    EXPECT_EQ(of_request("GET / HTTP/1.0", "Connection: keep-alive, close\r\n"), "none");
    std::string options;
    for (unsigned i = 0; i <= connection_options_max; ++i) options += "x,";
    EXPECT_EQ(of_get("Connection: " + options + "\r\n"), "connection_options_too_many 431");
}

TEST(RequestFraming, knows_one_expectation) {
    EXPECT_EQ(of_post("Expect: 100-continue\r\nContent-Length: 5\r\n"), "length 5 keep expect");
    EXPECT_EQ(of_post("Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n"),
              "chunked keep expect");
    EXPECT_EQ(of_post("Expect: 100-continue\r\n"), "none keep");
    EXPECT_EQ(of_post("Expect: 100-continue\r\nContent-Length: 0\r\n"), "length 0 keep");
    EXPECT_EQ(of_post("Expect: 200-ok\r\n"), "expectation_unknown 417");
    EXPECT_EQ(of_post("Expect: 100-continue, x\r\n"), "expectation_unknown 417");
    EXPECT_EQ(of_post("Expect:\r\n"), "expectation_unknown 417");
    EXPECT_EQ(of_request("POST / HTTP/1.0", "Expect: x\r\nContent-Length: 5\r\n"), "length 5");
}

TEST(RequestFraming, upgrades_only_what_it_may) {
    std::string upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    EXPECT_EQ(of_get(upgrade), "none keep upgrade");
    EXPECT_EQ(of_get("Connection: keep-alive, upgrade\r\nUpgrade: a/1, b\r\n"),
              "none keep upgrade");
    EXPECT_EQ(of_get("Upgrade: websocket\r\n"), "none keep");
    EXPECT_EQ(of_post(upgrade), "none keep");
    EXPECT_EQ(of_request("GET / HTTP/1.0", upgrade), "none");
    // CVE-2026-58055.
    EXPECT_EQ(of_get(upgrade + "Content-Length: 0\r\n"), "length 0 keep");
    EXPECT_EQ(of_get(upgrade + "Transfer-Encoding: chunked\r\n"), "chunked keep");
    EXPECT_EQ(of_get(upgrade + "Upgrade: h2c\r\n"), "none keep");
    for (const char* offer :
         {"h2c", "H2C", "websocket, h2c", "HTTP/2.0", "TLS/1.0", "", "a b", "a/"}) {
        EXPECT_EQ(of_get("Connection: upgrade\r\nUpgrade: " + std::string(offer) + "\r\n"),
                  "none keep") << offer;
    }
}

TEST(ResponseFraming, follows_status_and_method_before_fields) {
    EXPECT_EQ(of_response("HTTP/1.1 200 OK", ""), "until close");
    EXPECT_EQ(of_response("HTTP/1.1 200 OK", "Content-Length: 5\r\n"), "length 5 keep");
    EXPECT_EQ(of_response("HTTP/1.1 200 OK", "Transfer-Encoding: chunked\r\n"), "chunked keep");
    EXPECT_EQ(of_response("HTTP/1.1 200 OK", "Content-Length: 5\r\nConnection: close\r\n"),
              "length 5");
    EXPECT_EQ(of_response("HTTP/1.0 200 OK", "Content-Length: 5\r\nConnection: keep-alive\r\n"),
              "length 5");
    EXPECT_EQ(of_response("HTTP/1.1 200 OK", "Content-Length: 5\r\n", Method::head),
              "none keep announced 5");
    EXPECT_EQ(of_response("HTTP/1.1 200 OK", "Transfer-Encoding: chunked\r\n", Method::head),
              "none keep");
    EXPECT_EQ(of_response("HTTP/1.1 200 OK", "", Method::head), "none keep");
    EXPECT_EQ(of_response("HTTP/1.1 304 x", "Content-Length: 5\r\n"), "none keep announced 5");
    EXPECT_EQ(of_response("HTTP/1.1 204 x", ""), "none keep");
    EXPECT_EQ(of_response("HTTP/1.1 204 x", "Content-Length: 0\r\n"), "none keep");
    // What follows a 204 that announces a body is not the next answer.
    EXPECT_EQ(of_response("HTTP/1.1 204 x", "Content-Length: 5\r\n"), "none");
    EXPECT_EQ(of_response("HTTP/1.1 204 x", "Transfer-Encoding: chunked\r\n"), "none");
    EXPECT_EQ(of_response("HTTP/1.1 103 x", ""), "none keep");
    EXPECT_EQ(of_response("HTTP/1.1 205 x", ""), "until close");
}

TEST(ResponseFraming, refuses_what_is_ambiguous_with_502) {
    for (const char* lines :
         {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
          "Content-Length: 5\r\nContent-Length: 5\r\n",
          "Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: 5,5\r\n",
          "Content-Length: x\r\n", "Transfer-Encoding: gzip, chunked\r\n",
          "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"}) {
        EXPECT_TRUE(of_response("HTTP/1.1 200 OK", lines).ends_with(" 502")) << lines;
        EXPECT_TRUE(of_response("HTTP/1.1 200 OK", lines, Method::head).ends_with(" 502")) << lines;
    }
    EXPECT_EQ(of_response("HTTP/1.0 200 OK", "Transfer-Encoding: chunked\r\n"),
              "transfer_encoding_in_http_1_0 502");
}

TEST(ResponseFraming, switches_only_to_what_was_offered) {
    ResponseHead head;
    ResponseParser parser;
    std::string text =
        "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\nContent-Length: 3\r\n\r\n";
    ASSERT_TRUE(parser.parse(text.data(), text.size(), head).complete());
    EXPECT_EQ(show(decide_response_framing(head, Method::get)), "none upgrade");
    EXPECT_TRUE(upgrade_was_offered(head, "websocket"));
    EXPECT_TRUE(upgrade_was_offered(head, "a/1, websocket"));
    EXPECT_FALSE(upgrade_was_offered(head, "web"));
    EXPECT_FALSE(upgrade_was_offered(head, ""));
    EXPECT_EQ(of_response("HTTP/1.1 101 x", "Upgrade: websocket\r\n"), "switching_malformed 502");
    EXPECT_EQ(of_response("HTTP/1.1 101 x", "Connection: upgrade\r\n"), "switching_malformed 502");
    EXPECT_EQ(of_response("HTTP/1.1 101 x", "Connection: upgrade\r\nUpgrade: h2c\r\n"),
              "switching_malformed 502");
}

std::string dropped(const std::string& lines, bool* trailers = nullptr) {
    static RequestHead head;
    std::string text = "GET / HTTP/1.1\r\n" + lines + "\r\n";
    parse(text, head);
    HopByHop hop = hop_by_hop_fields(head.fields);
    if (trailers) *trailers = hop.accepts_trailers;
    std::string names;
    for (unsigned i = 0; i < head.fields.size(); ++i) {
        if (hop.drop.test(i)) names += std::string(head.fields.name(head.fields[i])) + " ";
    }
    return names;
}

TEST(HopByHop, drops_the_listed_and_the_nominated_and_nothing_else) {
    EXPECT_EQ(dropped("Host: h\r\nAccept: a\r\nX: y\r\n"), "");
    EXPECT_EQ(
        dropped("Host: h\r\nKeep-Alive: 1\r\nProxy-Connection: x\r\nTE: gzip\r\nUpgrade: h2c\r\n"
                "HTTP2-Settings: x\r\nTrailer: t\r\n"),
        "Keep-Alive Proxy-Connection TE Upgrade HTTP2-Settings ");
    EXPECT_EQ(dropped("Host: h\r\nX-a: 1\r\nConnection: ,, x-A , cookie\r\nx-A: 2\r\nCookie: c\r\n"
                      "Connection: \r\nConnection: y\r\nY: 1\r\nZ: 2\r\n"),
              "X-a Connection x-A Cookie Connection Connection Y ");  // CVE-2021-33197
    // 9.2: a nomination takes neither the routing nor the framing away.
    EXPECT_EQ(dropped("Host: h\r\nConnection: host, content-length, transfer-encoding\r\n"
                      "Content-Length: 5\r\n"),
              "Connection ");
    bool trailers = false;
    EXPECT_EQ(dropped("Host: h\r\nTE: gzip, Trailers\r\n", &trailers), "TE ");
    EXPECT_TRUE(trailers);
}

TEST(HopByHop, lets_only_harmless_trailers_pass) {
    for (std::string_view name :
         {"content-length", "Content-Foo", "host", "authorization", "cookie", "Set-Cookie", "te",
          "x-forwarded-for", "X-Forwarded-New", "x_forwarded_for", "if-x", "x-ringtime-a", "etag",
          "transfer_encoding", "Sec-Fetch-Site", "Proxy-Status", "access-control-allow-origin"}) {
        EXPECT_FALSE(is_forwardable_trailer(intern(name), name)) << name;
    }
    for (std::string_view name : {"grpc-status", "Server-Timing", "x-checksum", "digest"}) {
        EXPECT_TRUE(is_forwardable_trailer(intern(name), name)) << name;
    }
}

}  // namespace
}  // namespace ringtime::http
