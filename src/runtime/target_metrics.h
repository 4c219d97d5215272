#pragma once
// What upstreams and worker processes count, as metrics: of the configuration that is in force.

#include <atomic>

#include "base/metrics.h"
#include "runtime/reloader.h"

namespace ringtime::runtime {

class TargetMetrics final : public MetricSource {
 public:
    explicit TargetMetrics(const worker::Supervisor& supervisor) noexcept
        : supervisor_(supervisor) {}

    /// Who knows what is in force; null: nobody yet, or no more.
    void use(const Reloader* reloader) noexcept { reloader_.store(reloader); }
    void collect(MetricSink& sink) const override;

 private:
    void collect_workers(const Published& published, MetricSink& sink) const;

    const worker::Supervisor& supervisor_;
    std::atomic<const Reloader*> reloader_{nullptr};
};

}  // namespace ringtime::runtime
