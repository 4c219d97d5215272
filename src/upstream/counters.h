#pragma once
// What one core has seen of one server. Written by that core alone, read by any thread at any time:
// relaxed atomics, so that counting is a plain addition and reading never waits. Nodes belong to
// the server and are never taken back, so that sums do not go down.

#include <atomic>
#include <bit>
#include <cstdint>

#include "base/clock.h"

namespace ringtime::upstream {

/// One writer; readers see some recent value.
class Count {
 public:
    void add(uint64_t amount = 1) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    }
    void subtract(uint64_t amount = 1) noexcept { add(~amount + 1); }
    [[nodiscard]] uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
    std::atomic<uint64_t> value_{0};
};

/// Buckets of a latency: four to each doubling, from 16 microseconds to more than a minute; bounds
/// are exact to a fifth.
struct LatencyScale {
    static constexpr unsigned per_doubling = 4;
    static constexpr unsigned doublings = 23;
    static constexpr unsigned buckets = per_doubling * doublings;
    static constexpr uint64_t first_us = 16;

    [[nodiscard]] static constexpr unsigned bucket_of(uint64_t us) noexcept {
        if (us < first_us) return 0;
        unsigned top = static_cast<unsigned>(std::bit_width(us)) - 1;
        auto quarter = static_cast<unsigned>(us >> (top - 2)) & 3U;
        unsigned bucket = (top - 4) * per_doubling + quarter;
        return bucket < buckets ? bucket : buckets - 1;
    }
    /// Everything in the bucket took less than this.
    [[nodiscard]] static constexpr uint64_t bound_us(unsigned bucket) noexcept {
        uint64_t quarter = uint64_t{1} << (bucket / per_doubling + 2);
        return quarter * (4 + bucket % per_doubling + 1);
    }
};
static_assert(LatencyScale::bucket_of(16) == 0 && LatencyScale::bucket_of(20) == 1);
static_assert(LatencyScale::bound_us(0) == 20 && LatencyScale::bound_us(3) == 32);
static_assert(LatencyScale::bucket_of(LatencyScale::bound_us(7)) == 8);

struct alignas(64) ServerCounters {
    unsigned core = 0;  ///< Whose they are.

    // Gauges.
    Count in_flight;
    Count idle;
    // Since the start.
    Count requests;         ///< Attempts, retries among them.
    Count status_class[6];  ///< Heads received, by hundreds.
    Count connects;         ///< Connections made.
    Count connect_failures;
    Count reused;           ///< Requests on a connection that had carried others.
    Count handed_over;      ///< Idle connections taken from other cores.
    Count retries;          ///< Attempts here after one elsewhere, or here, had failed.
    Count resets;           ///< Ended before the head of the answer.
    Count timeouts;
    Count invalid;          ///< Answers that are not HTTP.
    Count successes;        ///< As judged for ejection.
    Count failures;
    Count latency[LatencyScale::buckets];  ///< From the request to the head of the answer.
    Count latency_sum_us;

    ServerCounters* next = nullptr;  ///< The server's list; set before the node is published.
};

}  // namespace ringtime::upstream
