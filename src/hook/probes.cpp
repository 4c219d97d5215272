#include "hook/probes.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>

#include "hook/limited_call.h"
#include "hook/registry.h"

namespace ringtime::hook {
namespace {

// How often new plugins are looked for.
constexpr Milliseconds look_again = 100;

}  // namespace

bool Probes::ask(const PluginRef& plugin, const Probe& probe, State& state) {
    // tidy: allow(data-path) shared with a thread that may be left behind in a probe
    if (!state.inside) state.inside = std::make_shared<std::atomic<bool>>(false);
    if (state.inside->exchange(true)) return false;
    // tidy: allow(data-path) as above
    auto well = std::make_shared<std::atomic<bool>>(false);
    bool returned = call_with_limit(patience, [plugin, &probe, well, inside = state.inside] {
        {
            Guest guest(plugin->door());
            if (guest) well->store(probe.well(*plugin));
        }
        inside->store(false);
    });
    return returned && well->load();
}

Milliseconds Probes::round(Nanoseconds now) {
    std::vector<PluginRef> plugins = cores_.registry().plugins();
    Nanoseconds next = now + from_milliseconds(look_again);
    for (const PluginRef& plugin : plugins) {
        for (size_t i = 0; i < plugin->probes().size(); ++i) {
            const Probe& probe = plugin->probes()[i];
            State& state = states_[{plugin.get(), i}];
            if (state.due <= now) {
                state.well = ask(plugin, probe, state);
                state.due = now + from_milliseconds(std::max(probe.interval, interval_min));
            }
            next = std::min(next, state.due);
        }
    }
    std::erase_if(states_, [&](const auto& entry) {
        return std::none_of(plugins.begin(), plugins.end(), [&](const PluginRef& plugin) {
            return plugin.get() == entry.first.first;
        });
    });
    publish(plugins);
    return (next - now) / kNanosecondsPerMillisecond;
}

void Probes::publish(const std::vector<PluginRef>& plugins) {
    std::lock_guard lock(lock_);
    views_.clear();
    const Problem* problem = nullptr;
    for (const PluginRef& plugin : plugins) {
        for (size_t i = 0; i < plugin->probes().size(); ++i) {
            const Probe& probe = plugin->probes()[i];
            bool well = states_[{plugin.get(), i}].well;
            views_.push_back({plugin->spec().short_name, probe.name, probe.critical, well});
            if (well || !probe.critical || problem) continue;
            std::string text = fmt::format("its readiness probe {} is not well", probe.name);
            problem = &*problems_.insert({plugin->spec().short_name, std::move(text)}).first;
        }
    }
    problem_.store(problem, std::memory_order_release);
}

std::vector<ProbeView> Probes::views() const {
    std::lock_guard lock(lock_);
    return views_;
}

void Probes::collect(MetricSink& sink) const {
    for (const ProbeView& probe : views())
        sink.add(MetricKind::gauge, "ringtime.plugin.probe",
                 "1 when a plugin's readiness probe is well", "", probe.well,
                 {{"plugin", probe.plugin}, {"probe", probe.name}});
}

void Probes::start() {
    // Once before anybody can ask: a critical probe that is not well must be known at once.
    (void)round(monotonic_now());
    thread_ = std::thread([this] { run(); });
}

void Probes::run() {
    std::unique_lock lock(lock_);
    while (!stopping_) {
        lock.unlock();
        Milliseconds wait = round(monotonic_now());
        lock.lock();
        changed_.wait_for(lock, std::chrono::milliseconds(wait), [&] { return stopping_; });
    }
}

void Probes::stop() {
    {
        std::lock_guard lock(lock_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

}  // namespace ringtime::hook
