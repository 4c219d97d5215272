#include "runtime/target_metrics.h"

#include <array>

#include "runtime/upstream_report.h"

namespace ringtime::runtime {
namespace {

using upstream::LatencyScale;
using upstream::ServerReading;
using upstream::UpstreamReading;

constexpr std::string_view kClasses[] = {"", "1xx", "2xx", "3xx", "4xx", "5xx"};

struct ServerMetric {
    MetricKind kind;
    std::string_view name;
    std::string_view help;
    std::string_view unit;
    uint64_t ServerReading::*value;
};

constexpr ServerMetric kServerMetrics[] = {
    {MetricKind::gauge, "ringtime.upstream.active_requests", "Requests a server is working on",
     "{request}", &ServerReading::in_flight},
    {MetricKind::gauge, "ringtime.upstream.connections.idle",
     "Connections to a server kept for the next request", "{connection}", &ServerReading::idle},
    {MetricKind::counter, "ringtime.upstream.attempts",
     "Requests sent to a server, retries among them", "{request}", &ServerReading::requests},
    {MetricKind::counter, "ringtime.upstream.connections", "Connections made to a server",
     "{connection}", &ServerReading::connects},
    {MetricKind::counter, "ringtime.upstream.reuses",
     "Requests on a connection that had carried others", "{request}", &ServerReading::reused},
    {MetricKind::counter, "ringtime.upstream.handovers",
     "Idle connections that another core took over", "{connection}", &ServerReading::handed_over},
    {MetricKind::counter, "ringtime.upstream.retries", "Attempts after one had failed",
     "{request}", &ServerReading::retries},
    {MetricKind::counter, "ringtime.upstream.ejections",
     "Times a server was put out of use for its failures", "", &ServerReading::ejections},
};

struct Failure {
    std::string_view kind;
    uint64_t ServerReading::*value;
};

constexpr Failure kFailures[] = {{"connect", &ServerReading::connect_failures},
                                 {"reset", &ServerReading::resets},
                                 {"timeout", &ServerReading::timeouts},
                                 {"invalid", &ServerReading::invalid}};

struct QueueMetric {
    MetricKind kind;
    std::string_view name;
    std::string_view help;
    uint64_t UpstreamReading::*value;
};

constexpr QueueMetric kQueueMetrics[] = {
    {MetricKind::gauge, "ringtime.upstream.queued", "Requests that wait for a connection",
     &UpstreamReading::queued},
    {MetricKind::counter, "ringtime.upstream.queue.full", "Requests the full queue refused",
     &UpstreamReading::queue_full},
    {MetricKind::counter, "ringtime.upstream.queue.timeouts", "Requests that waited too long",
     &UpstreamReading::queue_timeouts},
    {MetricKind::counter, "ringtime.upstream.retries.denied",
     "Retries refused because too many were made", &UpstreamReading::retries_denied},
};

template <typename Visit>
void each_server(const std::vector<UpstreamReading>& all, Visit&& visit) {
    for (const UpstreamReading& upstream : all) {
        for (const ServerReading& server : upstream.servers) visit(upstream, server);
    }
}

// One bound for each doubling: a reader that wants to sum over servers wants few.
void collect_latency(const std::vector<UpstreamReading>& all, MetricSink& sink) {
    std::array<double, LatencyScale::doublings> bounds{};
    for (unsigned i = 0; i < bounds.size(); ++i)
        bounds[i] = static_cast<double>(
                        LatencyScale::bound_us((i + 1) * LatencyScale::per_doubling - 1)) /
                    1e6;
    each_server(all, [&](const UpstreamReading& upstream, const ServerReading& server) {
        std::array<uint64_t, LatencyScale::doublings + 1> buckets{};
        Metric metric;
        for (unsigned i = 0; i < server.latency.size(); ++i) {
            buckets[i / LatencyScale::per_doubling] += server.latency[i];
            metric.count += server.latency[i];
        }
        if (metric.count == 0) return;
        MetricLabel labels[] = {{"upstream", upstream.name}, {"server", server.url}};
        metric.kind = MetricKind::histogram;
        metric.name = "ringtime.upstream.head.duration";
        metric.help = "Time from a request to the head of a server's answer";
        metric.unit = "s";
        metric.labels = labels;
        metric.value = static_cast<double>(server.latency_sum_us) / 1e6;
        metric.bounds = bounds;
        metric.buckets = buckets;
        sink.add(metric);
    });
}

void collect_servers(const std::vector<UpstreamReading>& all, MetricSink& sink) {
    each_server(all, [&](const UpstreamReading& upstream, const ServerReading& server) {
        sink.add(MetricKind::gauge, "ringtime.upstream.up", "1 while a server can be used", "",
                 server.state == ServerReading::State::up,
                 {{"upstream", upstream.name}, {"server", server.url}});
    });
    for (const ServerMetric& metric : kServerMetrics) {
        each_server(all, [&](const UpstreamReading& upstream, const ServerReading& server) {
            sink.add(metric.kind, metric.name, metric.help, metric.unit, server.*metric.value,
                     {{"upstream", upstream.name}, {"server", server.url}});
        });
    }
    each_server(all, [&](const UpstreamReading& upstream, const ServerReading& server) {
        for (size_t i = 1; i < server.status_class.size(); ++i) {
            if (server.status_class[i] == 0) continue;
            sink.add(MetricKind::counter, "ringtime.upstream.answers", "Answers of a server",
                     "{request}", server.status_class[i],
                     {{"upstream", upstream.name},
                      {"server", server.url},
                      {"status_class", kClasses[i]}});
        }
    });
    each_server(all, [&](const UpstreamReading& upstream, const ServerReading& server) {
        for (const Failure& failure : kFailures)
            sink.add(MetricKind::counter, "ringtime.upstream.failures",
                     "Attempts that failed, by how", "{request}", server.*failure.value,
                     {{"upstream", upstream.name},
                      {"server", server.url},
                      {"kind", failure.kind}});
    });
}

}  // namespace

void TargetMetrics::collect(MetricSink& sink) const {
    const Reloader* reloader = reloader_.load();
    if (!reloader) return;
    std::shared_ptr<const Published> published = reloader->current();
    std::vector<UpstreamReading> all = read_upstreams(*published->snapshot);
    collect_servers(all, sink);
    collect_latency(all, sink);
    for (const QueueMetric& metric : kQueueMetrics) {
        for (const UpstreamReading& upstream : all)
            sink.add(metric.kind, metric.name, metric.help, "{request}", upstream.*metric.value,
                     {{"upstream", upstream.name}});
    }
    collect_workers(*published, sink);
    sink.add(MetricKind::counter, "ringtime.reloads",
             "Configurations brought into force after the first", "", published->epoch - 1);
}

void TargetMetrics::collect_workers(const Published& published, MetricSink& sink) const {
    const std::vector<uint32_t>& numbers = published.snapshot->apps;
    for (size_t i = 0; i < published.apps.size() && i < numbers.size(); ++i)
        sink.add(MetricKind::gauge, "ringtime.workers.ready",
                 "Worker processes of an app that take requests", "{process}",
                 supervisor_.ready_count(numbers[i]), {{"app", published.apps[i].name}});
    struct Count {
        std::string_view event;
        const Counter& value;
    };
    const worker::SupervisorCounters& counters = supervisor_.counters();
    for (const Count& count : {Count{"started", counters.started},
                               Count{"ready", counters.ready},
                               Count{"crashed", counters.crashed},
                               Count{"killed", counters.killed},
                               Count{"start_failed", counters.start_failures},
                               Count{"recycled", counters.recycled},
                               Count{"retired", counters.retired},
                               Count{"forked", counters.forked}})
        sink.add(MetricKind::counter, "ringtime.workers.events",
                 "What happened to worker processes", "{process}", count.value,
                 {{"event", count.event}});
}

}  // namespace ringtime::runtime
