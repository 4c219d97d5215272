#include "upstream/session.h"

#include <cerrno>

#include "http/chunk_writer.h"
#include "http/head_reader.h"
#include "http/head_writer.h"

namespace ringtime::upstream {

using http::Pull;

namespace {

// Attempts on one request: the first, and what connecting elsewhere or a stale connection may add.
constexpr unsigned kAttemptsMax = 3;
constexpr size_t kUsualHeadBytes = 2048;

}  // namespace

Nanoseconds Session::after(Milliseconds time) const noexcept {
    return pool_.io().reactor.now() + from_milliseconds(time);
}

void Session::begin(Upstream& upstream, const UpstreamRequest& request,
                    loop::Runnable& waker) noexcept {
    upstream_ = &upstream;
    request_ = &request;
    waker_ = &waker;
    error_ = {};
    attempts_ = 0;
    interims_ = 0;
    body_pushed_ = false;
    tunnel_ = false;
    request_complete_ = request.body_length == 0;
    acquire(ServerPool::Source::idle_or_new, nullptr);
}

// --- Getting a connection ---

void Session::acquire(ServerPool::Source source, const ServerPool* avoid) noexcept {
    int problem = EHOSTUNREACH;
    while (attempts_ < kAttemptsMax) {
        ++attempts_;
        server_ = pool_.choose(*upstream_, avoid);
        if (!server_) break;
        connection_ = server_->take(source, problem);
        if (!connection_) {
            avoid = server_;
            continue;
        }
        connection_->attach(*waker_);
        parser_.reset();
        if (stream().connected()) return start_request();
        state_ = State::connecting;
        connection_->set_deadline(after(upstream_->spec().connect_timeout));
        return;
    }
    fail(Reason::upstream_connect, static_cast<uint32_t>(problem));
}

void Session::give_up_connection(net::Stream::Close how) noexcept {
    drop_head();
    pool_.io().texts.let_go(text_);
    if (!connection_) return;
    server_->drop(*connection_, how);
    connection_ = nullptr;
}

void Session::fail(Reason reason, uint32_t detail) noexcept {
    give_up_connection(net::Stream::Close::abortive);
    state_ = State::failed;
    error_ = {reason, Source::upstream, Retry::no, 0, detail};
}

bool Session::may_repeat() const noexcept {
    return attempts_ < kAttemptsMax && connection_->uses() > 0 && !body_pushed_ &&
           request_->body_length == 0 && http::is_idempotent(request_->method_id) &&
           stream().readable().empty() && gathered_.empty();
}

// The connection ended before a whole head had come.
void Session::lost(Reason reason) noexcept {
    bool repeat = reason == Reason::upstream_reset && may_repeat();
    auto detail = static_cast<uint32_t>(stream().error());
    if (!repeat) return fail(reason, detail);
    give_up_connection(net::Stream::Close::graceful);
    acquire(ServerPool::Source::only_new, nullptr);
}

void Session::check_connecting() noexcept {
    if (stream().connected()) return start_request();
    if (!stream().failed() && !connection_->expired()) return;
    // Nothing was sent: any request may go elsewhere.
    Reason reason = connection_->expired() ? Reason::upstream_timeout : Reason::upstream_connect;
    auto detail = static_cast<uint32_t>(stream().error());
    const ServerPool* avoid = server_;
    if (attempts_ >= kAttemptsMax || reason == Reason::upstream_timeout)
        return fail(reason, detail);
    give_up_connection(net::Stream::Close::graceful);
    acquire(ServerPool::Source::only_new, avoid);
}

// --- Sending ---

bool Session::write_head(size_t capacity) noexcept {
    net::TextBlocks& texts = pool_.io().texts;
    char* out = texts.reserve(text_, capacity);
    if (!out) return false;
    http::HeadWriter writer(out, capacity);
    writer.request_line(request_->method, request_->path, request_->query);
    writer.field("host", request_->authority);
    const http::FieldTable& received = request_->fields->received();
    request_->fields->for_each_line(
        [&](const http::Field& field) { writer.received_field(received, field); },
        [&](const http::Addition& added) { writer.field(added.name, added.value); });
    if (!request_->upgrade.empty()) {
        writer.prepared("connection: upgrade\r\n");
        writer.field("upgrade", request_->upgrade);
    }
    bool has_length = request_->body_length != 0 && request_->body_length != unknown_length;
    bool expects_body = request_->method_id == http::Method::post ||
                        request_->method_id == http::Method::put ||
                        request_->method_id == http::Method::patch;
    if (request_->body_length == unknown_length) {
        writer.prepared("transfer-encoding: chunked\r\n");
    } else if (has_length || expects_body) {
        writer.number_field("content-length", request_->body_length);
    }
    writer.end();
    if (!writer.ok()) return false;
    stream().push(texts.commit(*text_, writer.size()));
    return true;
}

void Session::start_request() noexcept {
    state_ = State::waiting_for_head;
    connection_->set_deadline(after(upstream_->spec().head_timeout));
    if (!write_head(kUsualHeadBytes) && !write_head(limits::head_bytes_max + kUsualHeadBytes))
        fail(Reason::head_too_large);
}

uint32_t Session::room() const noexcept {
    if (state_ == State::connecting || !connection_ || stream().failed()) return 0;
    uint64_t queued = stream().queued();
    return queued < limits::relay_window_bytes
               ? static_cast<uint32_t>(limits::relay_window_bytes - queued)
               : 0;
}

void Session::push(const Piece& piece) noexcept {
    if (!connection_) return piece.release();
    body_pushed_ = true;
    if (state_ == State::waiting_for_head)
        connection_->set_deadline(after(upstream_->spec().head_timeout));
    if (request_->body_length != unknown_length) return stream().push(piece);
    if (!http::push_chunk(stream(), pool_.io().texts, text_, piece)) fail(Reason::overload);
}

void Session::finish() noexcept {
    request_complete_ = true;
    if (connection_ && tunnel_) return stream().finish_sending();
    if (connection_ && request_->body_length == unknown_length) http::push_last_chunk(stream());
}

// --- The head of the answer ---

http::Answer::Phase Session::advance() noexcept {
    if (state_ == State::connecting) check_connecting();
    if (state_ == State::waiting_for_head) check_head();
    switch (state_) {
        case State::connecting:
        case State::waiting_for_head: return Phase::waiting;
        case State::interim: return Phase::interim;
        case State::headed:
        case State::complete: return Phase::headed;
        case State::failed: return Phase::failed;
    }
    return Phase::failed;
}

void Session::check_head() noexcept {
    http::ParseOutcome outcome = http::read_head(parser_, head_, stream(), gathered_, head_pin_);
    if (outcome.failed()) return fail(Reason::upstream_protocol, outcome.error.detail);
    if (outcome.complete()) return take_head();
    if (stream().failed() || stream().ended()) return lost(Reason::upstream_reset);
    if (connection_->expired()) lost(Reason::upstream_timeout);
}

void Session::take_head() noexcept {
    if (head_.status < 200) {
        if (head_.status == 101) return take_switch();
        if (++interims_ > limits::interim_responses_max)
            return fail(Reason::upstream_protocol);
        state_ = State::interim;
        return;
    }
    Result<http::Framing> framing = http::decide_response_framing(head_, request_->method_id);
    if (!framing.ok()) return fail(Reason::upstream_protocol, framing.error().detail);
    framing_ = *framing;
    decoder_ = http::BodyDecoder(framing_, Source::upstream);
    state_ = State::headed;
    connection_->set_deadline(after(upstream_->spec().idle_timeout));
}

// RFC 9110 §7.8: only what was offered, and nothing that was not asked for.
void Session::take_switch() noexcept {
    Result<http::Framing> framing = http::decide_response_framing(head_, request_->method_id);
    if (!framing.ok() || request_->upgrade.empty() ||
        !http::upgrade_was_offered(head_, request_->upgrade))
        return fail(Reason::upstream_protocol, framing.ok() ? 0 : framing.error().detail);
    framing_ = {};
    framing_.kind = http::BodyKind::until_close;
    decoder_ = http::BodyDecoder(framing_, Source::upstream);
    tunnel_ = true;
    request_complete_ = false;
    state_ = State::headed;
    connection_->clear_deadline();
}

void Session::take_interim() noexcept {
    drop_head();
    parser_.reset();
    state_ = State::waiting_for_head;
}

void Session::drop_head() noexcept {
    if (head_pin_.owner) head_pin_.release();
    head_pin_ = {};
    gathered_.clear();
}

// --- The body of the answer ---

uint64_t Session::length() const noexcept {
    if (framing_.announced != http::Framing::unannounced) return framing_.announced;
    switch (framing_.kind) {
        case http::BodyKind::none: return 0;
        case http::BodyKind::length: return framing_.length;
        case http::BodyKind::chunked:
        case http::BodyKind::until_close: return unknown_length;
    }
    return unknown_length;
}

Pull Session::cut_short() noexcept {
    bool clean = stream().ended() && !stream().failed();
    if (clean && framing_.kind == http::BodyKind::until_close) {
        state_ = State::complete;
        return Pull::end;
    }
    bool expired = !stream().ended() && !stream().failed();
    fail(expired ? Reason::upstream_timeout : Reason::upstream_reset);
    return Pull::failed;
}

Pull Session::pull(Piece& out, uint32_t max) noexcept {
    if (state_ == State::failed) return Pull::failed;
    if (head_pin_.owner || !gathered_.empty()) drop_head();
    while (state_ == State::headed && !decoder_.done()) {
        std::string_view text = stream().readable();
        if (text.empty()) {
            bool over = stream().ended() || stream().failed() || connection_->expired();
            return over ? cut_short() : Pull::pending;
        }
        if (text.size() > max) text = text.substr(0, max);
        http::BodyDecoder::Step step = decoder_.decode(text.data(), text.size());
        if (!step.error.ok()) {
            fail(Reason::upstream_protocol, step.error.detail);
            return Pull::failed;
        }
        if (!tunnel_) connection_->set_deadline(after(upstream_->spec().idle_timeout));
        if (step.size > 0) {
            out = stream().pin();
            out.data = step.data;
            out.size = static_cast<uint32_t>(step.size);
        }
        stream().consume(static_cast<uint32_t>(step.consumed));
        if (step.size > 0) return Pull::data;
    }
    state_ = State::complete;
    return Pull::end;
}

// One that ended on both sides still delivers what is queued; one that was cut shows it.
void Session::end_tunnel() noexcept {
    if (state_ == State::complete && request_complete_ && !stream().failed()) {
        server_->retire(*connection_, after(upstream_->spec().idle_timeout));
    } else {
        server_->drop(*connection_, net::Stream::Close::abortive);
    }
    connection_ = nullptr;
}

void Session::release() noexcept {
    drop_head();
    pool_.io().texts.let_go(text_);
    if (connection_ && tunnel_) end_tunnel();
    if (connection_) {
        net::Stream& socket = stream();
        bool in_step = state_ == State::complete && request_complete_ && framing_.keep_alive &&
                       framing_.kind != http::BodyKind::until_close && socket.queued() == 0 &&
                       socket.readable().empty() && !socket.ended() && !socket.failed();
        if (in_step) {
            server_->put_back(*connection_, after(upstream_->spec().idle_timeout));
        } else {
            server_->drop(*connection_, net::Stream::Close::graceful);
        }
        connection_ = nullptr;
    }
    pool_.give(*this);
}

}  // namespace ringtime::upstream
