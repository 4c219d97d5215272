#pragma once
// Changes the configuration of a running gateway. A thread of its own, below the cores in priority,
// reads and compiles everything anew, loads changed plugins and starts changed workers beside those
// that serve, publishes the result to all cores at once and lets go of what is left when its last
// request has ended. Whatever fails on the way is taken back: the old configuration serves on.
//
//     reloader.request(ReloadKind::dry_run, [](const ReloadReport& report) { ... });
//
// What did not change is carried over: upstreams with their connections and health, sites with
// their caches, worker processes, plugins.

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "config/environment.h"
#include "runtime/core_thread.h"
#include "runtime/main_tasks.h"
#include "runtime/published.h"
#include "runtime/reload_report.h"
#include "runtime/retirement.h"
#include "runtime/service_manager.h"
#include "runtime/worker_hooks.h"
#include "upstream/health_checker.h"
#include "upstream/metrics.h"
#include "upstream/resolver.h"
#include "worker/supervisor.h"

namespace ringtime::runtime {

/// What a reload works on; all outlive the reloader.
struct ReloadParts {
    const config::Environment& environment;
    std::vector<std::unique_ptr<CoreThread>>& cores;
    worker::Supervisor& supervisor;  ///< Through `main` but for its atomic words.
    MainTasks& main;
    WorkerHooks& worker_hooks;       ///< Through `main`.
    upstream::Resolver& resolver;
    upstream::HealthChecker& health;
    upstream::UpstreamMetrics& upstream_metrics;
    hook::Cores& hook_cores;
    exchange::RequestCounters& counters;
    const ServiceManager& manager;
};

class Reloader {
 public:
    /// Callers that wait for their turn; more are refused at once.
    static constexpr size_t waiting_max = 64;

    /// Called once, on the control thread (or at once, when refused): short work only.
    using Done = std::function<void(const ReloadReport&)>;

    explicit Reloader(const ReloadParts& parts);
    ~Reloader();

    // --- Any thread ---
    /// Requests that wait at the same time share one reload: it begins after the last of them.
    void request(ReloadKind kind, Done done);
    /// Any thread but a core's, the main and the control thread: waits for the report.
    [[nodiscard]] ReloadReport reload(ReloadKind kind);
    /// What is in force. Not from a core: it takes a lock.
    [[nodiscard]] std::shared_ptr<const Published> current() const;

    // --- The server ---
    /// `first` serves already: reloads begin from it.
    void start(std::shared_ptr<Published> first);
    /// The gateway ends: what waits and what runs is refused. The main thread must go on with its
    /// tasks until stopped().
    void stop();
    [[nodiscard]] bool stopped() const noexcept { return stopped_.load(); }
    /// After the cores have ended: shuts the plugins of all generations down.
    void shut_down();

 private:
    void run();
    [[nodiscard]] ReloadReport work(ReloadKind kind);
    void publish(std::shared_ptr<Published> next);
    static void log_outcome(const ReloadReport& report);

    ReloadParts parts_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    struct Request {
        ReloadKind kind;
        Done done;
    };
    std::deque<Request> waiting_;
    std::shared_ptr<Published> current_;
    Retirement retirement_;  ///< The control thread's.
    std::atomic<bool> stopping_{false};
    std::atomic<bool> stopped_{true};
    std::thread thread_;
};

}  // namespace ringtime::runtime
