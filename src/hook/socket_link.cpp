#include "hook/socket_link.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "hook/plugin.h"
#include "http/head_builder.h"
#include "http/websocket_handshake.h"

namespace ringtime::hook {

using http::SocketClose;
using http::SocketDecoder;
using http::SocketOpcode;

namespace {

// What a client may take to answer our close.
constexpr Milliseconds kCloseMs = 5'000;
// Unmasked at a time, on the stack.
constexpr size_t kScratchBytes = 4096;
// Of the client's bytes taken in before the exchange has its turn.
constexpr uint32_t kWindowBytes = 64 * 1024;
constexpr size_t kFirstMessageBytes = 4 * 1024;

SharedBytes* control_frame(SocketOpcode kind, std::string_view payload) noexcept {
    SharedBytes* frame = SharedBytes::make(2 + payload.size());
    if (!frame) return nullptr;
    (void)http::write_socket_head(frame->bytes(), kind, http::SocketFrame::whole, payload.size());
    if (!payload.empty()) std::memcpy(frame->bytes() + 2, payload.data(), payload.size());
    return frame;
}

}  // namespace

SocketLink::SocketLink(SocketEndpoint::Part& part, uint32_t index, SocketSlot& slot,
                       const Wake& wake, void* state) noexcept
    : part_(part),
      index_(index),
      name_(static_cast<uint64_t>(part.core->index()) << 56 | static_cast<uint64_t>(index) << 32 |
            (slot.generation.load(std::memory_order_relaxed) + 1)),
      slot_(slot),
      wake_(wake),
      state_(state),
      decoder_(http::SocketPeer::client, part.endpoint->options().message_bytes_max) {
    timer_.owner = this;
    timer_.on_expire = &on_deadline;
}

SocketLink::~SocketLink() {
    drop_queue();
    if (leaving_counted_ && leaving_) slot_.queued.fetch_sub(leaving_->view().size());
    for (SharedBytes** place : {&leaving_, &pong_, &ping_, &close_}) replace(*place, nullptr);
    std::free(message_);
}

void SocketLink::replace(SharedBytes*& place, SharedBytes* frame) noexcept {
    if (place) place->drop();
    place = frame;
}

bool SocketLink::prepare(std::string_view key, std::string_view protocol,
                         const ringtime_field_line* lines, size_t count) noexcept {
    char accept[http::socket_accept_bytes];
    http::write_socket_accept(key, accept);
    size_t size = 256 + protocol.size();
    for (size_t i = 0; i < count; ++i) size += lines[i].name.size + lines[i].value.size;
    head_text_.reset(new (std::nothrow) char[size]);
    if (!head_text_) return false;
    http::HeadBuilder builder(head_, 101, head_text_.get(), size);
    builder.add(http::FieldId::upgrade, "websocket");
    builder.add(http::FieldId::sec_websocket_accept, {accept, sizeof accept});
    if (!protocol.empty()) builder.add(http::FieldId::sec_websocket_protocol, protocol);
    for (size_t i = 0; i < count; ++i) builder.add(to_view(lines[i].name), to_view(lines[i].value));
    return builder.ok();
}

Error SocketLink::error() const noexcept {
    return {Reason::stalled, Source::client, Retry::no, 0, 0};
}

// --- Out ---

void SocketLink::queue(SharedBytes& frame) noexcept {
    auto* node = phase_ == State::open ? new (std::nothrow) Node{nullptr, &frame} : nullptr;
    if (!node) {
        slot_.queued.fetch_sub(frame.view().size());
        frame.drop();
        if (phase_ == State::open) cut();
        return;
    }
    (last_ ? last_->next : first_) = node;
    last_ = node;
    wake_();
}

void SocketLink::drop_queue() noexcept {
    while (Node* node = std::exchange(first_, first_ ? first_->next : nullptr)) {
        slot_.queued.fetch_sub(node->frame->view().size());
        node->frame->drop();
        delete node;
    }
    last_ = nullptr;
}

// The bytes are the connection's window now.
void SocketLink::sent_out(uint64_t size) noexcept {
    uint64_t left = slot_.queued.fetch_sub(size) - size;
    ++part_.sent;
    const ringtime_endpoint_options& events = part_.endpoint->events();
    if (left > part_.endpoint->options().queue_bytes_max / 2 || !events.on_room ||
        !slot_.wants_room.exchange(false))
        return;
    part_.plugin->call(Hook::websocket, [&] { events.on_room(events.user, name_, state_); });
}

// Control frames go between messages; the close behind all of them.
bool SocketLink::next_frame() noexcept {
    left_ = 0;
    leaving_counted_ = false;
    for (SharedBytes** control : {&pong_, &ping_}) {
        leaving_ = std::exchange(*control, nullptr);
        if (leaving_) return true;
    }
    if (Node* node = first_) {
        leaving_ = node->frame;
        leaving_counted_ = true;
        first_ = node->next;
        if (!first_) last_ = nullptr;
        delete node;
        return true;
    }
    leaving_ = std::exchange(close_, nullptr);
    return leaving_ != nullptr;
}

http::Pull SocketLink::pull(Piece& out, uint32_t max) noexcept {
    const ringtime_endpoint_options& events = part_.endpoint->events();
    if (!opened_) {
        opened_ = true;
        ++part_.opened;
        if (events.on_open)
            part_.plugin->call(Hook::websocket,
                               [&] { events.on_open(events.user, name_, state_); });
    }
    if (cut_) return http::Pull::failed;
    if (!leaving_ && !next_frame())
        return phase_ == State::closed ? http::Pull::end : http::Pull::pending;
    std::string_view rest = leaving_->view().substr(left_);
    out = leaving_->piece(rest.substr(0, max));
    left_ += out.size;
    if (out.size < rest.size()) return http::Pull::data;
    uint64_t size = leaving_->view().size();
    bool counted = std::exchange(leaving_counted_, false);
    replace(leaving_, nullptr);
    if (counted) sent_out(size);
    return http::Pull::data;
}

void SocketLink::ping() noexcept {
    if (!opened_ || phase_ != State::open) return;
    if (silent_ >= 2) {
        say_closed(static_cast<uint16_t>(SocketClose::abnormal), {});
        return cut();
    }
    ++silent_;
    replace(ping_, control_frame(SocketOpcode::ping, {}));
    wake_();
}

void SocketLink::cut() noexcept {
    cut_ = true;
    phase_ = State::closed;
    drop_queue();
    wake_();
}

// --- The end ---

void SocketLink::send_close(uint16_t code, std::string_view reason) noexcept {
    char payload[http::socket_control_bytes_max];
    size_t size = 0;
    if (code != static_cast<uint16_t>(SocketClose::no_status)) {
        payload[0] = static_cast<char>(code >> 8);
        payload[1] = static_cast<char>(code & 255);
        size = 2 + std::min(reason.size(), sizeof payload - 2);
        if (size > 2) std::memcpy(payload + 2, reason.data(), size - 2);
    }
    replace(close_, control_frame(SocketOpcode::close, {payload, size}));
    wake_();
}

void SocketLink::close(uint16_t code, std::string_view reason) noexcept {
    if (phase_ != State::open) return;
    phase_ = State::close_sent;
    send_close(code, reason);
    CorePort& port = part_.core->port();
    port.arm(timer_, port.now() + from_milliseconds(kCloseMs));
}

void SocketLink::on_deadline(loop::Timer& timer) noexcept {
    auto& self = *static_cast<SocketLink*>(timer.owner);
    self.say_closed(static_cast<uint16_t>(SocketClose::abnormal), {});
    self.cut();
}

void SocketLink::say_closed(uint16_t code, std::string_view reason) noexcept {
    if (std::exchange(told_, true)) return;
    const ringtime_endpoint_options& events = part_.endpoint->events();
    if (!events.on_close) return;
    part_.plugin->call(Hook::websocket, [&] {
        events.on_close(events.user, name_, state_, code, to_slice(reason));
    });
}

void SocketLink::release() noexcept {
    part_.core->port().disarm(timer_);
    say_closed(static_cast<uint16_t>(SocketClose::abnormal), {});
    part_.endpoint->leave(*this, index_);
    delete this;
}

// --- In ---

// A client that does not read what it is sent is not read either.
uint32_t SocketLink::room() const noexcept {
    bool behind = slot_.queued.load(std::memory_order_relaxed) >
                  part_.endpoint->options().queue_bytes_max / 2;
    return behind && phase_ == State::open ? 0 : kWindowBytes;
}

void SocketLink::push(const Piece& piece) noexcept {
    silent_ = 0;
    const char* data = piece.data;
    size_t left = piece.size;
    while (left > 0 && phase_ != State::closed) {
        size_t part = std::min(left, kScratchBytes);
        take_in(data, part);
        data += part;
        left -= part;
    }
    piece.release();
}

void SocketLink::take_in(const char* data, size_t size) noexcept {
    char scratch[kScratchBytes];
    while (phase_ != State::closed) {
        SocketDecoder::Step step = decoder_.decode(data, size, scratch);
        data += step.consumed;
        size -= step.consumed;
        switch (step.event) {
            case SocketDecoder::Event::more: return;
            case SocketDecoder::Event::data: take_data(step); break;
            case SocketDecoder::Event::ping:
                // One answer waits at most, so that a flood of pings costs nothing.
                replace(pong_, control_frame(SocketOpcode::pong, step.data));
                wake_();
                break;
            case SocketDecoder::Event::pong: break;
            case SocketDecoder::Event::close:
                if (phase_ == State::open) send_close(step.code, {});
                phase_ = State::closed;
                part_.core->port().disarm(timer_);
                say_closed(step.code, step.data);
                return wake_();
            case SocketDecoder::Event::failed:
                drop_queue();
                if (phase_ == State::open) send_close(step.code, {});
                phase_ = State::closed;
                part_.core->port().disarm(timer_);
                say_closed(step.code, {});
                return wake_();
        }
    }
}

void SocketLink::take_data(const SocketDecoder::Step& step) noexcept {
    if (phase_ != State::open) return;  // We have said goodbye: it is not listened to any more.
    if (step.last && message_size_ == 0) return hand_over(step.kind, step.data);
    if (!keep(step.data)) {
        drop_queue();
        close(static_cast<uint16_t>(SocketClose::internal), {});
        return;
    }
    if (!step.last) return;
    hand_over(step.kind, {message_, std::exchange(message_size_, 0)});
    // A large message now and then is no reason to hold its memory for days.
    if (message_capacity_ > kFirstMessageBytes) {
        std::free(std::exchange(message_, nullptr));
        message_capacity_ = 0;
    }
}

bool SocketLink::keep(std::string_view data) noexcept {
    size_t needed = message_size_ + data.size();
    if (needed > message_capacity_) {
        size_t capacity = std::max({needed, 2 * message_capacity_, kFirstMessageBytes});
        void* grown = std::realloc(message_, capacity);
        if (!grown) return false;
        message_ = static_cast<char*>(grown);
        message_capacity_ = capacity;
    }
    if (!data.empty()) std::memcpy(message_ + message_size_, data.data(), data.size());
    message_size_ = needed;
    return true;
}

void SocketLink::hand_over(SocketOpcode kind, std::string_view message) noexcept {
    ++part_.received;
    const ringtime_endpoint_options& events = part_.endpoint->events();
    if (!events.on_message) return;
    auto shown = kind == SocketOpcode::text ? RINGTIME_MESSAGE_TEXT : RINGTIME_MESSAGE_BINARY;
    part_.plugin->call(Hook::websocket, [&] {
        events.on_message(events.user, name_, state_, shown, to_slice(message));
    });
}

// FIN without a close (§7.1.5).
void SocketLink::finish() noexcept {
    if (phase_ == State::closed) return;
    part_.core->port().disarm(timer_);
    say_closed(static_cast<uint16_t>(SocketClose::abnormal), {});
    phase_ = State::closed;
    drop_queue();
    wake_();
}

}  // namespace ringtime::hook
