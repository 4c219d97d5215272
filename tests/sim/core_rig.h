#pragma once
// One core of the gateway in a simulated world: ring, reactor, connections, exchanges, upstreams.
// The same objects as in production, made as runtime makes them.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "exchange/core.h"
#include "hook/reactor_port.h"
#include "loop/reactor.h"
#include "net/io.h"
#include "ring/ring.h"
#include "ring/sim/sim_world.h"
#include "upstream/pool.h"
#include "worker/supervisor.h"

namespace ringtime::sim {

struct CoreSpec {
    ring::RingOptions ring;
    size_t connections_max = 1000;
    size_t spliced_upload_bytes_min = limits::spliced_upload_bytes_min;
    /// Upstream servers: ports of 127.0.0.1, all behind the base `/up`.
    std::vector<uint16_t> ports = {9001};
    /// Everything else about them.
    upstream::UpstreamSpec upstream;
    exchange::Timeouts timeouts;
    /// A worker app behind the base `/app`; who plays its processes is the test's business.
    std::optional<worker::AppSpec> app;
};

/// More than whatever is planned may take.
inline constexpr Nanoseconds kScenarioTime = 600 * kNanosecondsPerSecond;

class CoreRig {
 public:
    CoreRig(ring::SimWorld& world, const CoreSpec& spec);
    ~CoreRig();

    [[nodiscard]] int listener() const noexcept { return listener_; }
    [[nodiscard]] exchange::Core& core() noexcept { return *core_; }
    [[nodiscard]] loop::Reactor& reactor() noexcept { return *reactor_; }
    [[nodiscard]] net::Io& io() noexcept { return *io_; }
    [[nodiscard]] ring::Ring& ring() noexcept { return *ring_; }
    [[nodiscard]] worker::Supervisor& supervisor() noexcept { return *supervisor_; }
    [[nodiscard]] worker::CorePool& workers() noexcept { return *workers_; }

    /// Turns until `condition` holds; false when `time` passed first.
    template <typename Condition>
    bool run_until(Condition&& condition, Nanoseconds time) {
        const Nanoseconds end = world_.now() + time;
        while (!condition()) {
            if (world_.now() >= end) return false;
            reactor_->turn(kNanosecondsPerSecond);
        }
        return true;
    }

    /// As a reload does: another snapshot is in force from here on, with the same upstream or with
    /// one of its own.
    enum class Upstreams : uint8_t { carried_over, made_anew };
    void publish(Upstreams upstreams);
    /// Lets go of what no request holds any more, as the control thread does.
    void tend();

    /// Drains as on SIGTERM and takes everything down. What did not come back is a breach of the
    /// world.
    void finish();

 private:
    struct AlwaysReady final : exchange::Readiness {
        [[nodiscard]] std::string not_ready_because(const exchange::Snapshot&,
                                                    Form) const override {
            return {};
        }
    };

    void expect(bool fact, const std::string& what);

    ring::SimWorld& world_;
    CoreSpec spec_;
    std::shared_ptr<exchange::Snapshot> snapshot_;
    std::vector<std::shared_ptr<exchange::Snapshot>> replaced_;
    std::vector<std::shared_ptr<upstream::Upstream>> leaving_;
    std::unique_ptr<ring::Ring> ring_;
    std::unique_ptr<loop::Reactor> reactor_;
    std::unique_ptr<net::Io> io_;
    std::unique_ptr<upstream::CorePool> upstreams_;
    std::unique_ptr<worker::Supervisor> supervisor_;  ///< It starts nothing.
    std::unique_ptr<worker::CorePool> workers_;
    std::unique_ptr<site::SiteCache> sites_;
    hook::Cores hook_cores_{1};
    std::unique_ptr<hook::ReactorPort> hook_port_;
    exchange::AccessLog access_log_;
    AlwaysReady readiness_;
    std::unique_ptr<exchange::Core> core_;
    int listener_;
};

}  // namespace ringtime::sim
