#pragma once
// Connecting to one server: its addresses are tried one after the other, each a little later than
// the one before or as soon as that has failed, and the first that answers wins (RFC 8305). Belongs
// to a session, whose owner is woken for everything that happens.

#include "base/upstream_limits.h"
#include "loop/runnable.h"
#include "loop/timer.h"
#include "upstream/connection.h"
#include "upstream/server.h"

namespace ringtime::upstream {

class ServerPool;

class Dial {
 public:
    explicit Dial(loop::Reactor& reactor) noexcept;
    ~Dial();
    Dial(const Dial&) = delete;
    Dial& operator=(const Dial&) = delete;

    enum class State : uint8_t { idle, connecting, connected, failed };

    /// Precondition: idle, or over.
    void begin(ServerPool& pool, loop::Runnable& waker, Milliseconds timeout) noexcept;
    /// Does what can be done now and says where it stands.
    [[nodiscard]] State advance() noexcept;
    /// Precondition: advance() said connected. The attempts that lost are closed.
    [[nodiscard]] Connection& take() noexcept;
    /// Closes whatever was begun.
    void cancel() noexcept;
    /// The errno of the last failure; ETIMEDOUT when time ran out.
    [[nodiscard]] int error() const noexcept { return error_; }

 private:
    void start_next() noexcept;
    void come_again() noexcept;
    void set_timer() noexcept;

    loop::Reactor& reactor_;
    loop::Timer timer_;
    ServerPool* pool_ = nullptr;
    loop::Runnable* waker_ = nullptr;
    const AddressSet* set_ = nullptr;
    State state_ = State::idle;
    int error_ = 0;
    unsigned count_ = 0;    ///< Addresses in order_.
    unsigned begun_ = 0;    ///< Of them.
    unsigned racing_ = 0;   ///< Begun and not failed.
    unsigned winner_ = 0;
    Nanoseconds next_at_ = 0;
    Nanoseconds deadline_ = 0;
    uint8_t order_[limits::upstream_addresses_max];
    Connection* attempts_[limits::upstream_addresses_max] = {};
};

}  // namespace ringtime::upstream
