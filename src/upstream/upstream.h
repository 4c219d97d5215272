#pragma once
// An upstream: the servers behind one mount, as configured, and what all cores know of them.
// Lives in the snapshot; a core that still has connections to it keeps it alive.

#include <memory>
#include <vector>

#include "upstream/server.h"
#include "upstream/spec.h"

namespace ringtime::upstream {

class Upstream : public std::enable_shared_from_this<Upstream> {
 public:
    explicit Upstream(UpstreamSpec spec);

    [[nodiscard]] const UpstreamSpec& spec() const noexcept { return spec_; }
    /// Unlike that of any other upstream this process has had: pools are found by it.
    [[nodiscard]] uint64_t id() const noexcept { return id_; }
    [[nodiscard]] size_t size() const noexcept { return servers_.size(); }
    [[nodiscard]] Server& server(size_t index) noexcept { return *servers_[index]; }
    [[nodiscard]] const Server& server(size_t index) const noexcept { return *servers_[index]; }

    /// Any core: another failure of `server`, which is ejected when it was one too many and enough
    /// others are left. Returns whether it was.
    bool note_failure(Server& server, Nanoseconds now) noexcept;
    /// Puts `server` out of use for a while, unless too many are already.
    bool eject(Server& server, Nanoseconds now) noexcept;
    /// `server` was asked although it is out of use, because no other was left, and has answered.
    void readmit(Server& server, Nanoseconds now) noexcept;

    /// Requests waiting for a connection, on all cores.
    std::atomic<uint64_t> queued{0};
    /// The cores where they wait, a bit each.
    std::atomic<uint64_t> waiting_cores{0};
    std::atomic<uint64_t> queue_full{0};
    std::atomic<uint64_t> queue_timeouts{0};
    std::atomic<uint64_t> retries_denied{0};  ///< For want of budget.

 private:
    UpstreamSpec spec_;
    uint64_t id_;
    std::vector<std::unique_ptr<Server>> servers_;
};
static_assert(limits::cores_max <= 64, "a bit for each core");

}  // namespace ringtime::upstream
