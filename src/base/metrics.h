#pragma once
// How what the gateway counts is read out: each part that counts is a MetricSource and tells its
// numbers to a sink, one series after another, the series of one name together. Names, units and
// labels follow OpenTelemetry (`http.server.request.duration`, `s`); what a page makes of them is
// the reader's affair. Reading takes no lock that a core waits for.

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

namespace ringtime {

enum class MetricKind : uint8_t { counter, gauge, histogram };

struct MetricLabel {
    std::string_view name;
    std::string_view value;
};

/// One series. Everything is borrowed for the call.
struct Metric {
    MetricKind kind = MetricKind::counter;
    std::string_view name;
    std::string_view help;
    std::string_view unit;
    std::span<const MetricLabel> labels;
    double value = 0;                   ///< A histogram's sum.
    uint64_t count = 0;                 ///< Observations of a histogram.
    std::span<const double> bounds;     ///< Upper bounds of its buckets.
    std::span<const uint64_t> buckets;  ///< One more than bounds; not cumulated.
};

class MetricSink {
 public:
    virtual void add(const Metric& metric) = 0;

    /// The same for a plain number.
    void add(MetricKind kind, std::string_view name, std::string_view help, std::string_view unit,
             uint64_t value, std::initializer_list<MetricLabel> labels = {}) {
        Metric metric;
        metric.kind = kind;
        metric.name = name;
        metric.help = help;
        metric.unit = unit;
        metric.labels = {labels.begin(), labels.size()};
        metric.value = static_cast<double>(value);
        add(metric);
    }

 protected:
    ~MetricSink() = default;
};

class MetricSource {
 public:
    /// Any thread.
    virtual void collect(MetricSink& sink) const = 0;

 protected:
    ~MetricSource() = default;
};

}  // namespace ringtime
