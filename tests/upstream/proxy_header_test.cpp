// PROXY headers, both versions, both ways.

#include "net/proxy_header.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ringtime::net {
namespace {

using State = ProxyHeaderReader::State;

constexpr std::string_view kSignature{"\r\n\r\n\0\r\nQUIT\n", 12};

std::string v2(uint8_t command, uint8_t family, const std::string& rest) {
    std::string text(kSignature);
    text += static_cast<char>(command);
    text += static_cast<char>(family);
    text += static_cast<char>(rest.size() >> 8);
    text += static_cast<char>(rest.size() & 0xff);
    return text + rest;
}

std::string shown(const PeerAddress& peer) {
    char text[PeerAddress::text_bytes_max];
    if (peer.family == 0) return "none";
    return std::string(peer.text(text)) + " " + std::to_string(peer.port);
}

struct Outcome {
    State state;
    size_t consumed;
    std::string source, destination;
    friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome read(std::string_view bytes, size_t step) {
    ProxyHeaderReader reader{};
    size_t consumed = 0;
    State state = State::need_more;
    for (size_t at = 0; at < bytes.size() && state == State::need_more; at += step) {
        ProxyHeaderReader::Step done = reader.feed(bytes.substr(at, step));
        consumed += done.consumed;
        state = done.state;
    }
    return {state, state == State::failed ? 0 : consumed, shown(reader.peers().source),
            shown(reader.peers().destination)};
}

/// Whole and byte by byte: the same.
Outcome outcome_of(std::string_view bytes) {
    Outcome whole = read(bytes, bytes.size());
    for (size_t step : {1, 2, 3, 7, 16}) {
        Outcome cut = read(bytes, step);
        EXPECT_EQ(cut.state, whole.state);
        if (whole.state == State::complete) {
            EXPECT_EQ(cut, whole);
        }
    }
    return whole;
}

TEST(ProxyHeader, good_ones_are_read_to_their_last_byte) {
    struct Row {
        std::string text, source, destination;
    };
    const std::string four("\x0a\x01\x02\x03\xc0\x00\x02\x01\x12\x34\x00\x50", 12);
    const std::string six = std::string(15, '\0') + '\x01' + std::string(15, '\0') + '\x02' +
                            std::string("\x00\x07\x01\xbb", 4);
    const std::vector<Row> rows = {
        {"PROXY TCP4 10.1.2.3 192.0.2.1 4660 80\r\n", "10.1.2.3 4660", "192.0.2.1 80"},
        {"PROXY TCP6 ::1 ::2 7 443\r\n", "::1 7", "::2 443"},
        {"PROXY TCP6 ::ffff:10.1.2.3 ::2 7 443\r\n", "10.1.2.3 7", "::2 443"},
        {"PROXY UNKNOWN\r\n", "none", "none"},
        {"PROXY UNKNOWN ff ff whatever\r\n", "none", "none"},
        {v2(0x21, 0x11, four), "10.1.2.3 4660", "192.0.2.1 80"},
        {v2(0x21, 0x11, four + std::string("\x04\x00\x01x", 4)), "10.1.2.3 4660", "192.0.2.1 80"},
        {v2(0x21, 0x21, six), "::1 7", "::2 443"},
        {v2(0x20, 0x00, ""), "none", "none"},
        {v2(0x20, 0x11, four), "none", "none"},
        {v2(0x21, 0x00, ""), "none", "none"},
        {v2(0x21, 0x31, std::string(216, 'p')), "unix 0", "unix 0"},
    };
    for (const Row& row : rows) {
        Outcome outcome = outcome_of(row.text + "GET / HTTP/1.1\r\n");
        EXPECT_EQ(outcome.state, State::complete) << row.text;
        EXPECT_EQ(outcome.consumed, row.text.size()) << row.text;
        EXPECT_EQ(outcome.source, row.source) << row.text;
        EXPECT_EQ(outcome.destination, row.destination) << row.text;
    }
}

TEST(ProxyHeader, everything_else_is_refused) {
    const std::string four(12, '\x01');
    const std::vector<std::string> rows = {
        "GET / HTTP/1.1\r\n", "proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n",
        "PROXY  TCP4 1.1.1.1 1.1.1.1 1 1\r\n", "PROXY TCP4 1.1.1.1  1.1.1.1 1 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n", "PROXY TCP4 1.1.1.1 1.1.1.1 1 1 \r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n", "PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 65536\r\n", "PROXY TCP4 1.1.1.1 1.1.1.1 -1 1\r\n",
        "PROXY TCP4 1.1.1.01 1.1.1.1 1 1\r\n", "PROXY TCP4 1.1.1.256 1.1.1.1 1 1\r\n",
        "PROXY TCP4 ::1 ::1 1 1\r\n", "PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n",
        "PROXY TCP4 localhost 1.1.1.1 1 1\r\n", "PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n",
        "PROXY\r\n", "PROXY \r\n", "PROXY TCP4\r\n", "PROXY UNKNOWN\r\r\n",
        "PROXY UNKNOWN " + std::string(100, 'x') + "\r\n", v2(0x11, 0x11, four),
        v2(0x22, 0x11, four), v2(0x21, 0x12, four), v2(0x21, 0x41, four),
        v2(0x21, 0x11, four.substr(1)), v2(0x21, 0x21, four), v2(0x21, 0x11, four + "x"),
        v2(0x21, 0x11, four + std::string("\x04\x00\x02x", 4)), v2(0x21, 0x00, "xx"),
        v2(0x21, 0x11, std::string(2000, '\0')),
        std::string("\r\n\r\n\0\r\nQUIX\n\x21\x11\0\0", 16)};
    for (const std::string& row : rows)
        EXPECT_EQ(outcome_of(row).state, State::failed) << row;
}

TEST(ProxyHeader, what_is_written_is_read_again) {
    ProxiedPeers peers;
    peers.source = {{10, 1, 2, 3}, 4660, AF_INET};
    peers.destination = {{192, 0, 2, 1}, 80, AF_INET};
    char text[proxy_header_bytes_max];
    for (auto write : {write_proxy_v1, write_proxy_v2}) {
        Outcome outcome = outcome_of({text, write(peers, text)});
        EXPECT_EQ(outcome.state, State::complete);
        EXPECT_EQ(outcome.source, "10.1.2.3 4660");
        EXPECT_EQ(outcome.destination, "192.0.2.1 80");
    }
    peers.source.family = peers.destination.family = AF_INET6;
    for (auto* peer : {&peers.source, &peers.destination})
        for (uint8_t& byte : peer->bytes) byte = 0xfe;
    for (auto write : {write_proxy_v1, write_proxy_v2}) {
        size_t size = write(peers, text);
        EXPECT_LE(size, proxy_header_bytes_max);
        EXPECT_EQ(outcome_of({text, size}).source,
                  "fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe 4660");
    }
    peers.source.family = AF_UNIX;
    for (auto write : {write_proxy_v1, write_proxy_v2}) {
        Outcome outcome = outcome_of({text, write(peers, text)});
        EXPECT_EQ(outcome.state, State::complete);
        EXPECT_EQ(outcome.source, "none");
    }
    EXPECT_EQ(outcome_of({text, write_proxy_v2_local(text)}).state, State::complete);
}

}  // namespace
}  // namespace ringtime::net
