// Everything that is counted, read out: what the gateway's parts tell, what each hook of each
// plugin did, and what plugins count themselves.

#include "base/metrics.h"

#include <algorithm>

#include "hook/core.h"
#include "hook/event_channel.h"
#include "hook/registry.h"
#include "hook/socket_endpoint.h"

namespace ringtime::hook {
namespace {

struct HookMetric {
    std::string_view name;
    std::string_view help;
    uint64_t HookTotals::*value;
};

constexpr HookMetric kHookMetrics[] = {
    {"ringtime.plugin.calls", "Calls of a plugin's hook", &HookTotals::calls},
    {"ringtime.plugin.answers", "Requests a plugin's hook answered", &HookTotals::answers},
    {"ringtime.plugin.errors", "Calls of a plugin's hook that failed", &HookTotals::errors},
    {"ringtime.plugin.suspensions", "Requests a plugin's hook paused", &HookTotals::suspensions},
};

/// Calls `visit(plugin, hook, totals)` for each hook that was called.
template <typename Visit>
void each_hook(const std::vector<PluginRef>& plugins, Visit&& visit) {
    for (const PluginRef& plugin : plugins) {
        for (size_t i = 0; i < hook_count; ++i) {
            HookTotals totals = plugin->totals(static_cast<Hook>(i));
            if (totals.calls) visit(plugin->spec().short_name, static_cast<Hook>(i), totals);
        }
    }
}

void collect_hooks(const std::vector<PluginRef>& plugins, MetricSink& sink) {
    for (const HookMetric& metric : kHookMetrics) {
        each_hook(plugins, [&](const std::string& name, Hook hook, const HookTotals& totals) {
            sink.add(MetricKind::counter, metric.name, metric.help, "{call}", totals.*metric.value,
                     {{"plugin", name}, {"hook", hook_name(hook)}});
        });
    }
    each_hook(plugins, [&](const std::string& name, Hook hook, const HookTotals& totals) {
        if (totals.sampled == 0) return;
        MetricLabel labels[] = {{"plugin", name}, {"hook", hook_name(hook)}};
        Metric metric;
        metric.kind = MetricKind::gauge;
        metric.name = "ringtime.plugin.call.duration";
        metric.help = "Mean time of a call of a plugin's hook, one in 64 measured";
        metric.unit = "s";
        metric.labels = labels;
        metric.value = static_cast<double>(totals.sampled_ns) /
                       static_cast<double>(totals.sampled) / kNanosecondsPerSecond;
        sink.add(metric);
    });
}

void collect_channels(const std::vector<PluginRef>& plugins, MetricSink& sink) {
    struct Count {
        std::string_view name;
        std::string_view help;
        MetricKind kind;
        uint64_t (*value)(const ringtime_channel_counts&);
    };
    static constexpr Count kCounts[] = {
        {"ringtime.events.subscribers", "Clients that listen to a channel of events",
         MetricKind::gauge,
         [](const ringtime_channel_counts& counts) -> uint64_t { return counts.subscribers; }},
        {"ringtime.events.published", "Events published on a channel", MetricKind::counter,
         [](const ringtime_channel_counts& counts) { return counts.published; }},
        {"ringtime.events.dropped", "Subscribers of a channel that were too slow",
         MetricKind::counter,
         [](const ringtime_channel_counts& counts) { return counts.dropped; }},
    };
    for (const Count& count : kCounts) {
        for (const PluginRef& plugin : plugins) {
            for (const auto& channel : plugin->channels())
                sink.add(count.kind, count.name, count.help, "", count.value(channel->counts()),
                         {{"plugin", plugin->spec().short_name}, {"channel", channel->name()}});
        }
    }
}

void collect_endpoints(const std::vector<PluginRef>& plugins, MetricSink& sink) {
    struct Count {
        std::string_view name;
        std::string_view help;
        MetricKind kind;
        uint64_t (*value)(const ringtime_endpoint_counts&);
    };
    static constexpr Count kCounts[] = {
        {"ringtime.websockets.open", "WebSockets of an endpoint that are open", MetricKind::gauge,
         [](const ringtime_endpoint_counts& counts) -> uint64_t { return counts.open; }},
        {"ringtime.websockets.opened", "WebSockets of an endpoint so far", MetricKind::counter,
         [](const ringtime_endpoint_counts& counts) { return counts.opened; }},
        {"ringtime.websockets.received", "Messages from clients", MetricKind::counter,
         [](const ringtime_endpoint_counts& counts) { return counts.received; }},
        {"ringtime.websockets.sent", "Messages to clients", MetricKind::counter,
         [](const ringtime_endpoint_counts& counts) { return counts.sent; }},
        {"ringtime.websockets.dropped", "WebSockets that were too slow for a broadcast",
         MetricKind::counter,
         [](const ringtime_endpoint_counts& counts) { return counts.dropped; }},
    };
    for (const Count& count : kCounts) {
        for (const PluginRef& plugin : plugins) {
            for (const auto& endpoint : plugin->endpoints())
                sink.add(count.kind, count.name, count.help, "", count.value(endpoint->counts()),
                         {{"plugin", plugin->spec().short_name}, {"endpoint", endpoint->name()}});
        }
    }
}

/// A series of a plugin's own, towards whoever reads.
void pass(MetricSink& sink, const ringtime_metric& theirs) {
    constexpr size_t labels_max = 16;
    MetricLabel labels[labels_max];
    size_t count = std::min(theirs.label_count, labels_max);
    for (size_t i = 0; i < count; ++i)
        labels[i] = {to_view(theirs.labels[i].name), to_view(theirs.labels[i].value)};
    Metric metric;
    metric.kind = theirs.kind == RINGTIME_METRIC_HISTOGRAM ? MetricKind::histogram
                  : theirs.kind == RINGTIME_METRIC_GAUGE   ? MetricKind::gauge
                                                           : MetricKind::counter;
    metric.name = to_view(theirs.name);
    metric.help = to_view(theirs.help);
    metric.unit = to_view(theirs.unit);
    metric.labels = {labels, count};
    metric.value = theirs.value;
    metric.count = theirs.count;
    if (metric.kind == MetricKind::histogram) {
        metric.bounds = {theirs.bounds, theirs.bound_count};
        metric.buckets = {theirs.buckets, theirs.bound_count + 1};
    }
    sink.add(metric);
}

}  // namespace

void Cores::read_metrics(MetricSink& sink) {
    for (const MetricSource* source : metrics_) source->collect(sink);
    sink.add(MetricKind::counter, "ringtime.helper.tasks", "Tasks handed to helper threads",
             "{task}", helpers_.submitted());
    sink.add(MetricKind::counter, "ringtime.helper.refused",
             "Tasks refused because too many were waiting for a helper thread", "{task}",
             helpers_.refused());
    sink.add(MetricKind::gauge, "ringtime.helper.waiting", "Tasks that wait for a helper thread",
             "{task}", helpers_.waiting());
    std::vector<PluginRef> plugins = registry_->plugins();
    collect_hooks(plugins, sink);
    collect_channels(plugins, sink);
    collect_endpoints(plugins, sink);
    for (const PluginRef& plugin : plugins) {
        Guest guest(plugin->door());
        if (!guest || plugin->down()) continue;
        for (const MetricsReader& reader : plugin->metrics_readers()) {
            auto pass_on = [](void* visitor, const ringtime_metric* metric) {
                pass(*static_cast<MetricSink*>(visitor), *metric);
            };
            plugin->guarded("its metrics", [&] { reader.collect(reader.user, pass_on, &sink); });
        }
    }
}

}  // namespace ringtime::hook
