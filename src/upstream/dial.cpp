#include "upstream/dial.h"

#include <algorithm>
#include <cerrno>

#include "upstream/server_pool.h"

namespace ringtime::upstream {

Dial::Dial(loop::Reactor& reactor) noexcept : reactor_(reactor) {
    timer_.owner = this;
    timer_.on_expire = [](loop::Timer& timer) noexcept {
        auto& self = *static_cast<Dial*>(timer.owner);
        self.reactor_.wake(*self.waker_);
    };
}

Dial::~Dial() { cancel(); }

void Dial::begin(ServerPool& pool, loop::Runnable& waker, Milliseconds timeout) noexcept {
    ASSERT(racing_ == 0);
    pool_ = &pool;
    waker_ = &waker;
    set_ = pool.server().addresses();
    count_ = set_ ? pool.order_addresses(*set_, order_) : 0;
    begun_ = 0;
    error_ = EHOSTUNREACH;
    state_ = State::connecting;
    deadline_ = reactor_.now() + from_milliseconds(timeout);
    start_next();
    // Nothing will happen that wakes anybody.
    if (racing_ == 0) reactor_.wake(*waker_);
}

// One more attempt; addresses that fail at once are passed over.
void Dial::start_next() noexcept {
    while (begun_ < count_) {
        unsigned at = begun_++;
        attempts_[at] = pool_->connect(set_->endpoints[order_[at]], error_);
        if (!attempts_[at]) continue;
        attempts_[at]->attach(*waker_);
        ++racing_;
        break;
    }
    next_at_ = begun_ < count_ ? reactor_.now() + from_milliseconds(timeouts::upstream_race_ms)
                               : UINT64_MAX;
    set_timer();
}

// More clients stand at the door of a local server than it lets wait. For one of TCP the kernel
// knocks again by itself; for a unix socket it does not.
void Dial::come_again() noexcept {
    begun_ = 0;
    next_at_ = reactor_.now() + from_milliseconds(timeouts::upstream_crowded_ms);
    set_timer();
}

void Dial::set_timer() noexcept { reactor_.arm(timer_, std::min(next_at_, deadline_)); }

Dial::State Dial::advance() noexcept {
    if (state_ != State::connecting) return state_;
    bool failed = false;
    for (unsigned i = 0; i < begun_; ++i) {
        Connection* attempt = attempts_[i];
        if (!attempt) continue;
        if (attempt->stream().connected() && !attempt->stream().failed()) {
            winner_ = i;
            // Who was passed by others is tried behind them the next time.
            for (unsigned slower = 0; slower < i; ++slower) pool_->shun(*set_, order_[slower]);
            return state_ = State::connected;
        }
        if (!attempt->stream().failed()) continue;
        error_ = attempt->stream().error();
        attempt->discard(net::Stream::Close::graceful);
        attempts_[i] = nullptr;
        --racing_;
        if (error_ == EAGAIN && count_ == 1) {
            come_again();
        } else {
            pool_->shun(*set_, order_[i]);
            failed = true;
        }
    }
    Nanoseconds now = reactor_.now();
    if (now >= deadline_) {
        error_ = ETIMEDOUT;
        cancel();
        return state_ = State::failed;
    }
    if (failed || now >= next_at_) start_next();
    if (racing_ > 0 || begun_ < count_) return State::connecting;
    cancel();
    return state_ = State::failed;
}

Connection& Dial::take() noexcept {
    ASSERT(state_ == State::connected);
    Connection& connection = *attempts_[winner_];
    attempts_[winner_] = nullptr;
    cancel();
    return connection;
}

void Dial::cancel() noexcept {
    reactor_.disarm(timer_);
    for (unsigned i = 0; i < begun_; ++i) {
        if (attempts_[i]) attempts_[i]->discard(net::Stream::Close::graceful);
        attempts_[i] = nullptr;
    }
    begun_ = racing_ = 0;
    state_ = State::idle;
}

}  // namespace ringtime::upstream
