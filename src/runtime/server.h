#pragma once
// The whole gateway, as a process: starts everything in order, handles signals on the main thread, and
// ends everything in the reverse order. What cannot start ends the start with one clear message and
// leaves nothing behind.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "config/packages.h"
#include "exchange/core.h"
#include "runtime/access_log_writer.h"
#include "runtime/core_thread.h"
#include "runtime/listen.h"
#include "upstream/resolver.h"

namespace ringtime::runtime {

class Server final : public exchange::Readiness {
 public:
    explicit Server(config::Configuration configuration);
    ~Server();

    /// Runs until a signal ends it. Result: the process's exit code.
    [[nodiscard]] int run();

    [[nodiscard]] std::string_view not_ready_because() const noexcept override;

 private:
    [[nodiscard]] bool start(std::string& problem);
    [[nodiscard]] bool start_cores(std::string& problem);
    void raise_descriptor_limit();
    [[nodiscard]] int wait_for_signals();
    [[nodiscard]] int drain(int signals);
    void stop_everything();

    config::Configuration configuration_;
    std::shared_ptr<exchange::Snapshot> snapshot_;
    std::vector<ListenSocket> listeners_;
    AccessLogWriter access_log_;
    upstream::Resolver resolver_;
    std::vector<std::unique_ptr<CoreThread>> cores_;
    std::atomic<bool> ready_{false};
};

}  // namespace ringtime::runtime
