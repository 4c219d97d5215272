#include "upstream/metrics.h"

#include <algorithm>
#include <array>

namespace ringtime::upstream {
namespace {

struct Series {
    MetricKind kind;
    std::string_view name;
    std::string_view help;
    std::string_view unit;
    uint64_t (*read)(const ServerReading&) noexcept;
    MetricLabel label{};  ///< Beside those of upstream and server.
};

constexpr std::string_view kStatuses = "Answers of upstream servers, by status";
constexpr std::string_view kFailures = "Requests to upstream servers that got no answer, by cause";

using Read = const ServerReading&;
constexpr Series kSeries[] = {
    {MetricKind::counter, "ringtime.upstream.requests",
     "Requests sent to upstream servers, repeated ones among them", "{request}",
     [](Read server) noexcept { return server.requests; }},
    {MetricKind::counter, "ringtime.upstream.answers", kStatuses, "{request}",
     [](Read server) noexcept { return server.status_class[1]; }, {"status", "1xx"}},
    {MetricKind::counter, "ringtime.upstream.answers", kStatuses, "{request}",
     [](Read server) noexcept { return server.status_class[2]; }, {"status", "2xx"}},
    {MetricKind::counter, "ringtime.upstream.answers", kStatuses, "{request}",
     [](Read server) noexcept { return server.status_class[3]; }, {"status", "3xx"}},
    {MetricKind::counter, "ringtime.upstream.answers", kStatuses, "{request}",
     [](Read server) noexcept { return server.status_class[4]; }, {"status", "4xx"}},
    {MetricKind::counter, "ringtime.upstream.answers", kStatuses, "{request}",
     [](Read server) noexcept { return server.status_class[5]; }, {"status", "5xx"}},
    {MetricKind::counter, "ringtime.upstream.failures", kFailures, "{request}",
     [](Read server) noexcept { return server.connect_failures; }, {"cause", "connect"}},
    {MetricKind::counter, "ringtime.upstream.failures", kFailures, "{request}",
     [](Read server) noexcept { return server.resets; }, {"cause", "reset"}},
    {MetricKind::counter, "ringtime.upstream.failures", kFailures, "{request}",
     [](Read server) noexcept { return server.timeouts; }, {"cause", "timeout"}},
    {MetricKind::counter, "ringtime.upstream.failures", kFailures, "{request}",
     [](Read server) noexcept { return server.invalid; }, {"cause", "invalid"}},
    {MetricKind::counter, "ringtime.upstream.retries",
     "Requests that came after a failed attempt", "{request}",
     [](Read server) noexcept { return server.retries; }},
    {MetricKind::counter, "ringtime.upstream.ejections",
     "Times traffic put a server out of use", "{ejection}",
     [](Read server) noexcept { return server.ejections; }},
    {MetricKind::counter, "ringtime.upstream.connects", "Connections made to upstream servers",
     "{connection}", [](Read server) noexcept { return server.connects; }},
    {MetricKind::counter, "ringtime.upstream.reused", "Requests on kept connections",
     "{request}", [](Read server) noexcept { return server.reused; }},
    {MetricKind::counter, "ringtime.upstream.handed_over",
     "Kept connections that changed cores", "{connection}",
     [](Read server) noexcept { return server.handed_over; }},
    {MetricKind::gauge, "ringtime.upstream.in_flight", "Requests at upstream servers",
     "{request}", [](Read server) noexcept { return server.in_flight; }},
    {MetricKind::gauge, "ringtime.upstream.idle", "Connections kept for the next request",
     "{connection}", [](Read server) noexcept { return server.idle; }},
    {MetricKind::gauge, "ringtime.upstream.up", "1: the server takes requests", "",
     [](Read server) noexcept {
         return uint64_t{server.state == ServerReading::State::up ? 1U : 0U};
     }},
};

// Four of the buckets counted in make one that is shown; the last has no bound.
constexpr unsigned kShown = LatencyScale::doublings;

constexpr std::array<double, kShown - 1> bounds_in_seconds() {
    std::array<double, kShown - 1> bounds{};
    for (unsigned i = 0; i < bounds.size(); ++i) {
        unsigned last = (i + 1) * LatencyScale::per_doubling - 1;
        bounds[i] = static_cast<double>(LatencyScale::bound_us(last)) / 1e6;
    }
    return bounds;
}
constexpr std::array<double, kShown - 1> kBounds = bounds_in_seconds();

template <typename Visit>
void for_each_server(const std::vector<UpstreamReading>& all, Visit&& visit) {
    for (const UpstreamReading& upstream : all) {
        for (const ServerReading& server : upstream.servers) visit(upstream, server);
    }
}

void add_series(MetricSink& sink, const Series& series, const std::vector<UpstreamReading>& all) {
    for_each_server(all, [&](const UpstreamReading& upstream, const ServerReading& server) {
        MetricLabel labels[] = {{"upstream", upstream.name}, {"server", server.url},
                                series.label};
        Metric metric;
        metric.kind = series.kind;
        metric.name = series.name;
        metric.help = series.help;
        metric.unit = series.unit;
        metric.labels = {labels, series.label.name.empty() ? size_t{2} : size_t{3}};
        metric.value = static_cast<double>(series.read(server));
        sink.add(metric);
    });
}

void add_durations(MetricSink& sink, const std::vector<UpstreamReading>& all) {
    for_each_server(all, [&](const UpstreamReading& upstream, const ServerReading& server) {
        MetricLabel labels[] = {{"upstream", upstream.name}, {"server", server.url}};
        std::array<uint64_t, kShown> buckets{};
        Metric metric;
        for (unsigned i = 0; i < server.latency.size(); ++i) {
            buckets[i / LatencyScale::per_doubling] += server.latency[i];
            metric.count += server.latency[i];
        }
        metric.kind = MetricKind::histogram;
        metric.name = "http.client.request.duration";
        metric.help = "From the request to the head of an upstream server's answer";
        metric.unit = "s";
        metric.labels = labels;
        metric.value = static_cast<double>(server.latency_sum_us) / 1e6;
        metric.bounds = kBounds;
        metric.buckets = buckets;
        sink.add(metric);
    });
}

void add_queues(MetricSink& sink, const std::vector<UpstreamReading>& all) {
    for (const UpstreamReading& one : all)
        sink.add(MetricKind::gauge, "ringtime.upstream.queued",
                 "Requests waiting for a connection", "{request}", one.queued,
                 {{"upstream", one.name}});
    for (const UpstreamReading& one : all) {
        constexpr std::string_view help = "Requests that could not wait, or waited in vain";
        sink.add(MetricKind::counter, "ringtime.upstream.queue.refusals", help, "{request}",
                 one.queue_full, {{"upstream", one.name}, {"cause", "full"}});
        sink.add(MetricKind::counter, "ringtime.upstream.queue.refusals", help, "{request}",
                 one.queue_timeouts, {{"upstream", one.name}, {"cause", "timeout"}});
    }
    for (const UpstreamReading& one : all)
        sink.add(MetricKind::counter, "ringtime.upstream.retries.denied",
                 "Retries the budget did not allow", "{request}", one.retries_denied,
                 {{"upstream", one.name}});
}

}  // namespace

// tidy: allow(data-path) readers and reloads only
void UpstreamMetrics::watch(std::vector<std::shared_ptr<Upstream>> upstreams) {
    std::lock_guard lock(mutex_);
    upstreams_ = std::move(upstreams);
}

// Of a hundred thousand mounts those are told of that somebody has used.
std::vector<UpstreamReading> UpstreamMetrics::read() const {
    // tidy: allow(data-path) readers and reloads only
    std::vector<std::shared_ptr<Upstream>> upstreams;
    {
        std::lock_guard lock(mutex_);
        upstreams = upstreams_;
    }
    std::vector<UpstreamReading> all;
    Nanoseconds now = monotonic_now();
    for (const auto& upstream : upstreams) {
        UpstreamReading reading = read_upstream(*upstream, now);
        bool used = std::any_of(reading.servers.begin(), reading.servers.end(),
                                [](const ServerReading& server) { return server.requests > 0; });
        if (!used && reading.queue_full == 0) continue;
        all.push_back(std::move(reading));
        if (all.size() == limits::upstreams_measured_max) break;
    }
    return all;
}

void UpstreamMetrics::collect(MetricSink& sink) const {
    std::vector<UpstreamReading> all = read();
    for (const Series& series : kSeries) add_series(sink, series, all);
    add_durations(sink, all);
    add_queues(sink, all);
}

}  // namespace ringtime::upstream
