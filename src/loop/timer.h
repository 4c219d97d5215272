#pragma once
// Deadlines of one core: a hierarchical wheel of 4 levels of 64 slots, 8 ms a tick. Arming, moving
// and disarming are O(1) and cost no operation: the wheel's next deadline is the timeout of the one
// system call per turn. Deadlines are "not before". Single-threaded.

#include <cstdint>

#include "base/clock.h"
#include "base/list.h"

namespace ringtime::loop {

/// Embedded in its owner, which disarms it (or lets it fire) before dying.
struct Timer : ListNode {
    using Handler = void (*)(Timer&) noexcept;

    Handler on_expire = nullptr;
    void* owner = nullptr;
    Nanoseconds deadline = 0;

    [[nodiscard]] bool armed() const noexcept { return linked(); }
};

class TimerWheel {
 public:
    static constexpr Nanoseconds tick = 8 * kNanosecondsPerMillisecond;

    explicit TimerWheel(Nanoseconds now) noexcept : current_(now / tick) {}

    /// Arms or moves. A deadline that moves later only writes a field: the node follows when it
    /// would have fired (most deadlines are moved far more often than they are met).
    void arm(Timer& timer, Nanoseconds deadline) noexcept;
    void disarm(Timer& timer) noexcept;

    /// Fires everything due at `now`. Handlers may arm and disarm any timer.
    void advance(Nanoseconds now) noexcept;

    /// When advance() next has work to do; UINT64_MAX when nothing is armed.
    [[nodiscard]] Nanoseconds next_deadline() const noexcept;
    [[nodiscard]] bool empty() const noexcept { return armed_ == 0; }

 private:
    static constexpr unsigned levels = 4;
    static constexpr unsigned slot_bits = 6;
    static constexpr unsigned slots = 1U << slot_bits;

    /// `first`: the earliest tick whose slot has not been opened yet.
    void place(Timer& timer, uint64_t first) noexcept;
    void fire_slot(List<Timer>& slot, Nanoseconds now) noexcept;
    void cascade(unsigned level) noexcept;

    List<Timer> wheel_[levels][slots];
    uint64_t occupied_[levels] = {};
    uint64_t current_;
    uint64_t armed_ = 0;
};

}  // namespace ringtime::loop
