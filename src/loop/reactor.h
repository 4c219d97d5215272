#pragma once
// One core's event loop: the only place that enters the kernel, resumes runnables and advances
// time. One turn: enter the ring (one system call) -> handlers wake runnables -> mailbox -> expire
// timers -> run what is ready, within a budget -> flush what the turn produced. Lives on its
// core's thread; only post() may be called from others.

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "base/limits.h"
#include "base/slab.h"
#include "loop/mailbox.h"
#include "loop/runnable.h"
#include "loop/timer.h"
#include "ring/ring.h"

namespace ringtime::loop {

struct ReactorCounters {
    uint64_t turns = 0;
    uint64_t runs = 0;
    uint64_t stalls = 0;        ///< Turns longer than 50 ms.
    Nanoseconds longest_turn = 0;
};

class Reactor {
 public:
    /// `ring` outlives the reactor.
    Reactor(ring::Ring& ring, unsigned core) noexcept;
    ~Reactor();
    Reactor(const Reactor&) = delete;
    Reactor& operator=(const Reactor&) = delete;

    [[nodiscard]] ring::Ring& ring() noexcept { return ring_; }
    [[nodiscard]] unsigned core() const noexcept { return core_; }
    /// The time at which this turn began (read once).
    [[nodiscard]] Nanoseconds now() const noexcept { return now_; }
    /// The time now, for what is measured: within one turn now() stands still.
    [[nodiscard]] Nanoseconds clock() const noexcept { return ring_.clock(); }
    [[nodiscard]] const ReactorCounters& counters() const noexcept { return counters_; }
    /// Slots for fiber frames.
    [[nodiscard]] SlabMemory& fiber_frames() noexcept { return fiber_frames_; }

    /// Runs `runnable` in this turn, or the next when the budget is spent. Idempotent until it
    /// runs.
    void wake(Runnable& runnable) noexcept {
        if (!runnable.linked()) ready_.push_back(runnable);
    }
    /// Takes a woken runnable off the list (its owner dies).
    static void forget(Runnable& runnable) noexcept {
        if (runnable.linked()) runnable.unlink();
    }
    /// Calls `flushable.flush()` at the end of this turn. Idempotent until then.
    void flush_soon(Flushable& flushable) noexcept {
        if (!flushable.linked()) dirty_.push_back(flushable);
    }
    static void forget(Flushable& flushable) noexcept {
        if (flushable.linked()) flushable.unlink();
    }

    /// Asked every turn; see Poller. Remove by unlinking.
    void add_poller(Poller& poller) noexcept { pollers_.push_back(poller); }

    /// Calls `waiter.on_available` once receive buffers have returned to the pools.
    struct BufferWaiter : ListNode {
        void (*on_available)(BufferWaiter&) noexcept = nullptr;
        void* owner = nullptr;
    };
    void wait_for_buffers(BufferWaiter& waiter) noexcept {
        if (!waiter.linked()) buffer_waiters_.push_back(waiter);
    }

    void arm(Timer& timer, Nanoseconds deadline) noexcept { timers_.arm(timer, deadline); }
    void disarm(Timer& timer) noexcept { timers_.disarm(timer); }

    /// Any thread: `message.function(context, value)` runs here soon. False when the mailbox is
    /// full.
    [[nodiscard]] bool post(const Message& message) noexcept;

    /// Turns until stop() is called on this thread.
    void run() noexcept;
    void stop() noexcept { stopping_ = true; }
    /// One turn; waits for at most `timeout`. Tests drive this.
    void turn(Nanoseconds timeout) noexcept;

 private:
    [[nodiscard]] bool may_sleep() noexcept;
    [[nodiscard]] Nanoseconds sleep_time() const noexcept;
    void stay_up() noexcept;
    void take_in() noexcept;
    void run_ready() noexcept;
    void flush_dirty() noexcept;
    void serve_buffer_waiters() noexcept;
    void trim_buffers() noexcept;
    void note_turn(Nanoseconds began) noexcept;
    static void on_doorbell(ring::Op& op) noexcept;

    ring::Ring& ring_;
    unsigned core_;
    bool stopping_ = false;
    bool ending_ = false;
    Nanoseconds now_;
    TimerWheel timers_;
    List<Runnable> ready_;
    List<Flushable> dirty_;
    List<Poller> pollers_;
    List<BufferWaiter> buffer_waiters_;
    Nanoseconds next_trim_ = 0;
    SlabMemory fiber_frames_;
    Mailbox mailbox_;
    std::atomic<bool> sleeping_{false};
    int doorbell_;
    uint64_t doorbell_value_ = 0;
    ring::Op doorbell_op_;
    ReactorCounters counters_;
};

}  // namespace ringtime::loop
