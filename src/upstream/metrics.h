#pragma once
// What upstreams have counted, for whoever reads metrics: one series per server, on the reader's
// thread.

#include <memory>
#include <mutex>
#include <vector>

#include "base/metrics.h"
#include "upstream/reading.h"

namespace ringtime::upstream {

class UpstreamMetrics final : public MetricSource {
 public:
    /// Replaces the upstreams that are told of.
    // tidy: allow(data-path) readers and reloads only
    void watch(std::vector<std::shared_ptr<Upstream>> upstreams);

    void collect(MetricSink& sink) const override;

 private:
    [[nodiscard]] std::vector<UpstreamReading> read() const;

    // tidy: allow(data-path) readers and reloads only
    mutable std::mutex mutex_;
    // tidy: allow(data-path) readers and reloads only
    std::vector<std::shared_ptr<Upstream>> upstreams_;
};

}  // namespace ringtime::upstream
