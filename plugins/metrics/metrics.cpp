// Shows everything the gateway counts: as text for Prometheus, as JSON, and as a stream of events
// with what has changed. Pages are made on a helper thread: with a thousand mounts they are long,
// and a core has requests to serve.

#include <ringtime/plugin.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../shared/bearer.h"
#include "../shared/helped.h"
#include "page.h"

namespace {

using ringtime::Verdict;

/// An event may have 256 KiB.
constexpr size_t kEventBytes = 200 * 1024;

class Metrics {
 public:
    explicit Metrics(ringtime::Context& context)
        : context_(context),
          readers_(context.string("token")),
          interval_(std::chrono::seconds(context.integer("interval", 5))) {
        context.route<&Metrics::text>("GET", "/", this);
        context.route<&Metrics::json>("GET", "/json", this);
        context.route<&Metrics::events>("GET", "/events", this);
        channel_ = context.channel("metrics");
    }

    void on_core_start(ringtime::Core& core) {
        if (core.index() != 0) return;  // One core tells the subscribers of all.
        teller_ = core;
        core.every<&Metrics::tell>(interval_, this);
    }

    Verdict on_resume(ringtime::Request& request, uint64_t value) {
        std::unique_ptr<Made> made = shared::Helped<Made>::take(value);
        if (!made) return Verdict::failed;
        if (!made->type.empty())
            return request.respond_owned(
                200, std::move(made->page),
                {{"content-type", made->type}, {"cache-control", "no-store"}});
        std::vector<ringtime::Event> first;
        for (const std::string& array : made->arrays) first.emplace_back(array, "metrics");
        return request.events(channel_, {}, first);
    }
    void on_resume_late(uint64_t value) { (void)shared::Helped<Made>::take(value); }

 private:
    /// What a helper has made: a page, or without a type the first events of a stream.
    struct Made {
        std::string_view type;
        std::string page;
        std::vector<std::string> arrays;
    };

    Verdict text(ringtime::Request& request) {
        return answer(request, [this] {
            return Made{"text/plain; version=0.0.4; charset=utf-8", collect().prometheus(), {}};
        });
    }
    Verdict json(ringtime::Request& request) {
        return answer(request,
                      [this] { return Made{"application/json", collect().json(), {}}; });
    }
    Verdict events(ringtime::Request& request) {
        return answer(request, [this] { return Made{{}, {}, everything()}; });
    }

    template <typename Make>
    Verdict answer(ringtime::Request& request, Make make) const {
        if (!readers_.lets_in(request)) return shared::Bearer::refuse(request);
        return shared::Helped<Made>::make(request, std::move(make));
    }

    Page collect() const {
        Page page;
        context_.each_metric([&](const ringtime::Metric& metric) { page.add(metric); });
        return page;
    }

    /// For one who begins to listen; where nobody did, later changes are against it.
    std::vector<std::string> everything() {
        Page::Lines lines = collect().lines();
        std::vector<std::string> arrays = arrays_of(lines, kEventBytes);
        if (unheard_.exchange(false)) {
            std::lock_guard lock(lock_);
            before_ = lines;
            last_ = std::move(lines);
        }
        return arrays;
    }

    // Nothing is read while nobody listens.
    void tell() {
        unheard_ = channel_.counts().subscribers == 0;
        if (unheard_ || telling_) return;
        telling_ = teller_->run([this] { publish_changes(); }, [this](bool) { telling_ = false; });
    }

    // Against the last but one: who came in between got a page that was made before the last.
    void publish_changes() {
        Page::Lines now = collect().lines();
        Page::Lines changed;
        std::lock_guard lock(lock_);
        for (const auto& [key, line] : now) {
            auto before = before_.find(key);
            if (before == before_.end() || before->second != line) changed.emplace(key, line);
        }
        before_ = std::exchange(last_, std::move(now));
        for (const std::string& array : arrays_of(changed, kEventBytes))
            channel_.publish(ringtime::Event(array, "metrics"));
    }

    ringtime::Context& context_;
    shared::Bearer readers_;
    std::chrono::milliseconds interval_;
    ringtime::Channel channel_;
    std::optional<ringtime::Core> teller_;
    bool telling_ = false;
    std::atomic<bool> unheard_{true};
    std::mutex lock_;  // Helper threads only.
    Page::Lines last_;
    Page::Lines before_;
};

}  // namespace

RINGTIME_PLUGIN(Metrics)
