// A session's exchange of messages with the server it has found.

#include "upstream/session.h"

#include <algorithm>

#include "http/chunk_writer.h"
#include "http/head_reader.h"
#include "http/head_writer.h"

namespace ringtime::upstream {

using http::Pull;

namespace {

constexpr size_t kUsualHeadBytes = 2048;
constexpr uint64_t kNanosecondsPerMicrosecond = 1000;

}  // namespace

Session::Session(CorePool& pool) noexcept
    : pool_(pool),
      dial_(pool.io().reactor),
      replay_(pool.io().texts),
      conduit_(pool.io().pipes),
      gathered_(pool.io().texts) {
    queue_timer_.owner = this;
    queue_timer_.on_expire = [](loop::Timer& timer) noexcept {
        auto& self = *static_cast<Session*>(timer.owner);
        self.pool_.io().reactor.wake(*self.waker_);
    };
    total_timer_.owner = this;
    total_timer_.on_expire = [](loop::Timer& timer) noexcept {
        auto& self = *static_cast<Session*>(timer.owner);
        self.overdue_ = true;
        self.pool_.io().reactor.wake(*self.waker_);
    };
}

void Session::begin(Group& group, const UpstreamRequest& request,
                    loop::Runnable& waker) noexcept {
    group_ = &group;
    ++group.sessions;
    request_ = &request;
    waker_ = &waker;
    server_ = nullptr;
    last_server_ = nullptr;
    connect_ = Connect::if_needed;
    error_ = {};
    retries_ = interims_ = 0;
    sent_ = overdue_ = tunnel_ = false;
    request_complete_ = request.body_length == 0;
    tried_.reset();
    bool may_need_it = spec().retries.max > 0 && http::is_idempotent(request.method_id);
    replay_.begin(may_need_it ? spec().retries.body_bytes_max : 0);
    group.budget.add_request();
    if (spec().total_timeout != 0)
        pool_.io().reactor.arm(total_timer_, after(spec().total_timeout));
    find_place();
}

// --- Sending ---

bool Session::write_head(size_t capacity) noexcept {
    net::TextBlocks& texts = pool_.io().texts;
    char* out = texts.reserve(text_, capacity);
    if (!out) return false;
    http::HeadWriter writer(out, capacity);
    writer.request_line(request_->method, request_->path, request_->query);
    bool rewritten = spec().host == HostField::rewrite;
    writer.field("host", rewritten ? std::string_view(server().spec().authority)
                                   : request_->authority);
    const http::FieldTable& received = request_->fields->received();
    request_->fields->for_each_line(
        [&](const http::Field& field) { writer.received_field(received, field); },
        [&](const http::Addition& added) { writer.field(added.name, added.value); });
    if (!request_->upgrade.empty()) {
        writer.prepared("connection: upgrade\r\n");
        writer.field("upgrade", request_->upgrade);
    } else if (request_->answer_trailers) {
        writer.prepared("connection: te\r\nte: trailers\r\n");
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

bool Session::write_proxy_header() noexcept {
    if (spec().proxy_header == ProxyHeader::off) return true;
    net::TextBlocks& texts = pool_.io().texts;
    char* out = texts.reserve(text_, net::proxy_header_bytes_max);
    if (!out) return false;
    size_t size = spec().proxy_header == ProxyHeader::v1
                      ? net::write_proxy_v1(request_->peers, out)
                      : net::write_proxy_v2(request_->peers, out);
    stream().push(texts.commit(*text_, size));
    return true;
}

// On a fresh connection or a kept one; for another attempt, with what was sent of the body before.
void Session::start_request() noexcept {
    state_ = State::waiting_for_head;
    asked_at_ = now();
    taken_seen_ = stream().sent();
    connection_->set_deadline(after(spec().head_timeout));
    if (!write_proxy_header()) return fail(Reason::overload);
    if (!write_head(kUsualHeadBytes) && !write_head(limits::head_bytes_max + kUsualHeadBytes))
        return fail(Reason::head_too_large);
    sent_ = true;
    replay_.for_each([this](const Piece& piece) {
        if (connection_) {
            push_body(piece);
        } else {
            piece.release();
        }
    });
    if (connection_ && request_complete_) push_end();
}

uint32_t Session::room() const noexcept {
    if (!connection_ || stream().failed()) return 0;
    return stream().room();
}

void Session::push(const Piece& piece) noexcept {
    if (!connection_) return piece.release();
    // Once the answer's head is here there will be no other attempt.
    if (state_ == State::waiting_for_head) replay_.add(piece.view());
    push_body(piece);
}

// What another server may have to be sent again has to be seen here.
bool Session::takes_files() const noexcept {
    bool kept = state_ == State::waiting_for_head && replay_.keeps();
    return connection_ && !kept && request_->body_length != unknown_length && !tunnel_ &&
           stream().takes_files();
}

uint64_t Session::send_file(const http::FileRange& range) noexcept {
    replay_.forgo();
    return range.pipe ? stream().send_pipe(range.fd, range.size)
                      : stream().send_file(range.fd, range.offset, range.size);
}

void Session::push_body(const Piece& piece) noexcept {
    if (request_->body_length != unknown_length) return stream().push(piece);
    if (!http::push_chunk(stream(), pool_.io().texts, text_, piece)) fail(Reason::overload);
}

void Session::push_end() noexcept {
    if (request_->body_length == unknown_length)
        http::push_last_chunk(stream(), pool_.io().texts, text_, request_->trailers);
}

void Session::finish() noexcept {
    request_complete_ = true;
    if (!connection_) return;
    if (tunnel_) return stream().finish_sending();
    push_end();
    // The server's time to answer begins when it has been asked completely.
    if (state_ == State::waiting_for_head)
        connection_->set_deadline(after(spec().head_timeout));
}

// --- The head of the answer ---

http::Answer::Phase Session::advance() noexcept {
    bool waiting = state_ != State::failed && state_ != State::headed && state_ != State::complete;
    if (overdue_ && waiting) {
        if (server_) server_->counters().timeouts.add();
        fail(Reason::upstream_timeout, Detail::total_timeout);
    }
    // Another attempt may get as far as the one before in the same turn.
    for (bool again = true; again;) {
        State before = state_;
        entered_ = false;
        if (state_ == State::queued) check_queue();
        if (state_ == State::asking) check_asking();
        if (state_ == State::connecting) check_connecting();
        if (state_ == State::waiting_for_head) check_head();
        again = entered_ || state_ != before;
    }
    switch (state_) {
        case State::queued:
        case State::asking:
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
    if (outcome.failed()) {
        server_->counters().invalid.add();
        return attempt_failed(Cause::invalid, outcome.error.detail);
    }
    if (outcome.complete()) return take_head();
    if (said_all() || (stream().failed() && connection_->expired())) return connection_lost();
    if (connection_->expired()) head_overdue();
}

// One that refuses an upload may have answered and closed before it has read it all: then sending
// fails first, and its answer is still on the way.
bool Session::said_all() const noexcept {
    return stream().ended() || (stream().failed() && !stream().more_may_come());
}

// While the request is on its way the server has its time again whenever it takes something, and
// what the client has not sent yet is none of its debts.
void Session::head_overdue() noexcept {
    bool owes_nothing = stream().queued() == 0 && !request_complete_;
    bool moves = stream().queued() > 0 && stream().sent() != taken_seen_;
    if (owes_nothing || moves) {
        taken_seen_ = stream().sent();
        return connection_->set_deadline(after(spec().head_timeout));
    }
    server_->counters().timeouts.add();
    attempt_failed(Cause::timeout, Detail::head_timeout);
}

void Session::take_head() noexcept {
    if (head_.status < 200) {
        if (head_.status == 101) return take_switch();
        if (++interims_ > limits::interim_responses_max) {
            server_->counters().invalid.add();
            return attempt_failed(Cause::invalid, Detail::many_interims);
        }
        state_ = State::interim;
        return;
    }
    Result<http::Framing> framing = http::decide_response_framing(head_, request_->method_id);
    if (!framing.ok()) {
        server_->counters().invalid.add();
        return attempt_failed(Cause::invalid, framing.error().detail);
    }
    framing_ = *framing;
    decoder_ = http::BodyDecoder(framing_, Source::upstream, request_->answer_trailers);
    note_answer();
    if (refused_by_status()) return;
    state_ = State::headed;
    replay_.clear();
    connection_->set_deadline(after(spec().idle_timeout));
    bool large = framing_.kind == http::BodyKind::length &&
                 framing_.length >= limits::spliced_body_bytes_min;
    connection_->expect(large ? Connection::Expects::large : Connection::Expects::small);
    if (head_.fields.present() & http::field_bit(http::FieldId::keep_alive))
        connection_->allow_idle(announced_keep_alive(head_.fields));
    // Nothing more is received until it is known who moves it.
    if (large) stream().receive(net::Receive::watch);
}

void Session::note_answer() noexcept {
    ServerCounters& counters = server_->counters();
    if (unsigned kind = head_.status / 100; kind < 6) counters.status_class[kind].add();
    uint64_t took = (now() - asked_at_) / kNanosecondsPerMicrosecond;
    counters.latency[LatencyScale::bucket_of(took)].add();
    counters.latency_sum_us.add(took);
}

// True when the answer says that this server cannot, and another one is asked instead.
bool Session::refused_by_status() noexcept {
    if (head_.status < 502 || head_.status > 504) {
        note_success();
    } else {
        note_failure();
    }
    return head_.status >= 429 && try_again(Cause::status);
}

// RFC 9110 §7.8: only what was offered, and nothing that was not asked for.
void Session::take_switch() noexcept {
    Result<http::Framing> framing = http::decide_response_framing(head_, request_->method_id);
    if (!framing.ok() || request_->upgrade.empty() ||
        !http::upgrade_was_offered(head_, request_->upgrade)) {
        server_->counters().invalid.add();
        return framing.ok() ? attempt_failed(Cause::invalid, Detail::unasked_switch)
                            : attempt_failed(Cause::invalid, framing.error().detail);
    }
    note_answer();
    note_success();
    replay_.clear();
    // A tunnel lasts as long as both sides like.
    pool_.io().reactor.disarm(total_timer_);
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
    ServerCounters& counters = server_->counters();
    (expired ? counters.timeouts : counters.resets).add();
    // How a tunnel ends, perhaps after days, says nothing of the server's health.
    if (!tunnel_) note_failure();
    if (expired) {
        fail(Reason::upstream_timeout, Detail::idle_timeout);
    } else {
        fail(Reason::upstream_reset, why_lost());
    }
    return Pull::failed;
}

// What was not asked of the kernel because the client takes nothing is no debt of the server's.
bool Session::overdue_body() noexcept {
    if (!connection_->expired() || !conduit_.open() || stream().waits())
        return connection_->expired();
    connection_->set_deadline(after(spec().idle_timeout));
    return false;
}

Pull Session::pull(Piece& out, uint32_t max) noexcept {
    if (overdue_ && state_ == State::headed) {
        server_->counters().timeouts.add();
        fail(Reason::upstream_timeout, Detail::total_timeout);
    }
    if (state_ == State::failed) return Pull::failed;
    // What lies in the pipe comes first; the client takes it when it can.
    if (conduit_.held() > 0) return Pull::pending;
    if (head_pin_.owner || !gathered_.empty()) drop_head();
    while (state_ == State::headed && !decoder_.done()) {
        std::string_view text = stream().readable();
        if (text.empty()) {
            if (said_all() || overdue_body()) return cut_short();
            if (!conduit_.open()) stream().receive(net::Receive::bulk);
            return Pull::pending;
        }
        if (text.size() > max) text = text.substr(0, max);
        http::BodyDecoder::Step step = decoder_.decode(text.data(), text.size());
        if (!step.error.ok()) {
            server_->counters().invalid.add();
            fail(Reason::upstream_protocol, step.error.detail);
            return Pull::failed;
        }
        if (!tunnel_) connection_->set_deadline(after(spec().idle_timeout));
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

// The bytes have to be the client's as they are, and enough of them to pay for the change of ways.
bool Session::may_splice() const noexcept {
    if (state_ != State::headed || tunnel_ || overdue_ || framing_.kind != http::BodyKind::length ||
        !stream().readable().empty())
        return false;
    return decoder_.expected() >= (conduit_.open() ? 1 : limits::spliced_body_bytes_min);
}

http::FileRange Session::file() noexcept {
    if (state_ == State::failed || overdue_) return {};
    if (conduit_.held() == 0) {
        if (!may_splice()) return {};
        bool waited = stream().waits();
        conduit_.fill(stream(), decoder_.expected());
        if (!conduit_.open()) return {};
        if (head_pin_.owner || !gathered_.empty()) drop_head();
        uint64_t taken = conduit_.held();
        // Its time begins when something was taken, or is first found missing.
        if (taken > 0 || !waited) connection_->set_deadline(after(spec().idle_timeout));
        if (taken == 0) return {};
        decoder_.skip(taken);
    }
    return {conduit_.from(), 0, conduit_.held(), true};
}

void Session::skip(uint64_t size) noexcept { conduit_.skip(size); }

// One that ended on both sides still delivers what is queued; one that was cut shows it.
void Session::end_tunnel() noexcept {
    if (state_ == State::complete && request_complete_ && !stream().failed()) {
        connection_->retire(after(spec().idle_timeout));
    } else {
        connection_->discard(net::Stream::Close::abortive);
    }
    connection_ = nullptr;
}

bool Session::in_step() const noexcept {
    const net::Stream& socket = stream();
    return state_ == State::complete && request_complete_ && framing_.keep_alive &&
           framing_.kind != http::BodyKind::until_close && socket.queued() == 0 &&
           socket.readable().empty() && !socket.ended() && !socket.failed() &&
           spec().proxy_header == ProxyHeader::off;
}

void Session::release() noexcept {
    if (waiter_.linked()) {
        group_->dequeue(waiter_);
        // It may have been woken for a place it will not take.
        group_->wake_next();
    }
    loop::Reactor& reactor = pool_.io().reactor;
    reactor.disarm(queue_timer_);
    reactor.disarm(total_timer_);
    replay_.clear();
    conduit_.close();
    if (connection_ && tunnel_) end_tunnel();
    if (connection_ && in_step()) {
        server_->keep(*connection_);
        connection_ = nullptr;
    }
    leave_server(net::Stream::Close::graceful);
    --group_->sessions;
    group_ = nullptr;
    pool_.give(*this);
}

}  // namespace ringtime::upstream
