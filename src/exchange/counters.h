#pragma once
// What requests are counted as: per core by what happened, per mount by method and class of status,
// with the time they took. Each core writes its own numbers and any thread reads them; a mount's
// numbers are found by a slot the mount carries, so counting is an index and an addition. Slots are
// given by name and stay: a mount keeps its numbers over reloads.

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/counter.h"
#include "base/metrics.h"
#include "base/reason.h"
#include "http/head.h"

namespace ringtime::exchange {

/// How long requests took: from 0.1 ms, and where OpenTelemetry has its bounds.
class DurationHistogram {
 public:
    static constexpr std::array<double, 19> bounds = {
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075,
        0.1,    0.25,    0.5,    0.75,  1,      2.5,   5,    7.5,   10};

    void observe(Nanoseconds duration) noexcept;
    /// Adds this one's numbers to those.
    void sum_up(std::array<uint64_t, bounds.size() + 1>& buckets, uint64_t& count,
                Nanoseconds& sum) const noexcept;

 private:
    std::array<Counter, bounds.size() + 1> buckets_;
    Counter sum_ns_;
};

/// Of a status: 1xx to 5xx, or 0 for requests nothing was answered to.
inline constexpr size_t status_classes = 6;
inline constexpr size_t method_count = static_cast<size_t>(http::Method::trace) + 1;

/// A request that is over.
struct FinishedRequest {
    http::Method method = http::Method::other;
    uint16_t status = 0;
    Nanoseconds duration = 0;
    uint64_t received = 0;
    uint64_t sent = 0;
};

/// Requests of one mount on one core.
struct MountCounters {
    Counter requests[method_count][status_classes];
    DurationHistogram durations[status_classes];
    Counter received;
    Counter sent;

    void add(const FinishedRequest& request) noexcept;
};

/// Mounts with numbers of their own; the rest share the last slot. 1.5 KiB each per core.
inline constexpr uint32_t counted_mounts_max = 1024;

/// A core's numbers as they stood at a moment.
struct CoreTotals {
    uint64_t connections = 0;
    uint64_t requests = 0;
    uint64_t refused_heads = 0;
    uint64_t refused_peers = 0;
    uint64_t aborted = 0;
    uint64_t status_class[status_classes] = {};
};

/// One core's. Outlives the core.
struct CoreCounters {
    Counter connections;
    Counter connections_closed;
    Counter requests;
    Counter requests_finished;
    Counter refused_heads;
    Counter refused_peers;  ///< Connections of peers that had as many as they may.
    Counter aborted;  ///< Answers that could not be completed.
    Counter status_class[status_classes];
    Counter reasons[static_cast<size_t>(Reason::count_)];

    /// The core's thread. `slot`: of a mount, or 0 for requests nothing is mounted for.
    void finished(uint32_t slot, const FinishedRequest& request) noexcept;
    [[nodiscard]] CoreTotals totals() const noexcept;
    void because_of(Reason reason) noexcept { ++reasons[static_cast<size_t>(reason)]; }

 private:
    friend class RequestCounters;
    std::array<std::atomic<MountCounters*>, counted_mounts_max + 1> mounts_{};
};

/// All cores'.
class RequestCounters final : public MetricSource {
 public:
    explicit RequestCounters(unsigned cores);

    [[nodiscard]] CoreCounters& core(unsigned index) noexcept { return *cores_[index]; }
    /// Where requests of this mount are counted, on every core. Not on a core: it allocates.
    [[nodiscard]] uint32_t slot_of(std::string_view mount);
    void collect(MetricSink& sink) const override;

 private:
    void add_slot(std::string name);
    void collect_cores(MetricSink& sink) const;
    void collect_requests(MetricSink& sink, const std::vector<std::string>& names) const;
    void collect_durations(MetricSink& sink, const std::vector<std::string>& names) const;
    void collect_bytes(MetricSink& sink, const std::vector<std::string>& names) const;
    template <typename Read>
    [[nodiscard]] uint64_t total(Read&& read) const;

    std::vector<std::unique_ptr<CoreCounters>> cores_;
    std::vector<std::unique_ptr<MountCounters>> blocks_;
    mutable std::mutex lock_;  // tidy: allow(data-path) names and blocks, never per request
    std::vector<std::string> names_;
};

}  // namespace ringtime::exchange
