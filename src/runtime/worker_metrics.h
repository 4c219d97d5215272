#pragma once
// What worker processes and reloads count, as metrics.

#include <atomic>

#include "base/metrics.h"
#include "runtime/reloader.h"

namespace ringtime::runtime {

class WorkerMetrics final : public MetricSource {
 public:
    explicit WorkerMetrics(const worker::Supervisor& supervisor) noexcept
        : supervisor_(supervisor) {}

    /// Who knows what is in force; null: nobody yet, or no more.
    void use(const Reloader* reloader) noexcept { reloader_.store(reloader); }
    void collect(MetricSink& sink) const override;

 private:
    const worker::Supervisor& supervisor_;
    std::atomic<const Reloader*> reloader_{nullptr};
};

}  // namespace ringtime::runtime
