#include "exchange/http1_connection.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <type_traits>

#include "exchange/core.h"
#include "exchange/exchange.h"
#include "exchange/limits.h"
#include "http/chunk_writer.h"
#include "http/head_reader.h"
#include "net/proxy_header.h"
#include "ring/direct.h"

namespace ringtime::exchange {

using http::Pull;
using net::Receive;
using net::Stream;

namespace {

constexpr size_t kUsualHeadBytes = 1024;
constexpr size_t kLargestHeadBytes = limits::head_bytes_max + 8 * 1024;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

Piece static_piece(std::string_view text) noexcept {
    return {text.data(), static_cast<uint32_t>(text.size()), nullptr, 0};
}

}  // namespace

Http1Connection::Http1Connection(Core& core, int fd, const net::PeerAddress& peer,
                                 net::Preface preface) noexcept
    : core_(core),
      stream_(core.io),
      peer_(peer),
      preface_pending_(preface == net::Preface::proxy_header) {
    membership_.connection = this;
    timer_.owner = this;
    timer_.on_expire = [](loop::Timer& timer) noexcept {
        static_cast<Http1Connection*>(timer.owner)->on_deadline();
    };
    stream_.open(fd, *this);
    stream_.receive(Receive::small);
    set_deadline(core_.snapshot().timeouts.head_ms);
}

// One without a request holds nothing but this; what a request needs is its exchange's.
static_assert(sizeof(Http1Connection) <= 448);

Http1Connection::~Http1Connection() {
    ASSERT(!exchange_);
    core_.reactor.disarm(timer_);
    loop::Reactor::forget(static_cast<loop::Runnable&>(*this));
    core_.io.texts.let_go(text_);
}

void Http1Connection::run() noexcept {
    if (stream_.closed()) return core_.gone(*this);
    switch (phase_) {
        case Phase::head: return read_head();
        case Phase::exchange:
            notice_half_close();
            // What has come and nobody takes is not the client's delay: requests wait in queues.
            if (!stream_.readable().empty() || holds_back())
                exchange_->pace.receive(0, core_.reactor.now());
            hold_pipelined();
            return exchange_->wake();
        case Phase::linger: return linger();
        case Phase::closing: return;
    }
}

// --- Requests ---

net::PeerAddress Http1Connection::local_address() const noexcept {
    sockaddr_storage storage{};
    auto* address = reinterpret_cast<sockaddr*>(&storage);
    if (!ring::socket_address(stream_.fd(), address, sizeof storage)) return {};
    return net::PeerAddress::from(address);
}

// The reader lies in a block of text, so that a connection has no room for it in between. False
// until the whole header is here. What is no header is nothing anybody could answer.
bool Http1Connection::read_preface() noexcept {
    using Reader = net::ProxyHeaderReader;
    static_assert(std::is_trivially_destructible_v<Reader> && alignof(Reader) <= 4);
    if (!text_) {
        char* memory = core_.io.texts.reserve(text_, sizeof(Reader));
        if (!memory) {
            close(Stream::Close::abortive);
            return false;
        }
        new (memory) Reader{};
    }
    auto& reader = *reinterpret_cast<Reader*>(text_->bytes());
    while (!stream_.readable().empty()) {
        Reader::Step step = reader.feed(stream_.readable());
        stream_.consume(step.consumed);
        if (step.state == Reader::State::need_more) continue;
        if (step.state == Reader::State::failed) {
            ++core_.counters.refused_heads;
            close(Stream::Close::abortive);
            return false;
        }
        // A proxy that speaks for itself is its own client.
        if (reader.peers().source.family != 0) peer_ = reader.peers().source;
        core_.io.texts.let_go(text_);
        preface_pending_ = false;
        return true;
    }
    if (stream_.ended()) close(Stream::Close::graceful);
    return false;
}

void Http1Connection::read_head() noexcept {
    if (stream_.failed()) return close(Stream::Close::graceful);
    if (preface_pending_ && !read_preface()) return;
    // Pipelined requests wait until the client has taken enough of the answers before them.
    if (stream_.room() == 0) return;
    if (stream_.readable().empty()) {
        if (stream_.ended()) leave();
        return;
    }
    if (!exchange_) {
        exchange_ = core_.io.buffers_scarce() ? nullptr : core_.take_exchange();
        if (!exchange_) return refuse({Reason::overload, Source::gateway, Retry::no, 0, 0});
        exchange_->started = core_.reactor.now();
        exchange_->head.method = http::Method::other;
        exchange_->parser = http::RequestParser(core_.snapshot().head_limits);
        set_deadline(core_.snapshot().timeouts.head_ms);
    }
    http::ParseOutcome outcome = http::read_head(exchange_->parser, exchange_->head, stream_,
                                                 exchange_->gather, exchange_->head_pin);
    if (outcome.failed()) return refuse(outcome.error);
    if (outcome.complete()) return begin_exchange();
    if (stream_.ended()) leave();
}

void Http1Connection::begin_exchange() noexcept {
    Result<http::Framing> framing = http::decide_framing(exchange_->head);
    if (!framing.ok()) return refuse(framing.error());
    exchange_->framing = *framing;
    exchange_->body_decoder = http::BodyDecoder(*framing);
    phase_ = Phase::exchange;
    keep_alive_ = framing->keep_alive;
    http_1_0_ = exchange_->head.version == http::Version::http_1_0;
    expect_continue_ = framing->expect_continue;
    body_wanted_ = exchange_->head.method != http::Method::head;
    response_started_ = response_finished_ = tunnel_ = fin_received_ = false;
    cut_ = Cut::no;
    exchange_->body_error = {};
    exchange_->pace.begin(core_.reactor.now());
    exchange_->half_closed_at = 0;
    set_deadline(progress_period());
    exchange_->begin(*this);
}

// Nothing of what was refused may be taken for another request: answer, then read only to discard.
void Http1Connection::refuse(Error error) noexcept {
    ++core_.counters.refused_heads;
    core_.counters.because_of(error.reason);
    // Known once the request line was read: an answer to HEAD has no body even here.
    bool to_head = exchange_ && exchange_->head.method == http::Method::head;
    if (exchange_) {
        core_.give_exchange(*exchange_);
        exchange_ = nullptr;
    }
    const ReasonInfo& info = describe(error.reason);
    char id_text[Core::request_id_bytes];
    std::string_view id = core_.new_request_id(id_text);
    if (char* out = core_.io.texts.reserve(text_, kUsualHeadBytes)) {
        http::HeadWriter writer(out, kUsualHeadBytes);
        writer.status_line(info.status);
        writer.field("date", core_.date());
        writer.field("x-request-id", id);
        writer.prepared("connection: close\r\ncontent-type: text/plain; charset=utf-8\r\n");
        writer.number_field("content-length", info.message.size() + 1);
        if (error.reason == Reason::method_not_allowed) writer.field("allow", kServedMethods);
        if (core_.snapshot().debug) writer.field("x-ringtime-reason", info.name);
        writer.end();
        stream_.push(core_.io.texts.commit(*text_, writer.size()));
        if (!to_head) {
            stream_.push(static_piece(info.message));
            stream_.push(static_piece("\n"));
        }
    }
    AccessEntry entry;
    char peer_text[net::PeerAddress::text_bytes_max];
    entry.wall_ms = core_.wall_ms();
    entry.request_id = id;
    entry.peer = peer_.text(peer_text);
    entry.reason = error.reason;
    entry.cause = cause_of(error);
    entry.status = info.status;
    entry.bytes_sent = to_head ? 0 : info.message.size() + 1;
    entry.complete = true;
    if (core_.access_log.wanted()) core_.access_log.add(entry);
    start_linger();
}

void Http1Connection::keep_trailers(http::TrailerStore& store) noexcept {
    exchange_->body_decoder = http::BodyDecoder(exchange_->framing, Source::client, &store);
}

Pull Http1Connection::pull(Piece& out, uint32_t max) noexcept {
    if (exchange_->conduit.held() > 0) return Pull::pending;
    while (!exchange_->body_decoder.done() && exchange_->body_error.ok()) {
        std::string_view text = stream_.readable();
        if (text.empty()) {
            if (tunnel_ && stream_.ended() && !stream_.failed()) {
                if (!fin_received_) watch_tunnel();
                fin_received_ = true;
                return Pull::end;
            }
            if (stream_.ended() || stream_.failed()) {
                exchange_->body_error = {Reason::client_closed, Source::client, Retry::no, 0, 0};
                return Pull::failed;
            }
            // Whoever takes the body is not ready for it, and the kernel keeps what comes.
            if (exchange_->conduit.open() && holds_back()) return Pull::pending;
            ask_for_body();
            if (!exchange_->conduit.open()) stream_.receive(Receive::bulk);
            return Pull::pending;
        }
        if (text.size() > max) text = text.substr(0, max);
        http::BodyDecoder::Step step = exchange_->body_decoder.decode(text.data(), text.size());
        exchange_->pace.receive(step.consumed, core_.reactor.now());
        if (!step.error.ok()) exchange_->body_error = step.error;
        if (step.size > 0) {
            out = stream_.pin();
            out.data = step.data;
            out.size = static_cast<uint32_t>(step.size);
        }
        stream_.consume(static_cast<uint32_t>(step.consumed));
        if (step.size > 0) return Pull::data;
    }
    return exchange_->body_error.ok() ? Pull::end : Pull::failed;
}

void Http1Connection::ask_for_body() noexcept {
    exchange_->pace.wait(core_.reactor.now());
    if (!expect_continue_ || response_started_) return;
    stream_.push(static_piece(kContinue));
    expect_continue_ = false;
}

// Only where it is known what is the body's and what is not, and when enough of it is to come that
// leaving the mode for heads pays.
bool Http1Connection::may_bypass(size_t bytes_min) const noexcept {
    if (exchange_->framing.kind != http::BodyKind::length || exchange_->body_decoder.done() ||
        !exchange_->body_error.ok() || tunnel_ || !stream_.readable().empty() ||
        stream_.ended() || stream_.failed())
        return false;
    return stream_.receive_mode() == Receive::watch ||
           exchange_->body_decoder.expected() >= bytes_min;
}

http::InPlace Http1Connection::in_place() noexcept {
    if (!may_bypass(limits::in_place_bytes_min)) return http::InPlace::no;
    stream_.receive(Receive::watch);
    if (holds_back()) return http::InPlace::ready;
    ask_for_body();
    return http::InPlace::pending;
}

// Bytes may be with the kernel that nobody has asked for.
bool Http1Connection::holds_back() const noexcept {
    return stream_.receive_mode() == Receive::watch && !stream_.waits();
}

uint32_t Http1Connection::receive_into(char* memory, uint32_t size) noexcept {
    http::BodyDecoder& decoder = exchange_->body_decoder;
    // What lies behind the body is another request's.
    size = static_cast<uint32_t>(std::min<uint64_t>(size, decoder.expected()));
    uint32_t received = stream_.receive_into(memory, size);
    if (received == 0) return 0;
    exchange_->pace.receive(received, core_.reactor.now());
    http::BodyDecoder::Step step = decoder.decode(memory, received);
    ASSERT(step.size == received);
    // From here on the end of the connection is looked for, and the next head.
    if (decoder.done()) stream_.receive(Receive::small);
    return received;
}

http::FileRange Http1Connection::file() noexcept {
    net::Conduit& conduit = exchange_->conduit;
    if (conduit.held() == 0) {
        if (!may_bypass(core_.settings.spliced_upload_bytes_min)) return {};
        http::BodyDecoder& decoder = exchange_->body_decoder;
        conduit.fill(stream_, decoder.expected());
        if (conduit.held() == 0) return {};
        exchange_->pace.receive(conduit.held(), core_.reactor.now());
        decoder.skip(conduit.held());
        if (decoder.done()) stream_.receive(Receive::small);
    }
    return {conduit.from(), 0, conduit.held(), true};
}

void Http1Connection::skip(uint64_t size) noexcept { exchange_->conduit.skip(size); }

Error Http1Connection::error() const noexcept { return exchange_->body_error; }

uint64_t Http1Connection::length() const noexcept {
    switch (exchange_->framing.kind) {
        case http::BodyKind::none: return 0;
        case http::BodyKind::length: return exchange_->framing.length;
        case http::BodyKind::chunked:
        case http::BodyKind::until_close: return unknown_length;
    }
    return unknown_length;
}

// Requests sent ahead wait in the kernel, not in our buffers: a client that sends many must not
// take them from the others. When buffers are scarce even what has arrived is dropped, and the
// connection ends with the current answer: the client asks again (RFC 9112 §9.3.2).
void Http1Connection::hold_pipelined() noexcept {
    if (tunnel_ || !exchange_->body_decoder.done() || stream_.readable().empty()) return;
    stream_.receive(Receive::off);
    if (!core_.io.buffers_scarce()) return;
    keep_alive_ = false;
    while (!stream_.readable().empty())
        stream_.consume(static_cast<uint32_t>(stream_.readable().size()));
}

// --- Answers ---

bool Http1Connection::may_keep_alive() const noexcept {
    return keep_alive_ && !core_.draining() && !(stream_.ended() && stream_.readable().empty());
}

// Drops what has arrived of a body nobody wants. False when that is not all of it: waiting for the
// rest would let a client feed us for ever.
bool Http1Connection::skip_body() noexcept {
    while (!exchange_->body_decoder.done() && !stream_.readable().empty()) {
        std::string_view text = stream_.readable();
        http::BodyDecoder::Step step = exchange_->body_decoder.decode(text.data(), text.size());
        stream_.consume(static_cast<uint32_t>(step.consumed));
        if (!step.error.ok()) return false;
    }
    return exchange_->body_decoder.done();
}

bool Http1Connection::write_head(const ResponseStart& start, size_t capacity) noexcept {
    char* out = core_.io.texts.reserve(text_, capacity);
    if (!out) return false;
    http::HeadWriter writer(out, capacity);
    writer.status_line(start.status);
    bool has_date = false;
    const http::FieldTable& received = start.fields->received();
    start.fields->for_each_line(
        [&](const http::Field& field) {
            has_date = has_date || field.id == http::FieldId::date;
            writer.received_field(received, field);
        },
        [&](const http::Addition& added) { writer.field(added.name, added.value); });
    if (!has_date) writer.field("date", core_.date());
    if (coding_ == Coding::chunked) {
        writer.prepared("transfer-encoding: chunked\r\n");
    } else if (coding_ == Coding::length || (!body_wanted_ && start.length != unknown_length &&
                                             start.status >= 200 && start.status != 204)) {
        writer.number_field("content-length", start.length);
    }
    if (!start.upgrade.empty()) {
        bool ends = !tunnel_ && !keep_alive_;
        writer.prepared(ends ? "connection: upgrade, close\r\n" : "connection: upgrade\r\n");
        writer.field("upgrade", start.upgrade);
    } else if (!keep_alive_) {
        writer.prepared("connection: close\r\n");
    } else if (http_1_0_) {
        writer.prepared("connection: keep-alive\r\n");
    }
    writer.end();
    if (!writer.ok()) return false;
    stream_.push(core_.io.texts.commit(*text_, writer.size()));
    return true;
}

void Http1Connection::start_response(const ResponseStart& start) noexcept {
    ASSERT(!response_started_);
    response_started_ = true;
    if (start.status == 204 || start.status == 304) body_wanted_ = false;
    if (!may_keep_alive() || start.after == AfterResponse::close ||
        (start.after == AfterResponse::discard_body && !skip_body()))
        keep_alive_ = false;
    tunnel_ = start.status == 101;
    if (tunnel_) {
        coding_ = Coding::until_close;
        keep_alive_ = false;
        http::Framing raw;
        raw.kind = http::BodyKind::until_close;
        exchange_->body_decoder = http::BodyDecoder(raw);
    } else if (!body_wanted_) {
        coding_ = Coding::none;
    } else if (start.length != unknown_length) {
        coding_ = Coding::length;
        remaining_ = start.length;
    } else if (http_1_0_) {
        coding_ = Coding::until_close;
        keep_alive_ = false;
    } else {
        coding_ = Coding::chunked;
    }
    if (!write_head(start, kUsualHeadBytes) && !write_head(start, kLargestHeadBytes))
        cut_ = Cut::by_reset;
    if (tunnel_) watch_tunnel();
}

void Http1Connection::send_interim(uint16_t status, const http::FieldDraft& fields) noexcept {
    if (http_1_0_ || (status == 100 && !expect_continue_)) return;
    if (status == 100) {
        expect_continue_ = false;
        return stream_.push(static_piece(kContinue));
    }
    char* out = core_.io.texts.reserve(text_, kLargestHeadBytes);
    if (!out) return;
    http::HeadWriter writer(out, kLargestHeadBytes);
    writer.status_line(status);
    fields.for_each([&](std::string_view name, std::string_view value, http::FieldId) {
        writer.field(name, value);
    });
    writer.end();
    if (writer.ok()) stream_.push(core_.io.texts.commit(*text_, writer.size()));
}

uint32_t Http1Connection::room() const noexcept {
    return cut_ != Cut::no ? 0 : stream_.room();
}

void Http1Connection::push(const Piece& piece) noexcept {
    switch (coding_) {
        case Coding::none: return piece.release();
        case Coding::until_close: return push_bytes(piece);
        case Coding::chunked:
            if (!http::push_chunk(stream_, core_.io.texts, text_, piece)) abort_response();
            return;
        case Coding::length:
            if (piece.size > remaining_) {
                // More than was announced would be taken for another answer.
                piece.release();
                return abort_response();
            }
            remaining_ -= piece.size;
            return push_bytes(piece);
    }
}

// A small body is copied behind its head, with which it leaves in one run of bytes: that costs less
// than to have the kernel gather two, and what is small is in the cache anyway.
void Http1Connection::push_bytes(const Piece& piece) noexcept {
    char* out = nullptr;
    if (piece.size <= http::copied_piece_bytes_max && text_)
        out = core_.io.texts.reserve(text_, piece.size);
    if (!out) return stream_.push(piece);
    std::memcpy(out, piece.data, piece.size);
    piece.release();
    stream_.push(core_.io.texts.commit(*text_, piece.size));
}

bool Http1Connection::takes_files() const noexcept {
    return coding_ == Coding::length && cut_ == Cut::no && stream_.takes_files();
}

uint64_t Http1Connection::send_file(const http::FileRange& range) noexcept {
    if (range.size > remaining_) {
        abort_response();
        return 0;
    }
    uint64_t sent = range.pipe ? stream_.send_pipe(range.fd, range.size)
                               : stream_.send_file(range.fd, range.offset, range.size);
    remaining_ -= sent;
    return sent;
}

void Http1Connection::end_body(const http::FieldTable* trailers) noexcept {
    if (coding_ == Coding::length && remaining_ != 0) return abort_response();
    if (coding_ == Coding::chunked)
        http::push_last_chunk(stream_, core_.io.texts, text_, trailers);
    response_finished_ = true;
    if (tunnel_) {
        stream_.finish_sending();
        watch_tunnel();
    }
}

// A reset may destroy bytes on their way that are good; it is kept for where nothing else tells the
// client (RFC 9112 §8).
void Http1Connection::abort_response() noexcept {
    if (cut_ != Cut::no) return;
    bool framed = coding_ == Coding::length || coding_ == Coding::chunked;
    cut_ = response_started_ && framed ? Cut::shown : Cut::by_reset;
}

bool Http1Connection::client_gone() const noexcept {
    return stream_.failed() || cut_ != Cut::no;
}

void Http1Connection::exchange_ended() noexcept {
    exchange_->conduit.close();
    bool answered = !stream_.failed() && cut_ == Cut::no && response_finished_;
    bool stays = answered && keep_alive_ && skip_body();
    core_.give_exchange(*exchange_);
    exchange_ = nullptr;
    core_.io.texts.let_go(text_);
    if (stream_.failed() || cut_ == Cut::by_reset) return close(Stream::Close::abortive);
    if (cut_ == Cut::shown) return start_linger();
    if (!response_finished_) return close(Stream::Close::abortive);
    if (!stays) return start_linger();
    if (core_.draining() && stream_.readable().empty()) return start_linger();
    phase_ = Phase::head;
    stream_.receive(Receive::small);
    set_deadline(core_.snapshot().timeouts.keep_alive_ms);
    if (!stream_.readable().empty() || stream_.ended()) core_.reactor.wake(*this);
}

// --- Ends ---

// The client has nothing more to ask. What was answered may still be on its way.
void Http1Connection::leave() noexcept {
    if (stream_.queued() == 0) return close(Stream::Close::graceful);
    if (exchange_) {
        core_.give_exchange(*exchange_);
        exchange_ = nullptr;
    }
    start_linger();
}

// After the last answer: everything queued leaves, then FIN; input is read and dropped for a while,
// so that a reset caused by unread bytes does not destroy the answer on its way (RFC 9112 §9.6).
void Http1Connection::start_linger() noexcept {
    phase_ = Phase::linger;
    remaining_ = limits::linger_bytes;
    lingering_ = false;
    stream_.finish_sending();
    stream_.receive(Receive::small);
    set_deadline(core_.snapshot().timeouts.response_stall_ms);
    core_.reactor.wake(*this);
}

void Http1Connection::linger() noexcept {
    if (stream_.failed()) return close(Stream::Close::graceful);
    while (!stream_.readable().empty()) {
        auto size = static_cast<uint32_t>(stream_.readable().size());
        stream_.consume(size);
        if (size >= remaining_) return close(Stream::Close::graceful);
        remaining_ -= size;
    }
    if (!stream_.sending_finished()) return;
    if (stream_.ended()) return close(Stream::Close::graceful);
    // From here on once: what still comes does not buy more time.
    if (lingering_) return;
    lingering_ = true;
    set_deadline(core_.draining() ? timeouts::linger_ms / 4 : timeouts::linger_ms);
}

void Http1Connection::close(Stream::Close how) noexcept {
    if (exchange_) {
        core_.give_exchange(*exchange_);
        exchange_ = nullptr;
    }
    phase_ = Phase::closing;
    core_.reactor.disarm(timer_);
    stream_.close(how);
}

void Http1Connection::drain() noexcept {
    if (phase_ == Phase::head && !exchange_ && stream_.queued() == 0) start_linger();
}

void Http1Connection::snapshot_replaced() noexcept {
    if (phase_ == Phase::exchange && response_started_) exchange_->wake();
}

void Http1Connection::abort() noexcept {
    if (phase_ == Phase::exchange) {
        cut_ = Cut::by_reset;
        exchange_->time_out(Reason::draining);
    } else if (phase_ != Phase::closing) {
        close(Stream::Close::abortive);
    }
}

}  // namespace ringtime::exchange
