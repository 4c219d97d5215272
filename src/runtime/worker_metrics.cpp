#include "runtime/worker_metrics.h"

namespace ringtime::runtime {

void WorkerMetrics::collect(MetricSink& sink) const {
    const Reloader* reloader = reloader_.load();
    if (!reloader) return;
    std::shared_ptr<const Published> published = reloader->current();
    const std::vector<uint32_t>& numbers = published->snapshot->apps;
    for (size_t i = 0; i < published->apps.size() && i < numbers.size(); ++i)
        sink.add(MetricKind::gauge, "ringtime.workers.ready",
                 "Worker processes of an app that take requests", "{process}",
                 supervisor_.ready_count(numbers[i]), {{"app", published->apps[i].name}});
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
    sink.add(MetricKind::counter, "ringtime.reloads",
             "Configurations brought into force after the first", "", published->epoch - 1);
}

}  // namespace ringtime::runtime
