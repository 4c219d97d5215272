// Frames and handshakes of WebSockets: the examples of RFC 6455, what it says must fail, and every
// way to cut the input.

#include "http/websocket.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "http/head_parser.h"
#include "http/websocket_handshake.h"

namespace ringtime::http {
namespace {

using std::string_literals::operator""s;

/// A masked frame, as clients send them.
std::string frame(unsigned first, std::string_view payload, unsigned length_code = 200) {
    std::string out(1, static_cast<char>(first));
    size_t size = payload.size();
    if (length_code == 200) length_code = size < 126 ? static_cast<unsigned>(size)
                                          : size < 65536 ? 126 : 127;
    out += static_cast<char>(0x80 | length_code);
    size_t width = length_code == 126 ? 2 : length_code == 127 ? 8 : 0;
    for (size_t i = 0; i < width; ++i) out += static_cast<char>(size >> (8 * (width - 1 - i)));
    const char mask[] = {0x37, '\xfa', 0x21, 0x3d};
    out.append(mask, 4);
    for (size_t i = 0; i < size; ++i) out += static_cast<char>(payload[i] ^ mask[i % 4]);
    return out;
}

/// What a decoder says of `wire`, cut into pieces of `cut` bytes: `text(..)`, `binary(..)`,
/// `ping(..)`, `close 1000(..)`, `failed 1002`.
std::string decode(std::string_view wire, size_t cut, SocketPeer peer = SocketPeer::client,
                   uint64_t most = 1 << 20) {
    SocketDecoder decoder(peer, most);
    std::string said;
    std::string message;
    std::vector<char> out(cut);
    for (size_t at = 0; at < wire.size(); at += cut) {
        std::string piece(wire.substr(at, cut));
        size_t used = 0;
        for (;;) {
            SocketDecoder::Step step =
                decoder.decode(piece.data() + used, piece.size() - used, out.data());
            used += step.consumed;
            EXPECT_LE(used, piece.size());
            if (step.event == SocketDecoder::Event::more) break;
            std::string data(step.data);
            switch (step.event) {
                case SocketDecoder::Event::more: break;
                case SocketDecoder::Event::data:
                    message += data;
                    if (!step.last) break;
                    said += step.kind == SocketOpcode::text ? "text(" : "binary(";
                    said += message + ") ";
                    message.clear();
                    break;
                case SocketDecoder::Event::ping: said += "ping(" + data + ") "; break;
                case SocketDecoder::Event::pong: said += "pong(" + data + ") "; break;
                case SocketDecoder::Event::close:
                    said += "close " + std::to_string(step.code) + "(" + data + ") ";
                    break;
                case SocketDecoder::Event::failed:
                    return said + "failed " + std::to_string(step.code) + " ";
            }
        }
        EXPECT_EQ(used, piece.size());
    }
    return said;
}

/// The same for every cut of the input.
void expect(std::string_view wire, std::string_view said, SocketPeer peer = SocketPeer::client,
            uint64_t most = 1 << 20) {
    size_t step = wire.size() < 300 ? 1 : wire.size() / 7 + 1;
    for (size_t cut = 1; cut <= wire.size(); cut += step)
        EXPECT_EQ(decode(wire, cut, peer, most), said) << "cut into pieces of " << cut;
    EXPECT_EQ(decode(wire, wire.size(), peer, most), said);
}

// §5.7
TEST(WebSocket, the_examples_of_the_rfc) {
    expect("\x81\x05\x48\x65\x6c\x6c\x6f", "text(Hello) ", SocketPeer::server);
    expect("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "text(Hello) ");
    expect("\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f"s, "text(Hello) ", SocketPeer::server);
    expect("\x89\x05\x48\x65\x6c\x6c\x6f", "ping(Hello) ", SocketPeer::server);
    expect("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "pong(Hello) ");
    std::string medium(256, 'm');
    expect("\x82\x7e\x01\x00"s + medium, "binary(" + medium + ") ", SocketPeer::server);
    std::string large(65536, 'l');
    expect("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"s + large, "binary(" + large + ") ",
           SocketPeer::server);
}

TEST(WebSocket, messages_whole_and_in_fragments) {
    struct Row {
        std::string wire;
        std::string said;
    };
    const Row rows[] = {
        {frame(0x81, ""), "text() "},
        {frame(0x82, ""), "binary() "},
        {frame(0x81, "a") + frame(0x82, "b"), "text(a) binary(b) "},
        {frame(0x01, "a") + frame(0x00, "b") + frame(0x80, "c"), "text(abc) "},
        {frame(0x02, "") + frame(0x00, "") + frame(0x80, ""), "binary() "},
        {frame(0x01, "a") + frame(0x89, "p") + frame(0x80, "c"), "ping(p) text(ac) "},
        {frame(0x01, "a") + frame(0x8a, "") + frame(0x00, "b") + frame(0x89, "q") +
             frame(0x80, ""),
         "pong() ping(q) text(ab) "},
        {frame(0x89, std::string(125, 'p')), "ping(" + std::string(125, 'p') + ") "},
        {frame(0x81, std::string(125, 'x')), "text(" + std::string(125, 'x') + ") "},
        {frame(0x81, std::string(126, 'x')), "text(" + std::string(126, 'x') + ") "},
    };
    for (const Row& row : rows) expect(row.wire, row.said);
}

TEST(WebSocket, what_must_fail) {
    struct Row {
        const char* what;
        std::string wire;
        const char* said;
    };
    const Row rows[] = {
        {"a reserved bit", frame(0xc1, "x"), "failed 1002 "},
        {"another", frame(0xa1, "x"), "failed 1002 "},
        {"the last", frame(0x91, "x"), "failed 1002 "},
        {"a reserved opcode", frame(0x83, "x"), "failed 1002 "},
        {"a reserved control opcode", frame(0x8b, ""), "failed 1002 "},
        {"no mask", "\x81\x01x", "failed 1002 "},
        {"a continuation of nothing", frame(0x80, "x"), "failed 1002 "},
        {"a message inside of another", frame(0x01, "a") + frame(0x81, "b"), "failed 1002 "},
        {"a continuation after the end", frame(0x81, "a") + frame(0x80, "b"),
         "text(a) failed 1002 "},
        {"a ping in fragments", frame(0x09, "x"), "failed 1002 "},
        {"a long ping", frame(0x89, std::string(126, 'p')), "failed 1002 "},
        {"a length of 125 in two bytes", frame(0x82, std::string(125, 'x'), 126), "failed 1002 "},
        {"a length of 65535 in eight", frame(0x82, std::string(65535, 'x'), 127), "failed 1002 "},
        {"a length with the highest bit", "\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00"s,
         "failed 1002 "},
        {"a close with half a code", frame(0x88, "\x03"), "failed 1002 "},
        {"a close reason that is not UTF-8", frame(0x88, "\x03\xe8\xff"), "failed 1007 "},
        {"text that is not UTF-8", frame(0x81, "a\xff"), "failed 1007 "},
        {"text that ends inside of a character", frame(0x81, "\xe2\x82"), "failed 1007 "},
        {"the same at the end of a fragment", frame(0x01, "\xe2\x82") + frame(0x80, ""),
         "failed 1007 "},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.what);
        expect(row.wire, row.said);
    }
    expect("\x81\x80\x00\x00\x00\x00"s, "failed 1002 ", SocketPeer::server);
}

TEST(WebSocket, close_codes) {
    for (unsigned code = 0; code < 6000; ++code) {
        std::string payload = {static_cast<char>(code >> 8), static_cast<char>(code & 255), 'b',
                               'y', 'e'};
        bool good = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
                    (code >= 3000 && code <= 4999);
        EXPECT_EQ(decode(frame(0x88, payload), 64),
                  good ? "close " + std::to_string(code) + "(bye) " : "failed 1002 ");
    }
    expect(frame(0x88, ""), "close 1005() ");
    expect(frame(0x88, "\x03\xe8"), "close 1000() ");
    // §5.5.1: nothing counts after it.
    expect(frame(0x88, "") + frame(0x81, "x") + "garbage", "close 1005() ");
}

TEST(WebSocket, limits_count_all_fragments) {
    std::string ten(10, 'x');
    expect(frame(0x81, ten), "text(" + ten + ") ", SocketPeer::client, 10);
    expect(frame(0x81, ten + "y"), "failed 1009 ", SocketPeer::client, 10);
    expect(frame(0x01, ten) + frame(0x80, "y"), "failed 1009 ", SocketPeer::client, 10);
    expect(frame(0x01, ten) + frame(0x80, ""), "text(" + ten + ") ", SocketPeer::client, 10);
    // The next message begins anew; a length near 2^63 must not wrap the sum.
    expect(frame(0x82, ten) + frame(0x82, ten), "binary(" + ten + ") binary(" + ten + ") ",
           SocketPeer::client, 10);
    expect(frame(0x02, ten) + "\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff"s, "failed 1009 ",
           SocketPeer::client, 10);
}

TEST(WebSocket, utf8) {
    struct Row {
        std::string_view text;
        bool valid;
    };
    const Row rows[] = {
        {"plain", true},
        {"\xc2\x80", true},
        {"\xdf\xbf", true},
        {"\xe0\xa0\x80", true},
        {"\xed\x9f\xbf", true},
        {"\xee\x80\x80", true},
        {"\xef\xbf\xbf", true},
        {"\xf0\x90\x80\x80", true},
        {"\xf4\x8f\xbf\xbf", true},
        {"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", true},
        {"\x80", false},
        {"\xbf", false},
        {"\xc0\x80", false},          // Overlong.
        {"\xc1\xbf", false},          // Overlong.
        {"\xe0\x80\x80", false},      // Overlong.
        {"\xe0\x9f\xbf", false},      // Overlong.
        {"\xf0\x8f\xbf\xbf", false},  // Overlong.
        {"\xed\xa0\x80", false},      // A surrogate.
        {"\xed\xbf\xbf", false},      // A surrogate.
        {"\xf4\x90\x80\x80", false},  // Above U+10FFFF.
        {"\xf5\x80\x80\x80", false},
        {"\xfe", false},
        {"\xff", false},
        {"\xc2", false},
        {"\xc2\x41", false},
        {"\xe1\x80\x41", false},
        {"\xf1\x80\x80\x41", false},
    };
    for (const Row& row : rows) {
        Utf8Check whole;
        EXPECT_EQ(whole.take(row.text) && whole.complete(), row.valid);
        Utf8Check bytes;
        bool valid = true;
        for (char c : row.text) valid = valid && bytes.take({&c, 1});
        EXPECT_EQ(valid && bytes.complete(), row.valid);
    }
}

TEST(WebSocket, heads_of_frames_that_are_sent) {
    char out[socket_head_bytes_max];
    auto head = [&](SocketOpcode kind, SocketFrame part, uint64_t size) {
        return std::string(out, write_socket_head(out, kind, part, size));
    };
    EXPECT_EQ(head(SocketOpcode::text, SocketFrame::whole, 5), "\x81\x05"s);
    EXPECT_EQ(head(SocketOpcode::text, SocketFrame::begins, 125), "\x01\x7d"s);
    EXPECT_EQ(head(SocketOpcode::text, SocketFrame::goes_on, 126), "\x00\x7e\x00\x7e"s);
    EXPECT_EQ(head(SocketOpcode::text, SocketFrame::ends, 65535), "\x80\x7e\xff\xff"s);
    EXPECT_EQ(head(SocketOpcode::binary, SocketFrame::whole, 65536),
              "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"s);
    EXPECT_EQ(head(SocketOpcode::close, SocketFrame::whole, 2), "\x88\x02"s);
}

// --- The handshake ---

SocketOffer offer(const std::string& lines, const std::string& first = "GET /chat HTTP/1.1") {
    RequestParser parser;
    RequestHead head;
    std::string text = first + "\r\nHost: server.example.com\r\n" + lines + "\r\n";
    ParseOutcome outcome = parser.parse(text.data(), text.size(), head);
    EXPECT_TRUE(outcome.complete()) << text;
    return check_socket_offer(head);
}

TEST(WebSocket, offers) {
    const std::string good = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    const std::string key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const std::string version = "Sec-WebSocket-Version: 13\r\n";
    EXPECT_EQ(offer(good + key + version), SocketOffer::good);
    EXPECT_EQ(offer("Upgrade: h2c, WebSocket\r\nConnection: keep-alive, upgrade\r\n" + key +
                    version),
              SocketOffer::good);
    EXPECT_EQ(offer("Upgrade: h2c\r\nConnection: upgrade\r\n" + key + version),
              SocketOffer::no_upgrade);
    EXPECT_EQ(offer("Upgrade: websocket\r\nConnection: close\r\n" + key + version),
              SocketOffer::no_upgrade);
    EXPECT_EQ(offer(key + version), SocketOffer::no_upgrade);
    EXPECT_EQ(offer(good + key + version, "GET /chat HTTP/1.0"), SocketOffer::no_upgrade);
    EXPECT_EQ(offer(good + key + version, "POST /chat HTTP/1.1"), SocketOffer::bad_method);
    EXPECT_EQ(offer(good + key), SocketOffer::bad_version);
    EXPECT_EQ(offer(good + key + "Sec-WebSocket-Version: 8\r\n"), SocketOffer::bad_version);
    EXPECT_EQ(offer(good + version), SocketOffer::bad_key);
    EXPECT_EQ(offer(good + version + key + key), SocketOffer::bad_key);
    for (const char* bad : {"", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ===",
                            "dGhlIHNhbXBsZSBub25jZQ=a", "dGhlIHNhbXBsZSBub25j!Q=="})
        EXPECT_EQ(offer(good + version + "Sec-WebSocket-Key: " + bad + "\r\n"),
                  SocketOffer::bad_key);
}

TEST(WebSocket, the_answer_to_a_key) {
    char out[socket_accept_bytes];
    write_socket_accept("dGhlIHNhbXBsZSBub25jZQ==", out);  // §1.3
    EXPECT_EQ(std::string(out, sizeof out), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    write_socket_accept("x3JJHMbDL1EzLkh9GBhXDw==", out);
    EXPECT_EQ(std::string(out, sizeof out), "HSmrc0sMlYUkAGmm5OPpG2HaGWk=");
}

}  // namespace
}  // namespace ringtime::http
