#pragma once
// What the process as a whole counts: its age, memory and time, and what was lost because
// somebody was too slow. Read by whoever reads metrics, on his thread.

#include "base/metrics.h"
#include "hook/watchdog.h"
#include "runtime/access_log_writer.h"

namespace ringtime::runtime {

class GatewayMetrics final : public MetricSource {
 public:
    /// All outlive it; `watchdog` may be null.
    GatewayMetrics(const AccessLogWriter& access_log, const hook::Watchdog* watchdog,
                   unsigned cores);

    void collect(MetricSink& sink) const override;

 private:
    void collect_process(MetricSink& sink) const;
    void collect_losses(MetricSink& sink) const;

    const AccessLogWriter& access_log_;
    const hook::Watchdog* watchdog_;
    unsigned cores_;
    uint64_t started_ms_;
};

}  // namespace ringtime::runtime
