#include "upstream/connection.h"

#include <utility>

#include "upstream/handover.h"
#include "upstream/server_pool.h"

namespace ringtime::upstream {

Connection::Connection(net::Io& io, ServerPool& pool) noexcept : stream_(io), pool_(pool) {
    timer_.owner = this;
    timer_.on_expire = &on_deadline;
}

Connection::~Connection() {
    pool_.reactor().disarm(timer_);
    loop::Reactor::forget(static_cast<loop::Runnable&>(*this));
}

bool Connection::connect(const net::Endpoint& endpoint) noexcept {
    address_ = address_hash(endpoint);
    if (!stream_.connect(endpoint, *this)) return false;
    stream_.receive(net::Receive::bulk);
    return true;
}

void Connection::adopt(const Ask& ask) noexcept {
    address_ = ask.address;
    uses_ = ask.uses;
    stream_.open(ask.fd, *this);
    stream_.receive(net::Receive::bulk);
}

void Connection::hand_over(Ask& ask) noexcept {
    ask_ = &ask;
    stream_.hold_still();
    set_deadline(pool_.reactor().now() + from_milliseconds(timeouts::handover_pause_ms));
    pool_.reactor().wake(*this);
}

void Connection::leave() noexcept {
    bool worthless = disturbed() || expired_;
    if (!worthless && !stream_.still()) return;
    Ask& ask = *std::exchange(ask_, nullptr);
    if (worthless) {
        ask.decline();
        return discard(net::Stream::Close::graceful);
    }
    ask.answer(stream_.release(), address_, uses_);
    pool_.destroy(*this);
}

void Connection::attach(loop::Runnable& user) noexcept {
    user_ = &user;
    expired_ = false;
    stream_.set_owner(user);
}

void Connection::set_deadline(Nanoseconds deadline) noexcept {
    expired_ = false;
    pool_.reactor().arm(timer_, deadline);
}

void Connection::clear_deadline() noexcept {
    expired_ = false;
    pool_.reactor().disarm(timer_);
}

void Connection::on_deadline(loop::Timer& timer) noexcept {
    auto& self = *static_cast<Connection*>(timer.owner);
    self.expired_ = true;
    self.pool_.reactor().wake(self.user_ ? *self.user_ : self);
}

void Connection::rest(Nanoseconds deadline) noexcept {
    ++uses_;
    user_ = nullptr;
    expired_ = false;
    stream_.set_owner(*this);
    stream_.receive(expects_ == Expects::large ? net::Receive::first : net::Receive::bulk);
    set_deadline(deadline);
}

void Connection::retire(Nanoseconds deadline) noexcept {
    user_ = nullptr;
    expired_ = false;
    retired_ = true;
    stream_.set_owner(*this);
    stream_.finish_sending();
    set_deadline(deadline);
    pool_.reactor().wake(*this);
}

void Connection::discard(net::Stream::Close how) noexcept {
    user_ = nullptr;
    pool_.forget_idle(*this);
    stream_.set_owner(*this);
    if (stream_.closed()) {
        pool_.reactor().wake(*this);
    } else {
        stream_.close(how);
    }
}

// Runs only while nobody uses the connection: closed at last, or disturbed while idle. Whatever a
// server says unasked (408, a late second answer) makes the connection worthless.
void Connection::run() noexcept {
    if (stream_.closed()) return pool_.destroy(*this);
    if (stream_.closing() || user_) return;
    if (ask_) return leave();
    if (retired_) {
        bool over = stream_.sending_finished() || stream_.failed() || expired_;
        if (over) discard(net::Stream::Close::graceful);
        return;
    }
    if (disturbed() || expired_) discard(net::Stream::Close::graceful);
}

}  // namespace ringtime::upstream
