#pragma once
// WebSockets for worker apps (RFC 6455), over worker.hpp; header only, C++17.
//
//     Response fetch(const Request& request) {
//         return websocket(request, [](WebSocket& socket) {
//             while (auto message = socket.receive()) socket.send(message->data);
//         });
//     }
//
// The connection belongs to `talk` until it returns; then it is closed. An instance of a
// synchronous app holds one connection at a time: `workersMax` is how many an app holds.
//
// What the client sends is checked: who breaks the protocol is told which rule (close codes 1002,
// 1007, 1009) and cut off. Pings are answered and fragments joined before `receive` returns.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ringtime/worker.hpp"

namespace ringtime::worker {

namespace detail {

inline uint32_t rotate_left(uint32_t value, unsigned count) {
    return value << count | value >> (32 - count);
}

inline void sha1_block(std::array<uint32_t, 5>& state, const unsigned char* block) {
    uint32_t words[80];
    for (int i = 0; i < 16; ++i)
        words[i] = uint32_t{block[4 * i]} << 24 | uint32_t{block[4 * i + 1]} << 16 |
                   uint32_t{block[4 * i + 2]} << 8 | block[4 * i + 3];
    for (int i = 16; i < 80; ++i)
        words[i] = rotate_left(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
    auto [a, b, c, d, e] = state;
    for (int i = 0; i < 80; ++i) {
        uint32_t mixed = i < 20   ? ((b & c) | (~b & d)) + 0x5a827999
                         : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                         : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                                  : (b ^ c ^ d) + 0xca62c1d6;
        uint32_t next = rotate_left(a, 5) + mixed + e + words[i];
        e = d;
        d = c;
        c = rotate_left(b, 30);
        b = a;
        a = next;
    }
    state = {state[0] + a, state[1] + b, state[2] + c, state[3] + d, state[4] + e};
}

/// Of a few bytes, as the handshake needs it; it protects nothing.
inline std::string sha1(std::string text) {
    std::array<uint32_t, 5> state{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint64_t bits = text.size() * 8;
    text.push_back('\x80');
    while (text.size() % 64 != 56) text.push_back('\0');
    for (int shift = 56; shift >= 0; shift -= 8) text.push_back(static_cast<char>(bits >> shift));
    for (size_t at = 0; at < text.size(); at += 64)
        sha1_block(state, reinterpret_cast<const unsigned char*>(text.data()) + at);
    std::string digest;
    for (uint32_t word : state)
        for (int shift = 24; shift >= 0; shift -= 8) digest += static_cast<char>(word >> shift);
    return digest;
}

inline std::string base64(std::string_view bytes) {
    static constexpr char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (size_t at = 0; at < bytes.size(); at += 3) {
        uint32_t three = 0;
        for (size_t i = 0; i < 3; ++i)
            three = three << 8 | (at + i < bytes.size() ? static_cast<uint8_t>(bytes[at + i]) : 0);
        for (size_t i = 0; i < 4; ++i)
            out += at + i <= bytes.size() ? letters[three >> (18 - 6 * i) & 63] : '=';
    }
    return out;
}

inline bool is_utf8(std::string_view text) {
    for (size_t at = 0; at < text.size();) {
        auto first = static_cast<uint8_t>(text[at++]);
        if (first < 0x80) continue;
        int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
        if (first < 0xc2 || first > 0xf4 || text.size() - at < static_cast<size_t>(more))
            return false;
        auto second = static_cast<uint8_t>(text[at]);
        // Overlong forms, surrogates and what lies beyond the last character.
        if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
            (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
            return false;
        for (int i = 0; i < more; ++i, ++at)
            if ((static_cast<uint8_t>(text[at]) & 0xc0) != 0x80) return false;
    }
    return true;
}

}  // namespace detail

class WebSocket {
  public:
    struct Message {
        std::string data;
        bool binary = false;
    };

    WebSocket(Socket& socket, size_t message_max) : socket_(socket), message_max_(message_max) {}

    /// The next message, waiting for it; nothing when the connection has ended.
    std::optional<Message> receive() {
        Message message;
        bool begun = false;
        while (open_) {
            Frame frame;
            if (!read_frame(frame, message.data.size())) break;
            if (frame.opcode >= close_frame) {
                take_control(frame);
                continue;
            }
            if ((frame.opcode == continuation) != begun) {
                close(1002);
                break;
            }
            if (!begun) message.binary = frame.opcode == binary_frame;
            begun = true;
            message.data += frame.payload;
            if (!frame.final) continue;
            if (message.binary || detail::is_utf8(message.data)) return message;
            close(1007);
        }
        return std::nullopt;
    }
    /// False when the connection has ended.
    bool send(std::string_view text) { return open_ && write(text_frame, text); }
    bool send_binary(std::string_view data) { return open_ && write(binary_frame, data); }
    /// The client answers a ping within `receive`.
    bool ping(std::string_view data = {}) {
        return open_ && write(ping_frame, data.substr(0, control_max));
    }
    /// Nothing is said or heard after it.
    void close(uint16_t code = 1000, std::string_view why = {}) {
        if (!open_) return;
        std::string body{static_cast<char>(code >> 8), static_cast<char>(code)};
        body += why.substr(0, control_max - 2);
        write(close_frame, body);
        open_ = false;
    }
    bool open() const { return open_; }

  private:
    static constexpr uint8_t continuation = 0, text_frame = 1, binary_frame = 2, close_frame = 8,
                             ping_frame = 9, pong_frame = 10;
    static constexpr size_t control_max = 125;
    struct Frame {
        std::string payload;
        uint8_t opcode = 0;
        bool final = false;
    };

    bool write(uint8_t opcode, std::string_view data) {
        std::string head{static_cast<char>(0x80 | opcode)};
        int bytes = data.size() < 126 ? 0 : data.size() < 65536 ? 2 : 8;
        head += static_cast<char>(bytes == 0 ? data.size() : bytes == 2 ? 126 : 127);
        for (int shift = 8 * bytes - 8; shift >= 0; shift -= 8)
            head += static_cast<char>(uint64_t{data.size()} >> shift);
        open_ = socket_.write(head) && socket_.write(data);
        socket_.flush();
        return open_;
    }

    bool take(char* out, size_t size) {
        while (size > 0) {
            if (rest_.empty()) rest_ = socket_.read();
            if (rest_.empty()) return open_ = false;
            size_t count = std::min(size, rest_.size());
            rest_.copy(out, count);
            rest_.remove_prefix(count);
            out += count;
            size -= count;
        }
        return true;
    }

    bool refuse(uint16_t code) {
        close(code);
        return false;
    }

    /// `before`: bytes of the message this frame goes on with.
    bool read_frame(Frame& frame, size_t before) {
        unsigned char head[2];
        unsigned char word[8] = {};
        unsigned char mask[4];
        if (!take(reinterpret_cast<char*>(head), 2)) return false;
        frame.final = (head[0] & 0x80) != 0;
        frame.opcode = head[0] & 0xf;
        uint64_t size = head[1] & 0x7f;
        bool control = frame.opcode >= close_frame;
        bool known = frame.opcode <= binary_frame || (control && frame.opcode <= pong_frame);
        bool masked = (head[1] & 0x80) != 0;
        if ((head[0] & 0x70) != 0 || !known || !masked ||
            (control && (!frame.final || size > control_max)))
            return refuse(1002);
        if (size > control_max) {
            size_t bytes = size == 126 ? 2 : 8;
            if (!take(reinterpret_cast<char*>(word), bytes)) return false;
            size = 0;
            for (size_t i = 0; i < bytes; ++i) size = size << 8 | word[i];
            bool shortest = bytes == 2 ? size > control_max : size > 65535;
            if (!shortest || size >> 63) return refuse(1002);
        }
        if (!control && size > message_max_ - before) return refuse(1009);
        if (!take(reinterpret_cast<char*>(mask), 4)) return false;
        frame.payload.resize(static_cast<size_t>(size));
        if (!take(frame.payload.data(), frame.payload.size())) return false;
        for (size_t i = 0; i < frame.payload.size(); ++i)
            frame.payload[i] = static_cast<char>(frame.payload[i] ^ mask[i % 4]);
        return true;
    }

    void take_control(const Frame& frame) {
        if (frame.opcode == ping_frame) write(pong_frame, frame.payload);
        if (frame.opcode != close_frame) return;
        if (frame.payload.empty()) return close();
        unsigned code = frame.payload.size() < 2
                            ? 0U
                            : static_cast<unsigned>(static_cast<uint8_t>(frame.payload[0])) << 8 |
                                  static_cast<uint8_t>(frame.payload[1]);
        bool speakable = (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 &&
                          code != 1006) ||
                         (code >= 3000 && code <= 4999);
        bool readable = detail::is_utf8(std::string_view(frame.payload).substr(
            std::min<size_t>(2, frame.payload.size())));
        close(!speakable ? 1002 : !readable ? 1007 : static_cast<uint16_t>(code));
    }

    Socket& socket_;
    const size_t message_max_;
    std::string_view rest_;  ///< Of what was read last: borrowed until the next read.
    bool open_ = true;
};

/// Answers a WebSocket handshake and lets `talk` have the connection. Anything else than a
/// handshake of version 13 is refused as the protocol says. `message_max`: of one message.
inline Response websocket(const Request& request, std::function<void(WebSocket&)> talk,
                          size_t message_max = 1 << 20) {
    auto is = [&](std::string_view name, std::string_view wanted) {
        auto value = request.header(name);
        return value && rtw_same_name(detail::text(*value), detail::text(wanted));
    };
    auto key = request.header("sec-websocket-key");
    if (!request.upgrade() || !is("upgrade", "websocket") || !is("sec-websocket-version", "13"))
        return Response::text("a WebSocket handshake is needed\n", 426)
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13");
    if (request.method() != "GET" || !key || key->size() != 24 || key->substr(22) != "==")
        return Response::text("not a WebSocket handshake\n", 400);
    std::string accept = detail::base64(
        detail::sha1(std::string(*key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    return Response::switching("websocket",
                               [talk = std::move(talk), message_max](Socket& bytes) {
                                   WebSocket socket(bytes, message_max);
                                   talk(socket);
                                   socket.close();
                               })
        .header("sec-websocket-accept", std::move(accept));
}

}  // namespace ringtime::worker
