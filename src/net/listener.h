#pragma once
// Takes connections from a listening socket on one core. Every core keeps a few single-shot accepts
// on the same socket: the kernel serves waiters in turn, so connections spread evenly, and a core
// that is at its limit just does not ask again. The socket itself is the server's.

#include "net/address.h"
#include "net/io.h"
#include "base/limits.h"
#include "ring/op.h"

namespace ringtime::net {

/// What connections of a listener begin with.
enum class Preface : uint8_t { none, proxy_header };

class Acceptor {
 public:
    /// A new connection, its owner's to close. `fd` is non-blocking.
    virtual void accepted(int fd, const PeerAddress& peer, Preface preface) noexcept = 0;
    /// False: at the limit; ask again through Listener::resume().
    [[nodiscard]] virtual bool can_accept() const noexcept = 0;

 protected:
    ~Acceptor() = default;
};

class Listener {
 public:
    Listener(Io& io, int fd, Acceptor& acceptor, Preface preface = Preface::none) noexcept;
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    /// Arms whatever is not armed, unless stopped or at the limit. Call when a connection has gone.
    void resume() noexcept;
    /// Takes no more; stopped() once the armed accepts have come back.
    void stop() noexcept;
    [[nodiscard]] bool stopped() const noexcept;
    /// Accepts the kernel may complete at any time.
    [[nodiscard]] size_t armed() const noexcept;

 private:
    struct Slot {
        ring::Op op;
        sockaddr_storage address{};
        socklen_t size = 0;
        Listener* listener = nullptr;
    };

    void arm(Slot& slot) noexcept;
    void on_accepted(Slot& slot) noexcept;

    Io& io_;
    int fd_;
    Acceptor& acceptor_;
    Preface preface_;
    bool stopping_ = false;
    loop::Timer retry_;
    Slot slots_[limits::accepts_armed];
};

}  // namespace ringtime::net
