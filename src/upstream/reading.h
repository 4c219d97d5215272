#pragma once
// What is known of an upstream at one moment, as plain values: for the API, the command line and
// metrics. Made on any thread, from counters that go on counting meanwhile.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "upstream/upstream.h"

namespace ringtime::upstream {

struct ServerReading {
    enum class State : uint8_t { up, down, ejected, unresolved };

    std::string url;
    unsigned weight = 1;
    bool backup = false;
    State state = State::up;
    bool checked = false;               ///< By active checks, which have said something.
    Milliseconds ejected_for = 0;       ///< Left of an ejection.
    std::vector<std::string> addresses;

    uint64_t in_flight = 0;
    uint64_t idle = 0;                  ///< Connections kept for the next request.
    uint64_t requests = 0;              ///< Attempts, retries among them.
    std::array<uint64_t, 6> status_class{};  ///< By hundreds; 0 is not used.
    uint64_t connects = 0;
    uint64_t connect_failures = 0;
    uint64_t reused = 0;
    uint64_t handed_over = 0;
    uint64_t retries = 0;
    uint64_t resets = 0;
    uint64_t timeouts = 0;
    uint64_t invalid = 0;
    uint64_t ejections = 0;
    std::array<uint64_t, LatencyScale::buckets> latency{};
    uint64_t latency_sum_us = 0;

    /// Requests on kept connections per hundred.
    [[nodiscard]] double reuse_percent() const noexcept;
    /// Time to the head that `share` (0 to 1) of the answers did not exceed, in microseconds.
    [[nodiscard]] uint64_t latency_us(double share) const noexcept;
};
[[nodiscard]] std::string_view state_name(ServerReading::State state) noexcept;

struct UpstreamReading {
    std::string name;
    uint64_t queued = 0;
    uint64_t queue_full = 0;
    uint64_t queue_timeouts = 0;
    uint64_t retries_denied = 0;
    std::vector<ServerReading> servers;
};

[[nodiscard]] UpstreamReading read_upstream(const Upstream& upstream, Nanoseconds now);

}  // namespace ringtime::upstream
