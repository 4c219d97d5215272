#include "runtime/gateway_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/resident.h"

namespace ringtime::runtime {
namespace {

double seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

GatewayMetrics::GatewayMetrics(const AccessLogWriter& access_log,
                               const hook::Watchdog* watchdog, unsigned cores)
    : access_log_(access_log),
      watchdog_(watchdog),
      cores_(cores),
      started_ms_(wall_clock_milliseconds()) {}

void GatewayMetrics::collect(MetricSink& sink) const {
    collect_process(sink);
    collect_losses(sink);
}

void GatewayMetrics::collect_process(MetricSink& sink) const {
    sink.add(MetricKind::gauge, "ringtime.build.info", "1, and the version that runs", "", 1,
             {{"version", RINGTIME_VERSION}});
    sink.add(MetricKind::gauge, "ringtime.cores", "Threads that serve requests", "", cores_);
    Metric metric;
    metric.kind = MetricKind::gauge;
    metric.name = "process.start.time";
    metric.help = "When the process began, since 1970";
    metric.unit = "s";
    metric.value = static_cast<double>(started_ms_) / 1000;
    sink.add(metric);
    sink.add(MetricKind::gauge, "process.memory.resident", "Resident memory of the gateway", "By",
             resident_bytes(::getpid()));
    rusage usage{};
    if (::getrusage(RUSAGE_SELF, &usage) != 0) return;
    struct Mode {
        std::string_view name;
        const timeval& time;
    };
    for (const Mode& mode : {Mode{"user", usage.ru_utime}, Mode{"system", usage.ru_stime}}) {
        MetricLabel labels[] = {{"mode", mode.name}};
        Metric time;
        time.name = "process.cpu.time";
        time.help = "Processor time of the gateway";
        time.unit = "s";
        time.labels = labels;
        time.value = seconds(mode.time);
        sink.add(time);
    }
}

void GatewayMetrics::collect_losses(MetricSink& sink) const {
    sink.add(MetricKind::counter, "ringtime.log.dropped", "Lines of the log that were lost",
             "{line}", log_lines_dropped(), {{"log", "event"}});
    sink.add(MetricKind::counter, "ringtime.log.dropped", "Lines of the log that were lost",
             "{line}", access_log_.dropped(), {{"log", "access"}});
    if (!watchdog_) return;
    sink.add(MetricKind::counter, "ringtime.plugin.held",
             "Calls of a plugin that held a core longer than 50 ms", "{call}", watchdog_->found());
}

}  // namespace ringtime::runtime
