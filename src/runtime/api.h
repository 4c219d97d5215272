#pragma once
// The API of the gateway (docs/api.md): the other side of exchange/api.h. Cores ask it whether a
// request may be made at all; what may is handled on threads of low priority, of which one does
// what takes long. Handlers see the gateway through Control and answer with JSON, or with text for
// the command line.
//
// Who may: through the admin socket its user, with every role. From outside whoever has a key; as
// long as there is no key, nobody.

#include <condition_variable>
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "exchange/api.h"
#include "exchange/core.h"
#include "runtime/api_keys.h"
#include "runtime/api_table.h"
#include "runtime/published.h"
#include "runtime/reload_report.h"
#include "worker/supervisor.h"

namespace ringtime::runtime {

struct Published;

/// What one core says of itself.
struct CoreReport {
    unsigned index = 0;
    size_t connections = 0;
    exchange::CoreTotals counters;
    loop::ReactorCounters reactor;
};

/// The gateway as handlers see it; implemented by Server. Any thread but a core's.
class Control {
 public:
    [[nodiscard]] virtual std::shared_ptr<const Published> live() = 0;
    [[nodiscard]] virtual const config::Environment& environment() const noexcept = 0;
    [[nodiscard]] virtual ReloadReport reload(ReloadKind kind) = 0;
    /// Where the supervisor lives; returns when `work` is done.
    virtual void on_main(const std::function<void(worker::Supervisor&)>& work) = 0;
    /// A core that does not answer in time is missing.
    [[nodiscard]] virtual std::vector<CoreReport> core_reports() = 0;
    [[nodiscard]] virtual unsigned core_count() const noexcept = 0;

 protected:
    ~Control() = default;
};

struct ApiContext {
    Control& gateway;
    KeyStore& keys;
    std::string base;          ///< `/api`, or with the prefix.
    Nanoseconds started = 0;
};

class Api final : public exchange::ApiService {
 public:
    /// `gateway` and `keys` outlive it.
    Api(Control& gateway, KeyStore& keys, std::string base);
    ~Api();

    void start();
    /// Takes nothing more; calls that wait are answered with 503. What runs may still need the main
    /// thread, which waits for stopped() before it ends the reloader's and its own work.
    void begin_stop();
    [[nodiscard]] bool stopped() const noexcept { return running_.load() == 0; }
    void stop();

    // exchange::ApiService
    [[nodiscard]] exchange::ApiAdmission admit(
        const exchange::ApiQuestion& question) const noexcept override;
    [[nodiscard]] bool submit(exchange::ApiCall& call) noexcept override;

 private:
    struct Lane {
        std::deque<exchange::ApiCall*> waiting;
        std::condition_variable arrived;
        std::thread thread;
    };

    void run(Lane& lane, const char* name);
    void handle(exchange::ApiCall& call);

    ApiContext context_;
    std::mutex lock_;
    Lane lanes_[2];  ///< By ApiLane.
    bool stopping_ = false;
    std::atomic<int> running_{0};  ///< Threads.
};

}  // namespace ringtime::runtime
