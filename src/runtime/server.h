#pragma once
// The whole gateway, as a process: starts everything in order, handles signals on the main thread,
// and ends everything in the reverse order. What cannot start ends the start with one clear message
// and leaves nothing behind.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "config/packages.h"
#include "exchange/core.h"
#include "exchange/limits.h"
#include "exchange/peer_counts.h"
#include "hook/crash_note.h"
#include "hook/log_feed.h"
#include "hook/plugin_set.h"
#include "hook/probes.h"
#include "hook/watchdog.h"
#include "runtime/access_log_writer.h"
#include "runtime/admin_socket.h"
#include "runtime/api.h"
#include "runtime/core_thread.h"
#include "runtime/gateway_metrics.h"
#include "runtime/listen.h"
#include "runtime/reloader.h"
#include "runtime/service_manager.h"
#include "runtime/worker_hooks.h"
#include "runtime/worker_metrics.h"
#include "upstream/health_checker.h"
#include "upstream/metrics.h"
#include "upstream/resolver.h"
#include "worker/supervisor.h"

namespace ringtime::runtime {

class Server final : public exchange::Readiness, private Control {
 public:
    Server(config::Environment environment, config::Configuration configuration);
    ~Server();

    /// Runs until a signal ends it. Result: the process's exit code.
    [[nodiscard]] int run();

    [[nodiscard]] std::string not_ready_because(const exchange::Snapshot& snapshot,
                                                Form form) const override;

 private:
    [[nodiscard]] bool start(std::string& problem);
    [[nodiscard]] bool compile(std::string& problem);
    [[nodiscard]] bool take_listeners(std::string& problem);
    [[nodiscard]] bool start_workers(std::string& problem);
    void watch_everything();
    [[nodiscard]] bool load_plugins(std::string& problem);
    [[nodiscard]] size_t connections_of_a_core() const noexcept;
    [[nodiscard]] bool start_cores(std::string& problem);
    [[nodiscard]] bool start_plugins(std::string& problem);
    void open_api();
    [[nodiscard]] bool serve(std::string& problem);
    void begin_reloads();
    void raise_descriptor_limit();
    [[nodiscard]] int wait_for_signals();
    [[nodiscard]] int drain(int signals);
    [[nodiscard]] bool all_finished() const;
    void stop_everything();

    // Control
    [[nodiscard]] std::shared_ptr<const Published> live() override { return reloader_->current(); }
    [[nodiscard]] const config::Environment& environment() const noexcept override {
        return environment_;
    }
    [[nodiscard]] ReloadReport reload(ReloadKind kind) override { return reloader_->reload(kind); }
    void on_main(const std::function<void(worker::Supervisor&)>& work) override {
        main_tasks_.call([&] { work(*supervisor_); });
    }
    [[nodiscard]] std::vector<CoreReport> core_reports() override;
    [[nodiscard]] unsigned core_count() const noexcept override {
        return static_cast<unsigned>(cores_.size());
    }

    config::Environment environment_;
    config::Configuration configuration_;  ///< As it was at the start.
    std::vector<int> cpus_;  ///< One per core; -1: not pinned.
    std::shared_ptr<exchange::Snapshot> snapshot_;
    std::vector<worker::AppSpec> apps_;
    std::vector<ListenSocket> listeners_;
    AccessLogWriter access_log_;
    upstream::Resolver resolver_;
    upstream::HealthChecker health_;
    upstream::UpstreamMetrics upstream_metrics_;
    WorkerHooks worker_hooks_;
    std::unique_ptr<worker::Supervisor> supervisor_;
    std::unique_ptr<hook::Cores> hook_cores_;
    std::unique_ptr<hook::CrashNote> crash_note_;
    std::unique_ptr<site::Compressor> compressor_;
    std::unique_ptr<exchange::RequestCounters> counters_;
    std::unique_ptr<upstream::Handover> handover_;
    std::unique_ptr<hook::Watchdog> watchdog_;
    KeyStore keys_;
    Api api_;
    AdminSocket admin_socket_;
    exchange::PeerCounts peers_{limits::peers_counted};
    std::unique_ptr<hook::LogFeed> log_feed_;
    std::unique_ptr<hook::Probes> probes_;
    std::unique_ptr<GatewayMetrics> metrics_;
    std::unique_ptr<WorkerMetrics> worker_metrics_;
    std::vector<std::unique_ptr<CoreThread>> cores_;
    MainTasks main_tasks_;
    ServiceManager manager_;
    std::unique_ptr<Reloader> reloader_;
    std::atomic<bool> ready_{false};
};

}  // namespace ringtime::runtime
