#pragma once
// Whether a client keeps up while one of its requests is being answered: with sending the body,
// and with taking the answer. Pure: times are handed in.
//
// The body is judged over windows of time in which the gateway waited for the client: a target that
// takes nothing is not the client's fault, and a fast beginning buys no slow end. Windows are
// closed when somebody looks (closed_slow), so the cost per piece is two additions.

#include <cstdint>

#include "base/clock.h"

namespace ringtime::exchange {

/// The least a client may send: so many bytes in each second that is waited for them, on average
/// over a window. A rate of 0 still wants one byte in each window.
struct BodyRate {
    uint64_t bytes_per_s = 0;
    Milliseconds window_ms = 0;
};

class ClientPace {
  public:
    void begin(Nanoseconds now) noexcept {
        *this = {};
        taken_at_ = now;
    }

    /// Somebody wants bytes of the body and there are none.
    void wait(Nanoseconds now) noexcept {
        if (waiting_since_ == not_waiting) waiting_since_ = now;
    }
    /// So many have arrived: framing counts, since sending it takes time as well.
    void receive(uint64_t bytes, Nanoseconds now) noexcept {
        bytes_ += bytes;
        stop_waiting(now);
    }
    /// Closes a window when one is full. True when too little came in it.
    [[nodiscard]] bool closed_slow(const BodyRate& rate, Nanoseconds now) noexcept {
        bool waiting = waiting_since_ != not_waiting;
        stop_waiting(now);
        if (waiting) waiting_since_ = now;
        if (waited_ < from_milliseconds(rate.window_ms)) return false;
        uint64_t wanted = rate.bytes_per_s * (waited_ / kNanosecondsPerMillisecond) / 1000;
        bool slow = bytes_ < (wanted > 0 ? wanted : 1);
        bytes_ = waited_ = 0;
        return slow;
    }

    /// `sent`: bytes of the connection the kernel has taken so far; `queued`: those it has not.
    /// True when there were some to take for `limit_ms` and none was taken.
    [[nodiscard]] bool stalled(uint64_t sent, uint64_t queued, Milliseconds limit_ms,
                               Nanoseconds now) noexcept {
        if (queued == 0 || sent != taken_) {
            taken_ = sent;
            taken_at_ = now;
            return false;
        }
        return now - taken_at_ >= from_milliseconds(limit_ms);
    }

  private:
    static constexpr Nanoseconds not_waiting = UINT64_MAX;

    void stop_waiting(Nanoseconds now) noexcept {
        if (waiting_since_ == not_waiting) return;
        waited_ += now - waiting_since_;
        waiting_since_ = not_waiting;
    }

    Nanoseconds waiting_since_ = not_waiting;
    Nanoseconds waited_ = 0;
    uint64_t bytes_ = 0;
    uint64_t taken_ = 0;
    Nanoseconds taken_at_ = 0;
};

}  // namespace ringtime::exchange
