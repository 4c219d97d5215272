#include "loop/reactor.h"

#include <algorithm>

#include "base/assert.h"
#include "ring/direct.h"

namespace ringtime::loop {
namespace {

constexpr size_t kFiberFrameBytes = 1024;
constexpr unsigned kRunsPerTurn = 512;
constexpr Nanoseconds kStall = 50 * kNanosecondsPerMillisecond;
constexpr Nanoseconds kLongestSleep = kNanosecondsPerSecond;
// Below this many free buffers nobody is invited to receive again.
constexpr uint32_t kBuffersToResume = 2;
constexpr Nanoseconds kTrimPeriod = kNanosecondsPerSecond;

}  // namespace

Reactor::Reactor(ring::Ring& ring, unsigned core) noexcept
    : ring_(ring),
      core_(core),
      now_(ring.clock()),
      timers_(now_),
      fiber_frames_(kFiberFrameBytes, limits::exchanges_per_core, 64),
      doorbell_(ring::make_doorbell()) {
    ASSERT(doorbell_ >= 0);
    doorbell_op_.kind = ring::OpKind::read;
    doorbell_op_.fd = doorbell_;
    doorbell_op_.address = &doorbell_value_;
    doorbell_op_.length = sizeof doorbell_value_;
    doorbell_op_.owner = this;
    doorbell_op_.on_complete = &on_doorbell;
    ring_.submit(doorbell_op_);
}

Reactor::~Reactor() {
    // A doorbell rung meanwhile wins against the cancellation: it must not be armed again.
    ending_ = true;
    ring_.cancel_all(doorbell_);
    while (doorbell_op_.in_flight) ring_.enter(kNanosecondsPerMillisecond);
    ring::close_doorbell(doorbell_);
}

void Reactor::on_doorbell(ring::Op& op) noexcept {
    auto& self = *static_cast<Reactor*>(op.owner);
    if (!self.ending_) self.ring_.submit(op);
}

bool Reactor::post(const Message& message) noexcept {
    if (!mailbox_.push(message)) return false;
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (sleeping_.load(std::memory_order_relaxed)) ring::ring_doorbell(doorbell_);
    return true;
}

// Whoever publishes work for this core in memory looks at the announcement afterwards; we announce,
// then look at the memory once more. With a full fence on both sides one of the two sees the other.
bool Reactor::may_sleep() noexcept {
    sleeping_.store(true, std::memory_order_relaxed);
    for (Poller* poller = pollers_.front(); poller; poller = pollers_.next(*poller))
        poller->announce_sleep();
    std::atomic_thread_fence(std::memory_order_seq_cst);
    bool found = !mailbox_.empty();
    for (Poller* poller = pollers_.front(); poller; poller = pollers_.next(*poller))
        found = poller->poll() || found;
    return !found && ready_.empty() && dirty_.empty();
}

void Reactor::take_in() noexcept {
    sleeping_.store(false, std::memory_order_relaxed);
    for (Poller* poller = pollers_.front(); poller; poller = pollers_.next(*poller)) {
        poller->announce_awake();
        poller->poll();
    }
    Message message;
    for (size_t i = 0; i < limits::mailbox_entries && mailbox_.pop(message); ++i)
        message.function(message.context, message.value);
}

// The one place where fibers and connections are resumed. What they wake runs in the same turn,
// within a budget that keeps completions and timers from waiting.
void Reactor::run_ready() noexcept {
    for (unsigned i = 0; i < kRunsPerTurn; ++i) {
        Runnable* runnable = ready_.pop_front();
        if (!runnable) return;
        ++counters_.runs;
        runnable->run();
    }
}

void Reactor::flush_dirty() noexcept {
    while (Flushable* flushable = dirty_.pop_front()) flushable->flush();
}

void Reactor::serve_buffer_waiters() noexcept {
    using ring::BufferGroup;
    if (buffer_waiters_.empty() ||
        ring_.buffers(BufferGroup::small).available() < kBuffersToResume ||
        ring_.buffers(BufferGroup::bulk).available() < kBuffersToResume)
        return;
    List<BufferWaiter> waiters;
    waiters.splice_back(buffer_waiters_);
    while (BufferWaiter* waiter = waiters.pop_front()) waiter->on_available(*waiter);
}

// Without a timer: an idle core is not woken for it, and one that sleeps long gives back a little
// each time it turns over.
void Reactor::trim_buffers() noexcept {
    if (now_ < next_trim_) return;
    next_trim_ = now_ + kTrimPeriod;
    ring_.buffers(ring::BufferGroup::small).trim();
    ring_.buffers(ring::BufferGroup::bulk).trim();
}

void Reactor::note_turn(Nanoseconds began) noexcept {
    ++counters_.turns;
    Nanoseconds spent = ring_.clock() - began;
    if (spent > counters_.longest_turn) counters_.longest_turn = spent;
    if (spent > kStall) ++counters_.stalls;
}

Nanoseconds Reactor::sleep_time() const noexcept {
    Nanoseconds due = timers_.next_deadline();
    return due <= now_ ? 1 : std::min(due - now_, kLongestSleep);
}

// What memory brought while the core was about to sleep is worked off at once: what it has to send
// leaves with the system call that is due anyway.
void Reactor::stay_up() noexcept {
    now_ = ring_.clock();
    take_in();
    run_ready();
    flush_dirty();
}

void Reactor::turn(Nanoseconds timeout) noexcept {
    Nanoseconds wait = 0;
    // What the budget of the last turn left over comes after what has completed since.
    if (ready_.empty()) {
        if (may_sleep()) {
            wait = std::min(sleep_time(), timeout);
        } else {
            stay_up();
        }
    }
    ring_.enter(wait);
    now_ = ring_.clock();
    take_in();
    timers_.advance(now_);
    serve_buffer_waiters();
    run_ready();
    flush_dirty();
    trim_buffers();
    note_turn(now_);
}

void Reactor::run() noexcept {
    stopping_ = false;
    while (!stopping_) turn(kLongestSleep);
}

}  // namespace ringtime::loop
