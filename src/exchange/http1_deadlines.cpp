// What a client connection does about time: heads and bodies that come too slowly, answers nobody
// takes, tunnels nobody uses.

#include <algorithm>

#include "exchange/core.h"
#include "exchange/exchange.h"
#include "exchange/http1_connection.h"
#include "exchange/limits.h"

namespace ringtime::exchange {

using net::Stream;

void Http1Connection::set_deadline(uint64_t milliseconds) noexcept {
    progress_ = stream_.sent();
    core_.reactor.arm(timer_, core_.reactor.now() + from_milliseconds(milliseconds));
}

// How often an exchange is looked at: stalls and slow bodies are noticed one period late at most.
uint64_t Http1Connection::progress_period() const noexcept {
    const Timeouts& limits = core_.snapshot().timeouts;
    bool body_may_come = !response_started_ && !exchange_->body_decoder.done();
    uint64_t period = body_may_come ? std::min(limits.body.window_ms, limits.response_stall_ms)
                                    : limits.response_stall_ms;
    return exchange_->half_closed_at == 0 ? period : std::min(period, timeouts::half_closed_ms);
}

// A target that takes nothing of a body leaves its bytes with the kernel, and so the end that may
// stand behind them. True when that end comes too early.
bool Http1Connection::body_was_cut() noexcept {
    if (stream_.waits() || !stream_.connected() || stream_.failed()) return false;
    uint64_t bytes = stream_.look_for_end();
    return exchange_->framing.kind == http::BodyKind::length && !tunnel_ &&
           bytes < exchange_->body_decoder.expected();
}

void Http1Connection::check_progress() noexcept {
    const Timeouts& limits = core_.snapshot().timeouts;
    Nanoseconds now = core_.reactor.now();
    ClientPace& pace = exchange_->pace;
    if (tunnel_ &&
        !pace.stalled(stream_.sent(), stream_.queued(), limits.response_stall_ms, now))
        return check_tunnel();
    set_deadline(progress_period());
    if (pace.stalled(stream_.sent(), stream_.queued(), limits.response_stall_ms, now)) {
        cut_ = Cut::by_reset;
        exchange_->time_out(Reason::stalled);
    } else if (endless()) {
        abort_response();
        exchange_->time_out(Reason::client_closed);
    } else if (body_was_cut()) {
        exchange_->time_out(Reason::client_closed);
    } else if (!response_started_ && !exchange_->body_decoder.done() &&
               pace.closed_slow(limits.body, now)) {
        exchange_->time_out(Reason::timeout_body);
    }
}

// A client that has sent FIN may wait for its answer, or be gone: an answer of unknown length must
// not go on for ever in the latter case.
void Http1Connection::notice_half_close() noexcept {
    if (!stream_.ended() || tunnel_ || exchange_->half_closed_at != 0) return;
    uint64_t before = progress_period();
    exchange_->half_closed_at = core_.reactor.now();
    if (progress_period() < before) set_deadline(progress_period());
}

bool Http1Connection::endless() const noexcept {
    bool unknown = coding_ == Coding::chunked || coding_ == Coding::until_close;
    return response_started_ && !response_finished_ && unknown && exchange_->half_closed_at != 0 &&
           core_.reactor.now() - exchange_->half_closed_at >=
               from_milliseconds(timeouts::half_closed_ms);
}

// Bytes are leaving, if slowly: nothing is over.
bool Http1Connection::takes_its_time() noexcept {
    if (stream_.queued() == 0 || stream_.sent() == progress_) return false;
    set_deadline(core_.snapshot().timeouts.response_stall_ms);
    return true;
}

// A tunnel with both ends open may be quiet for long; with one end closed, only as an answer after
// the client's FIN may.
void Http1Connection::watch_tunnel() noexcept {
    bool half_closed = fin_received_ || response_finished_;
    const Timeouts& limits = core_.snapshot().timeouts;
    uint64_t allowed = half_closed ? timeouts::half_closed_ms : limits.tunnel_idle_ms;
    quiet_since_ = core_.reactor.now();
    body_seen_ = exchange_->body_decoder.decoded();
    set_deadline(std::min(allowed, limits.response_stall_ms));
}

void Http1Connection::check_tunnel() noexcept {
    if (stream_.sent() != progress_ || exchange_->body_decoder.decoded() != body_seen_)
        return watch_tunnel();
    bool half_closed = fin_received_ || response_finished_;
    const Timeouts& limits = core_.snapshot().timeouts;
    uint64_t allowed = half_closed ? timeouts::half_closed_ms : limits.tunnel_idle_ms;
    Nanoseconds end = quiet_since_ + from_milliseconds(allowed);
    if (core_.reactor.now() >= end) exchange_->time_out(Reason::idle);
    set_deadline(std::min(allowed, limits.response_stall_ms));
}

void Http1Connection::on_deadline() noexcept {
    switch (phase_) {
        case Phase::head:
            // Without a byte of a head this is an idle connection: closed without a word.
            if (exchange_) return refuse({Reason::timeout_head, Source::client, Retry::no, 0, 0});
            if (takes_its_time()) return;
            return close(Stream::Close::graceful);
        case Phase::exchange: return check_progress();
        case Phase::linger:
            if (takes_its_time()) return;
            return close(Stream::Close::graceful);
        case Phase::closing: return;
    }
}

}  // namespace ringtime::exchange
