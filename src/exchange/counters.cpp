#include "exchange/counters.h"

#include <algorithm>

namespace ringtime::exchange {
namespace {

constexpr std::string_view kClassNames[status_classes] = {"none", "1xx", "2xx",
                                                          "3xx",  "4xx", "5xx"};

size_t class_of(uint16_t status) noexcept {
    size_t kind = status / 100;
    return kind < status_classes ? kind : 0;
}

std::string_view name_of_method(size_t method) noexcept {
    std::string_view name = http::method_name(static_cast<http::Method>(method));
    return name.empty() ? std::string_view("_OTHER") : name;
}

}  // namespace

void DurationHistogram::observe(Nanoseconds duration) noexcept {
    double seconds = static_cast<double>(duration) / kNanosecondsPerSecond;
    auto at = std::lower_bound(bounds.begin(), bounds.end(), seconds) - bounds.begin();
    ++buckets_[static_cast<size_t>(at)];
    sum_ns_.add(duration);
}

void DurationHistogram::sum_up(std::array<uint64_t, bounds.size() + 1>& buckets, uint64_t& count,
                               Nanoseconds& sum) const noexcept {
    for (size_t i = 0; i < buckets.size(); ++i) {
        uint64_t value = buckets_[i].value();
        buckets[i] += value;
        count += value;
    }
    sum += sum_ns_.value();
}

void MountCounters::add(const FinishedRequest& request) noexcept {
    size_t kind = class_of(request.status);
    ++requests[static_cast<size_t>(request.method)][kind];
    durations[kind].observe(request.duration);
    received.add(request.received);
    sent.add(request.sent);
}

void CoreCounters::finished(uint32_t slot, const FinishedRequest& request) noexcept {
    ++requests_finished;
    ++status_class[class_of(request.status)];
    // Published before the snapshot whose mounts carry the slot.
    if (MountCounters* mount = mounts_[slot].load(std::memory_order_acquire)) mount->add(request);
}

CoreTotals CoreCounters::totals() const noexcept {
    CoreTotals now{connections, requests, refused_heads, refused_peers, aborted, {}};
    for (size_t i = 0; i < status_classes; ++i) now.status_class[i] = status_class[i];
    return now;
}

RequestCounters::RequestCounters(unsigned cores) {
    for (unsigned i = 0; i < cores; ++i) cores_.push_back(std::make_unique<CoreCounters>());
    add_slot("");
}

void RequestCounters::add_slot(std::string name) {
    for (auto& core : cores_) {
        blocks_.push_back(std::make_unique<MountCounters>());
        core->mounts_[names_.size()].store(blocks_.back().get(), std::memory_order_release);
    }
    names_.push_back(std::move(name));
}

uint32_t RequestCounters::slot_of(std::string_view mount) {
    std::lock_guard lock(lock_);
    auto found = std::find(names_.begin(), names_.end(), mount);
    if (found == names_.end() && names_.size() > counted_mounts_max) return counted_mounts_max;
    if (found == names_.end()) {
        add_slot(names_.size() == counted_mounts_max ? "(others)" : std::string(mount));
        found = names_.end() - 1;
    }
    return static_cast<uint32_t>(found - names_.begin());
}

// --- Reading ---

template <typename Read>
uint64_t RequestCounters::total(Read&& read) const {
    uint64_t sum = 0;
    for (const auto& core : cores_) sum += read(*core);
    return sum;
}

void RequestCounters::collect(MetricSink& sink) const {
    collect_cores(sink);
    std::vector<std::string> names;
    {
        std::lock_guard lock(lock_);
        names = names_;
    }
    collect_requests(sink, names);
    collect_durations(sink, names);
    collect_bytes(sink, names);
}

void RequestCounters::collect_cores(MetricSink& sink) const {
    uint64_t opened = total([](const CoreCounters& core) { return core.connections.value(); });
    uint64_t closed =
        total([](const CoreCounters& core) { return core.connections_closed.value(); });
    uint64_t begun = total([](const CoreCounters& core) { return core.requests.value(); });
    uint64_t over = total([](const CoreCounters& core) { return core.requests_finished.value(); });
    // Read one after the other while cores go on: a difference may be off by what just happened.
    auto difference = [](uint64_t more, uint64_t less) { return more > less ? more - less : 0; };
    sink.add(MetricKind::counter, "ringtime.connections", "Client connections accepted",
             "{connection}", opened);
    sink.add(MetricKind::gauge, "ringtime.connections.open", "Client connections open",
             "{connection}", difference(opened, closed));
    sink.add(MetricKind::gauge, "http.server.active_requests", "Requests being answered",
             "{request}", difference(begun, over));
    sink.add(MetricKind::counter, "ringtime.heads.refused",
             "Requests refused before they could be understood", "{request}",
             total([](const CoreCounters& core) { return core.refused_heads.value(); }));
    sink.add(MetricKind::counter, "ringtime.peers.refused",
             "Connections refused because their peer had as many as it may", "{connection}",
             total([](const CoreCounters& core) { return core.refused_peers.value(); }));
    sink.add(MetricKind::counter, "ringtime.answers.cut", "Answers that could not be completed",
             "{request}", total([](const CoreCounters& core) { return core.aborted.value(); }));
    for (size_t i = 1; i < static_cast<size_t>(Reason::count_); ++i) {
        uint64_t count = total([&](const CoreCounters& core) { return core.reasons[i].value(); });
        if (count == 0) continue;
        sink.add(MetricKind::counter, "ringtime.refusals",
                 "Requests the gateway itself answered, refused or cut, by reason", "{request}",
                 count, {{"reason", describe(static_cast<Reason>(i)).name}});
    }
}

void RequestCounters::collect_requests(MetricSink& sink,
                                       const std::vector<std::string>& names) const {
    for (size_t slot = 0; slot < names.size(); ++slot) {
        for (size_t method = 0; method < method_count; ++method) {
            for (size_t kind = 0; kind < status_classes; ++kind) {
                uint64_t count = total([&](const CoreCounters& core) {
                    return core.mounts_[slot].load()->requests[method][kind].value();
                });
                if (count == 0) continue;
                sink.add(MetricKind::counter, "http.server.requests", "Requests answered",
                         "{request}", count,
                         {{"mount", names[slot]},
                          {"http.request.method", name_of_method(method)},
                          {"status_class", kClassNames[kind]}});
            }
        }
    }
}

void RequestCounters::collect_durations(MetricSink& sink,
                                        const std::vector<std::string>& names) const {
    for (size_t slot = 0; slot < names.size(); ++slot) {
        for (size_t kind = 0; kind < status_classes; ++kind) {
            std::array<uint64_t, DurationHistogram::bounds.size() + 1> buckets{};
            Metric metric;
            Nanoseconds sum = 0;
            for (const auto& core : cores_)
                core->mounts_[slot].load()->durations[kind].sum_up(buckets, metric.count, sum);
            if (metric.count == 0) continue;
            MetricLabel labels[] = {{"mount", names[slot]}, {"status_class", kClassNames[kind]}};
            metric.kind = MetricKind::histogram;
            metric.name = "http.server.request.duration";
            metric.help = "Time from the first byte of a request to the last of its answer";
            metric.unit = "s";
            metric.labels = labels;
            metric.value = static_cast<double>(sum) / kNanosecondsPerSecond;
            metric.bounds = DurationHistogram::bounds;
            metric.buckets = buckets;
            sink.add(metric);
        }
    }
}

void RequestCounters::collect_bytes(MetricSink& sink, const std::vector<std::string>& names) const {
    struct Direction {
        std::string_view name;
        std::string_view help;
        Counter MountCounters::*counter;
    };
    static constexpr Direction kDirections[] = {
        {"ringtime.request.body.bytes", "Bytes of request bodies received",
         &MountCounters::received},
        {"ringtime.response.body.bytes", "Bytes of answers' bodies sent", &MountCounters::sent},
    };
    for (const Direction& direction : kDirections) {
        for (size_t slot = 0; slot < names.size(); ++slot) {
            uint64_t bytes = total([&](const CoreCounters& core) {
                return (core.mounts_[slot].load()->*direction.counter).value();
            });
            if (bytes == 0) continue;
            sink.add(MetricKind::counter, direction.name, direction.help, "By", bytes,
                     {{"mount", names[slot]}});
        }
    }
}

}  // namespace ringtime::exchange
