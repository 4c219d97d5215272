// A session's way to a server: choosing, waiting for a place, connecting, and what is done when an
// attempt fails.

#include <algorithm>
#include <cerrno>
#include <utility>

#include "upstream/session.h"

namespace ringtime::upstream {

// --- A place ---

void Session::find_place() noexcept {
    // Who came first is served first.
    if (!waiter_.linked() && group_->someone_waits()) return wait_for_place();
    for (;;) {
        Group::Pick pick = group_->pick(request_->affinity, tried_);
        switch (pick.outcome) {
            case Group::Outcome::found:
                if (enter(*pick.pool)) return;
                continue;  // Another core was quicker, or it would have the place.
            case Group::Outcome::full: return wait_for_place();
            case Group::Outcome::unusable:
                return fail(Reason::upstream_connect, Detail::unusable);
            case Group::Outcome::unresolved:
                return fail(Reason::upstream_connect, Detail::unresolved);
        }
    }
}

void Session::wait_for_place() noexcept {
    state_ = State::queued;
    if (waiter_.linked()) return;
    waiter_.waker = waker_;
    if (!group_->enqueue(waiter_)) {
        group_->upstream().queue_full.fetch_add(1, std::memory_order_relaxed);
        return fail(Reason::queue_full);
    }
    queue_deadline_ = after(spec().queue_timeout);
    set_queue_timer();
    // What came free before this one was seen to wait makes no turn for it.
    if (group_->is_alone(waiter_)) pool_.io().reactor.wake(*waker_);
}

// Turns are messages between cores; should one get lost in a full mailbox, whoever comes first on
// its core looks again by itself.
void Session::set_queue_timer() noexcept {
    Nanoseconds look = group_->is_first(waiter_) ? after(timeouts::upstream_turn_ms) : UINT64_MAX;
    pool_.io().reactor.arm(queue_timer_, std::min(queue_deadline_, look));
}

void Session::check_queue() noexcept {
    if (group_->is_first(waiter_)) {
        find_place();
        if (state_ != State::queued) return;
    }
    if (now() < queue_deadline_) return set_queue_timer();
    group_->upstream().queue_timeouts.fetch_add(1, std::memory_order_relaxed);
    fail(Reason::queue_timeout);
}

// False when the server has no place any more.
bool Session::enter(ServerPool& pool) noexcept {
    if (!pool.enter()) return false;
    if (waiter_.linked()) {
        group_->dequeue(waiter_);
        pool_.io().reactor.disarm(queue_timer_);
        if (!pool.full()) group_->wake_next();
    }
    server_ = &pool;
    last_server_ = &pool.server();
    probes_ = pool.server().ejected(now());
    entered_ = true;
    if (retries_ > 0) pool.counters().retries.add();
    parser_.reset();
    bool reusable = connect_ == Connect::if_needed && spec().proxy_header == ProxyHeader::off;
    if (Connection* kept = reusable ? pool.take_idle() : nullptr) {
        begin_kept(*kept);
        return true;
    }
    ask_ = reusable ? pool_.ask_others(*this, group_->upstream(), pool) : nullptr;
    if (ask_) {
        state_ = State::asking;
        queue_deadline_ = after(timeouts::handover_ms);
        pool_.io().reactor.arm(queue_timer_, queue_deadline_);
    } else {
        state_ = State::connecting;
        dial_.begin(pool, *waker_, spec().connect_timeout);
    }
    return true;
}

void Session::begin_kept(Connection& connection) noexcept {
    connection_ = &connection;
    server_->counters().reused.add();
    connection.attach(*waker_);
    start_request();
}

// --- Asking another core ---

void Session::take_handed(Connection* connection) noexcept {
    ask_ = nullptr;
    handed_ = connection;
    if (handed_) handed_->attach(*waker_);
    pool_.io().reactor.wake(*waker_);
}

void Session::check_asking() noexcept {
    if (ask_ && now() < queue_deadline_) return;
    if (ask_) pool_.pause_asking();
    Connection* handed = std::exchange(handed_, nullptr);
    stop_asking();
    if (handed && !handed->disturbed()) return begin_kept(*handed);
    if (handed) handed->discard(net::Stream::Close::graceful);
    state_ = State::connecting;
    dial_.begin(*server_, *waker_, spec().connect_timeout);
}

// An answer that comes late is welcome all the same: the connection is kept.
void Session::stop_asking() noexcept {
    pool_.io().reactor.disarm(queue_timer_);
    if (ask_) ask_->session = nullptr;
    if (handed_) server_->keep(*handed_);
    ask_ = nullptr;
    handed_ = nullptr;
}

// --- Connecting ---

void Session::check_connecting() noexcept {
    switch (dial_.advance()) {
        case Dial::State::idle:
        case Dial::State::connecting: return;
        case Dial::State::connected:
            connection_ = &dial_.take();
            connection_->attach(*waker_);
            server_->counters().connects.add();
            return start_request();
        case Dial::State::failed: break;
    }
    server_->counters().connect_failures.add();
    attempt_failed(Cause::connect, static_cast<uint32_t>(dial_.error()));
}

// --- Failures ---

void Session::note_failure() noexcept {
    server_->counters().failures.add();
    (void)group_->upstream().note_failure(server_->server(), now());
}

void Session::note_success() noexcept {
    server_->counters().successes.add();
    server_->server().note_success();
    if (probes_) group_->upstream().readmit(server_->server(), now());
}

// A kept connection the server had closed meanwhile: nothing was answered, nothing is its fault.
bool Session::was_stale() const noexcept {
    return connection_->uses() > 0 && gathered_.empty() && interims_ == 0;
}

uint32_t Session::why_lost() const noexcept {
    return static_cast<uint32_t>(stream().failed() ? stream().error()
                                                   : static_cast<int>(Detail::closed));
}

// It ended before a whole head had come. That a kept connection was closed is found out by using
// it: such a request goes to a fresh one, and pays nothing for that.
void Session::connection_lost() noexcept {
    uint32_t detail = why_lost();
    if (was_stale()) {
        if (!repeatable()) {
            server_->counters().resets.add();
            return fail(Reason::upstream_reset, detail);
        }
        connect_ = Connect::always;
        leave_server(net::Stream::Close::graceful);
        return find_place();
    }
    server_->counters().resets.add();
    attempt_failed(Cause::reset, detail);
}

bool Session::repeatable() const noexcept {
    return !sent_ ||
           (http::is_idempotent(request_->method_id) && replay_.whole() && interims_ == 0);
}

bool Session::allowed(Cause cause) const noexcept {
    const RetrySpec& retries = spec().retries;
    auto listed = [&](uint16_t status) {
        return std::find(retries.statuses.begin(), retries.statuses.end(), status) !=
               retries.statuses.end();
    };
    switch (cause) {
        case Cause::connect: return retries.on_connect;
        case Cause::reset: return retries.on_reset;
        case Cause::timeout: return listed(504);
        case Cause::invalid: return listed(502);
        case Cause::status: return listed(head_.status);
    }
    return false;
}

// True when another attempt has begun, or has failed for good.
bool Session::try_again(Cause cause) noexcept {
    if (retries_ >= spec().retries.max || !allowed(cause) || !repeatable()) return false;
    // A server that has seen an upgrade may have begun what another would begin again.
    if (sent_ && !request_->upgrade.empty()) return false;
    // Whoever answered, or kept silent, will do so again; only another one can help. An answer at
    // hand is given up only for one that is well.
    Tried tried = tried_;
    tried.set(server_->index());
    if (cause == Cause::status && !group_->has_other(tried, Group::Level::usable)) return false;
    if (cause == Cause::timeout && !group_->has_other(tried, Group::Level::resolved)) return false;
    if (!group_->budget.take()) {
        group_->upstream().retries_denied.fetch_add(1, std::memory_order_relaxed);
        return false;
    }
    ++retries_;
    tried_ = tried;
    connect_ = Connect::if_needed;
    leave_server(net::Stream::Close::graceful);
    find_place();
    return true;
}

void Session::attempt_failed(Cause cause, uint32_t detail) noexcept {
    note_failure();
    if (try_again(cause)) return;
    switch (cause) {
        case Cause::connect:
            if (detail == ETIMEDOUT)
                return fail(Reason::upstream_timeout, Detail::connect_timeout);
            return fail(Reason::upstream_connect, detail);
        case Cause::reset: return fail(Reason::upstream_reset, detail);
        case Cause::timeout: return fail(Reason::upstream_timeout, detail);
        case Cause::invalid: return fail(Reason::upstream_protocol, detail);
        case Cause::status: return;
    }
}

void Session::leave_server(net::Stream::Close how) noexcept {
    drop_head();
    pool_.io().texts.let_go(text_);
    if (ask_ || handed_) stop_asking();
    dial_.cancel();
    if (connection_) connection_->discard(how);
    connection_ = nullptr;
    if (server_) server_->leave();
    server_ = nullptr;
}

void Session::fail(Reason reason, uint32_t detail) noexcept {
    if (waiter_.linked()) {
        // It may have been woken for a place, which is then the next one's.
        group_->dequeue(waiter_);
        group_->wake_next();
    }
    leave_server(net::Stream::Close::abortive);
    state_ = State::failed;
    error_ = {reason, Source::upstream, Retry::no, 0, detail};
}

}  // namespace ringtime::upstream
