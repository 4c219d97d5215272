#include "http/websocket.h"

#include <algorithm>
#include <cstring>

namespace ringtime::http {
namespace {

constexpr uint8_t kFinal = 0x80;
constexpr uint8_t kReserved = 0x70;
constexpr uint8_t kMasked = 0x80;
constexpr uint8_t kLength16 = 126;
constexpr uint8_t kLength64 = 127;

constexpr bool known_opcode(uint8_t code) noexcept {
    return code <= 2 || (code >= 8 && code <= 10);
}

}  // namespace

// The first two bytes (§5.2). False: the frame cannot be right.
bool SocketDecoder::take_head_byte(uint8_t byte) noexcept {
    if (head_bytes_++ == 0) {
        if (byte & kReserved || !known_opcode(byte & 0x0f)) return false;
        final_ = (byte & kFinal) != 0;
        opcode_ = static_cast<SocketOpcode>(byte & 0x0f);
        return true;
    }
    head_bytes_ = 0;
    masked_ = (byte & kMasked) != 0;
    length_code_ = byte & 0x7f;
    length_ = length_code_ < kLength16 ? length_code_ : 0;
    taken_ = 0;
    extra_bytes_ = length_code_ == kLength16 ? 2 : length_code_ == kLength64 ? 8 : 0;
    state_ = State::length;
    return check_head();
}

bool SocketDecoder::check_head() noexcept {
    if (masked_ != (peer_ == SocketPeer::client)) return false;
    // §5.5: control frames are short and whole, and may come between fragments.
    if (control()) return final_ && length_code_ < kLength16;
    // §5.4: a message is one frame that names its kind, and continuations.
    return in_message_ == (opcode_ == SocketOpcode::continuation);
}

// The length is known. False: it cannot be right.
bool SocketDecoder::begin_payload() noexcept {
    bool shortest = length_code_ < kLength16 ||
                    (length_code_ == kLength16 && length_ >= kLength16) ||
                    (length_ > UINT16_MAX && length_ >> 63 == 0);
    if (!shortest) return false;
    extra_bytes_ = masked_ ? 4 : 0;
    state_ = masked_ ? State::mask : State::payload;
    if (control()) return true;
    if (opcode_ != SocketOpcode::continuation) {
        kind_ = opcode_;
        message_bytes_ = 0;
        utf8_ = {};
    }
    in_message_ = true;
    if (length_ > message_bytes_max_ - message_bytes_) {
        failure_ = SocketClose::too_big;
        return false;
    }
    message_bytes_ += length_;
    return true;
}

SocketDecoder::Step SocketDecoder::decode(const char* data, size_t size, char* out) noexcept {
    size_t used = 0;
    auto done = [&](Step step) {
        step.consumed += used;
        return step;
    };
    for (;;) {
        switch (state_) {
            case State::failed: return done(fail(failure_));
            case State::closed: return {Event::more, size, {}, kind_, false, 0};  // §5.5.1
            case State::length:
                if (extra_bytes_ == 0) {
                    if (!begin_payload()) return done(fail(failure_));
                    continue;
                }
                break;
            case State::payload: {
                // A frame without a payload needs no more input to be over.
                if (used == size && taken_ < length_) return done({});
                Step step = take_payload(data + used, size - used, out);
                if (step.event != Event::more) return done(step);
                used += step.consumed;
                continue;
            }
            case State::head:
            case State::mask: break;
        }
        if (used == size) return done({});
        auto byte = static_cast<uint8_t>(data[used++]);
        if (state_ == State::head) {
            if (!take_head_byte(byte)) return done(fail(failure_));
        } else if (state_ == State::length) {
            length_ = length_ << 8 | byte;
            --extra_bytes_;
        } else {
            mask_[4 - extra_bytes_] = byte;
            if (--extra_bytes_ == 0) state_ = State::payload;
        }
    }
}

SocketDecoder::Step SocketDecoder::take_payload(const char* data, size_t size, char* out) noexcept {
    auto part = static_cast<size_t>(std::min<uint64_t>(size, length_ - taken_));
    char* to = control() ? control_ + taken_ : out;
    unmask(data, part, to);
    taken_ += part;
    bool over = taken_ == length_;
    if (control()) {
        Step step = over ? end_control() : Step{};
        step.consumed = part;
        return step;
    }
    if (over) state_ = State::head;
    bool last = over && final_;
    if (last) in_message_ = false;
    std::string_view text(to, part);
    bool valid = kind_ != SocketOpcode::text || (utf8_.take(text) && (!last || utf8_.complete()));
    if (!valid) return fail(SocketClose::bad_data);
    // An empty fragment in the middle of a message says nothing.
    if (part == 0 && !last) return {};
    return {Event::data, part, text, kind_, last, 0};
}

SocketDecoder::Step SocketDecoder::end_control() noexcept {
    state_ = State::head;
    std::string_view payload(control_, static_cast<size_t>(length_));
    if (opcode_ == SocketOpcode::close) return end_close();
    Event event = opcode_ == SocketOpcode::ping ? Event::ping : Event::pong;
    return {event, 0, payload, kind_, false, 0};
}

// §5.5.1: nothing, or a code and perhaps a reason in UTF-8.
SocketDecoder::Step SocketDecoder::end_close() noexcept {
    std::string_view payload(control_, static_cast<size_t>(length_));
    state_ = State::closed;
    if (payload.empty())
        return {Event::close, 0, {}, kind_, false, static_cast<uint16_t>(SocketClose::no_status)};
    if (payload.size() < 2) return fail(SocketClose::protocol_error);
    auto code = static_cast<uint16_t>(static_cast<uint8_t>(payload[0]) << 8 |
                                      static_cast<uint8_t>(payload[1]));
    if (!is_socket_close_code(code)) return fail(SocketClose::protocol_error);
    payload.remove_prefix(2);
    Utf8Check check;
    if (!check.take(payload) || !check.complete()) return fail(SocketClose::bad_data);
    return {Event::close, 0, payload, kind_, false, code};
}

SocketDecoder::Step SocketDecoder::fail(SocketClose code) noexcept {
    state_ = State::failed;
    failure_ = code;
    return {Event::failed, 0, {}, kind_, false, static_cast<uint16_t>(code)};
}

// §5.3. Eight bytes at a time once the mask has been turned to where the payload stands.
void SocketDecoder::unmask(const char* from, size_t size, char* to) noexcept {
    if (!masked_) {
        if (size > 0) std::memcpy(to, from, size);
        return;
    }
    uint8_t turned[8];
    for (size_t i = 0; i < 8; ++i) turned[i] = mask_[(taken_ + i) & 3];
    uint64_t wide = 0;
    std::memcpy(&wide, turned, sizeof wide);
    size_t at = 0;
    for (; at + 8 <= size; at += 8) {
        uint64_t word = 0;
        std::memcpy(&word, from + at, sizeof word);
        word ^= wide;
        std::memcpy(to + at, &word, sizeof word);
    }
    for (; at < size; ++at)
        to[at] = static_cast<char>(static_cast<uint8_t>(from[at]) ^ turned[at & 7]);
}

size_t write_socket_head(char* out, SocketOpcode kind, SocketFrame part,
                         uint64_t payload_bytes) noexcept {
    bool final = part == SocketFrame::whole || part == SocketFrame::ends;
    bool names_kind = part == SocketFrame::whole || part == SocketFrame::begins;
    uint8_t opcode = names_kind ? static_cast<uint8_t>(kind) : 0;
    out[0] = static_cast<char>(opcode | (final ? kFinal : 0));
    if (payload_bytes < kLength16) {
        out[1] = static_cast<char>(payload_bytes);
        return 2;
    }
    size_t width = payload_bytes <= UINT16_MAX ? 2 : 8;
    out[1] = static_cast<char>(width == 2 ? kLength16 : kLength64);
    for (size_t i = 0; i < width; ++i)
        out[2 + i] = static_cast<char>(payload_bytes >> (8 * (width - 1 - i)));
    return 2 + width;
}

}  // namespace ringtime::http
