#pragma once
// Readiness probes of plugins: each is asked at its interval, from a thread of its own, and while a
// critical one is not well the gateway is not ready. A probe that was not asked yet is not well;
// one that does not come back is not well and is not asked again until it has.

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/metrics.h"
#include "hook/core.h"
#include "hook/plugin.h"

namespace ringtime::hook {

struct ProbeView {
    std::string plugin;
    std::string name;
    bool critical = false;
    bool well = false;
};

class Probes final : public MetricSource {
 public:
    /// What a probe may take before it counts as not well.
    static constexpr Milliseconds patience = 5000;
    /// Intervals are rounded up to this.
    static constexpr Milliseconds interval_min = 50;

    explicit Probes(Cores& cores) noexcept : cores_(cores) {}
    ~Probes() { stop(); }

    void start();
    void stop();
    /// Asks every probe that is due at `now`, which tells how long to wait. For tests as well.
    [[nodiscard]] Milliseconds round(Nanoseconds now);

    struct Problem {
        std::string plugin;
        std::string text;  ///< Names the probe, too.
        auto operator<=>(const Problem&) const = default;
    };
    /// Any thread: null when every critical probe is well, else one that is not. Lives as long as
    /// this object.
    [[nodiscard]] const Problem* problem() const noexcept {
        return problem_.load(std::memory_order_acquire);
    }
    [[nodiscard]] std::vector<ProbeView> views() const;
    void collect(MetricSink& sink) const override;

 private:
    struct State {
        Nanoseconds due = 0;
        bool well = false;
        // tidy: allow(data-path) shared with a thread that may be left behind in a probe
        std::shared_ptr<std::atomic<bool>> inside;
    };
    using Key = std::pair<const Plugin*, size_t>;

    void run();
    [[nodiscard]] static bool ask(const PluginRef& plugin, const Probe& probe, State& state);
    void publish(const std::vector<PluginRef>& plugins);

    Cores& cores_;
    mutable std::mutex lock_;  // tidy: allow(data-path) its own thread and readers of views
    std::map<Key, State> states_;
    std::vector<ProbeView> views_;
    std::set<Problem> problems_;  ///< Never shrinks: cores may be reading one.
    std::atomic<const Problem*> problem_{nullptr};
    std::condition_variable changed_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace ringtime::hook
