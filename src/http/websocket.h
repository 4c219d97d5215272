#pragma once
// WebSocket frames (RFC 6455) as bytes: a step machine that takes them apart in any cuts, and what
// writes their heads. Strict about everything the RFC says must fail, bounded, no allocation, no
// sockets. Payloads are unmasked into memory of the caller's: received bytes are never written to.
// No extension is ever agreed on, so a reserved bit is an error.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/utf8.h"

namespace ringtime::http {

enum class SocketOpcode : uint8_t {
    continuation = 0,
    text = 1,
    binary = 2,
    close = 8,
    ping = 9,
    pong = 10,
};

/// RFC 6455 §7.4.1.
enum class SocketClose : uint16_t {
    normal = 1000,
    going_away = 1001,
    protocol_error = 1002,
    unsupported = 1003,
    no_status = 1005,  ///< Never sent: the peer's close had no code.
    abnormal = 1006,   ///< Never sent: there was no close.
    bad_data = 1007,   ///< Text that is not UTF-8.
    policy = 1008,
    too_big = 1009,
    internal = 1011,
};

/// Whether a peer may send this code, or we for a plugin (§7.4.2; 1012 to 1014 are registered).
[[nodiscard]] constexpr bool is_socket_close_code(uint16_t code) noexcept {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

/// Who sent the frames that are decoded: clients mask, servers do not (§5.1).
enum class SocketPeer : uint8_t { client, server };

class SocketDecoder {
 public:
    /// `message_bytes_max`: of all fragments of a message together.
    SocketDecoder(SocketPeer peer, uint64_t message_bytes_max) noexcept
        : peer_(peer), message_bytes_max_(message_bytes_max) {}

    enum class Event : uint8_t {
        more,    ///< The input is used up.
        data,    ///< Bytes of a message, perhaps none.
        ping,    ///< To be answered with the same payload.
        pong,
        close,   ///< The peer's last frame.
        failed,  ///< The connection is failed with `code`; sticky.
    };
    struct Step {
        Event event = Event::more;
        size_t consumed = 0;
        std::string_view data;  ///< In `out`, or of this decoder until the next call.
        SocketOpcode kind = SocketOpcode::text;  ///< Of the message: text or binary.
        bool last = false;                       ///< data: the message ends here.
        uint16_t code = 0;                       ///< close: the peer's; failed: to be sent.
    };
    /// `out` has room for `size` bytes. Call again with what was not consumed, until `more`.
    [[nodiscard]] Step decode(const char* data, size_t size, char* out) noexcept;

 private:
    enum class State : uint8_t { head, length, mask, payload, closed, failed };

    [[nodiscard]] bool take_head_byte(uint8_t byte) noexcept;
    [[nodiscard]] bool check_head() noexcept;
    [[nodiscard]] bool begin_payload() noexcept;
    [[nodiscard]] Step take_payload(const char* data, size_t size, char* out) noexcept;
    [[nodiscard]] Step end_control() noexcept;
    [[nodiscard]] Step end_close() noexcept;
    [[nodiscard]] Step fail(SocketClose code) noexcept;
    void unmask(const char* from, size_t size, char* to) noexcept;
    [[nodiscard]] bool control() const noexcept { return static_cast<uint8_t>(opcode_) >= 8; }

    SocketPeer peer_;
    uint64_t message_bytes_max_;
    State state_ = State::head;
    SocketClose failure_ = SocketClose::protocol_error;
    SocketOpcode opcode_ = SocketOpcode::text;
    SocketOpcode kind_ = SocketOpcode::text;
    bool final_ = false;
    bool masked_ = false;
    bool in_message_ = false;
    uint8_t head_bytes_ = 0;   ///< Taken of the first two.
    uint8_t extra_bytes_ = 0;  ///< Of length or mask that are still to come.
    uint8_t length_code_ = 0;
    uint64_t length_ = 0;  ///< Of the frame's payload.
    uint64_t taken_ = 0;   ///< Of that.
    uint64_t message_bytes_ = 0;
    uint8_t mask_[4] = {};
    char control_[125];
    Utf8Check utf8_;
};

/// The head of an unmasked frame is at most this long.
inline constexpr size_t socket_head_bytes_max = 10;
enum class SocketFrame : uint8_t { whole, begins, goes_on, ends };
/// Writes the head of a frame a server sends (never masked, §5.1); how many bytes that were.
[[nodiscard]] size_t write_socket_head(char* out, SocketOpcode kind, SocketFrame part,
                                       uint64_t payload_bytes) noexcept;
/// A control frame's payload.
inline constexpr size_t socket_control_bytes_max = 125;

}  // namespace ringtime::http
