#include "upstream/reading.h"

#include <cmath>

namespace ringtime::upstream {
namespace {

void add(ServerReading& reading, const ServerCounters& counters) {
    reading.in_flight += counters.in_flight.get();
    reading.idle += counters.idle.get();
    reading.requests += counters.requests.get();
    for (size_t i = 0; i < reading.status_class.size(); ++i)
        reading.status_class[i] += counters.status_class[i].get();
    reading.connects += counters.connects.get();
    reading.connect_failures += counters.connect_failures.get();
    reading.reused += counters.reused.get();
    reading.handed_over += counters.handed_over.get();
    reading.retries += counters.retries.get();
    reading.resets += counters.resets.get();
    reading.timeouts += counters.timeouts.get();
    reading.invalid += counters.invalid.get();
    for (size_t i = 0; i < reading.latency.size(); ++i)
        reading.latency[i] += counters.latency[i].get();
    reading.latency_sum_us += counters.latency_sum_us.get();
}

ServerReading read_server(const Server& server, Nanoseconds now) {
    ServerReading reading;
    reading.url = server.url();
    reading.weight = server.spec().weight;
    reading.backup = server.spec().backup;
    reading.checked = server.health() != Health::unchecked;
    if (const AddressSet* set = server.addresses()) {
        for (const net::Endpoint& endpoint : set->endpoints)
            reading.addresses.push_back(endpoint.text());
    }
    using State = ServerReading::State;
    reading.state = reading.addresses.empty()            ? State::unresolved
                    : server.health() == Health::down    ? State::down
                    : server.ejected(now)                ? State::ejected
                                                         : State::up;
    if (server.ejected(now))
        reading.ejected_for = (server.ejected_until() - now) / kNanosecondsPerMillisecond;
    reading.ejections = server.ejections();
    server.for_each_counters([&](const ServerCounters& counters) { add(reading, counters); });
    return reading;
}

}  // namespace

double ServerReading::reuse_percent() const noexcept {
    return requests == 0 ? 0 : 100.0 * static_cast<double>(reused) / static_cast<double>(requests);
}

uint64_t ServerReading::latency_us(double share) const noexcept {
    uint64_t total = 0;
    for (uint64_t count : latency) total += count;
    if (total == 0) return 0;
    auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(total)));
    uint64_t seen = 0;
    for (unsigned bucket = 0; bucket < LatencyScale::buckets; ++bucket) {
        seen += latency[bucket];
        if (seen >= wanted) return LatencyScale::bound_us(bucket);
    }
    return LatencyScale::bound_us(LatencyScale::buckets - 1);
}

std::string_view state_name(ServerReading::State state) noexcept {
    switch (state) {
        case ServerReading::State::up: return "up";
        case ServerReading::State::down: return "down";
        case ServerReading::State::ejected: return "ejected";
        case ServerReading::State::unresolved: return "unresolved";
    }
    return "up";
}

UpstreamReading read_upstream(const Upstream& upstream, Nanoseconds now) {
    UpstreamReading reading;
    reading.name = upstream.spec().name;
    reading.queued = upstream.queued.load(std::memory_order_relaxed);
    reading.queue_full = upstream.queue_full.load(std::memory_order_relaxed);
    reading.queue_timeouts = upstream.queue_timeouts.load(std::memory_order_relaxed);
    reading.retries_denied = upstream.retries_denied.load(std::memory_order_relaxed);
    for (size_t i = 0; i < upstream.size(); ++i)
        reading.servers.push_back(read_server(upstream.server(i), now));
    return reading;
}

}  // namespace ringtime::upstream
