#pragma once
// One connection to a server of an upstream, on one core: connecting, carrying one request, or idle
// in its pool. An idle one keeps its receive armed, so that the server's FIN or an unasked byte is
// seen when it happens and such a connection is never handed out.

#include "loop/runnable.h"
#include "loop/timer.h"
#include "net/stream.h"
#include "upstream/keep_alive.h"

namespace ringtime::upstream {

class ServerPool;
struct Ask;

class Connection final : public loop::Runnable {
 public:
    Connection(net::Io& io, ServerPool& pool) noexcept;
    ~Connection();

    /// Begins to connect. False when that failed at once: see stream().error().
    [[nodiscard]] bool connect(const net::Endpoint& endpoint) noexcept;

    /// Takes over what another core has let go of.
    void adopt(const Ask& ask) noexcept;
    /// Lets go of it, which takes a moment, and answers `ask`. Precondition: idle, in no pool.
    void hand_over(Ask& ask) noexcept;

    /// Hash of the address it goes to.
    [[nodiscard]] uint64_t address() const noexcept { return address_; }
    [[nodiscard]] net::Stream& stream() noexcept { return stream_; }
    /// Requests sent on it before the current one: 0 means that a failure is not a stale
    /// connection.
    [[nodiscard]] uint32_t uses() const noexcept { return uses_; }

    /// Events of the stream go to `user` from now on.
    void attach(loop::Runnable& user) noexcept;
    /// Moves the deadline, also one that has passed; `user` is woken when it passes, an idle
    /// connection is closed.
    void set_deadline(Nanoseconds deadline) noexcept;
    void clear_deadline() noexcept;
    [[nodiscard]] bool expired() const noexcept { return expired_; }

    /// What it brought last foretells what comes next: of an answer that is worth splicing only
    /// the beginning is received, the rest stays in the kernel until its head has been read.
    enum class Expects : uint8_t { small, large };
    void expect(Expects what) noexcept { expects_ = what; }

    /// What the server said of it; see keep_alive.h.
    void allow_idle(Milliseconds time) noexcept { idle_allowed_ = time; }
    [[nodiscard]] Milliseconds idle_allowed() const noexcept { return idle_allowed_; }

    /// While idle: ended by the server, or it said something unasked.
    [[nodiscard]] bool disturbed() const noexcept {
        return stream_.ended() || stream_.failed() || !stream_.readable().empty();
    }

    /// The exchange is over and both sides are in step: idle from now on, events are watched here.
    void rest(Nanoseconds deadline) noexcept;
    /// What is queued still leaves, until `deadline`, and then FIN; after that as discard().
    void retire(Nanoseconds deadline) noexcept;
    /// Not usable any more: closes, and returns its memory when that is done.
    void discard(net::Stream::Close how) noexcept;

    void run() noexcept override;

 private:
    static void on_deadline(loop::Timer& timer) noexcept;
    void leave() noexcept;

    net::Stream stream_;
    ServerPool& pool_;
    loop::Runnable* user_ = nullptr;
    Ask* ask_ = nullptr;  ///< Set while it leaves for another core.
    loop::Timer timer_;
    uint64_t address_ = 0;
    Milliseconds idle_allowed_ = keeps_for_ever;
    uint32_t uses_ = 0;
    bool expired_ = false;
    bool retired_ = false;
    Expects expects_ = Expects::small;
};

}  // namespace ringtime::upstream
