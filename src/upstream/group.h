#pragma once
// One core's share of one upstream: a pool of connections per server, the choice among them, the
// requests that wait for a place and the budget of retries. Single-threaded.

#include <bitset>
#include <memory>
#include <vector>

#include "base/list.h"
#include "upstream/retry_budget.h"
#include "upstream/server_pool.h"
#include "upstream/upstream.h"

namespace ringtime::upstream {

/// What a request says about where it belongs.
struct Affinity {
    uint64_t sticky = 0;  ///< Identity of the server its cookie names; 0: none.
    uint64_t key = 0;     ///< Hash of what it is balanced by.
    bool has_key = false; ///< Without one (a missing header) the least busy server takes it.
};

/// Servers a request has been tried on, by index.
using Tried = std::bitset<limits::upstream_servers_max>;

/// A request in the queue.
struct Waiter : ListNode {
    loop::Runnable* waker = nullptr;
};

class Handover;

class Group {
 public:
    // tidy: allow(data-path) held while the core has connections to it
    Group(net::Io& io, std::shared_ptr<Upstream> upstream, Handover* handover = nullptr);
    ~Group();

    [[nodiscard]] Upstream& upstream() noexcept { return *upstream_; }
    [[nodiscard]] const UpstreamSpec& spec() const noexcept { return upstream_->spec(); }
    RetryBudget budget;

    enum class Outcome : uint8_t {
        found,
        full,        ///< Every server that would do has as many requests as it may.
        unusable,    ///< None is healthy.
        unresolved,  ///< None has an address yet.
    };
    struct Pick {
        Outcome outcome = Outcome::unresolved;
        ServerPool* pool = nullptr;
    };
    /// Chooses by the upstream's balance: a server that is well and was not tried; a backup when no
    /// other is left; at last one that was tried.
    [[nodiscard]] Pick pick(const Affinity& affinity, const Tried& tried) noexcept;
    [[nodiscard]] ServerPool& server(unsigned index) noexcept { return *servers_[index]; }
    enum class Level : uint8_t { usable, resolved };
    /// Whether another server than those tried could take the request: one that is well, or any.
    [[nodiscard]] bool has_other(const Tried& tried, Level level) noexcept;

    // --- Waiting ---
    // Places are the upstream's, queues are the cores': whoever gives a place back, or leaves a
    // queue without having taken one, gives the turn to the next core where somebody waits. A turn
    // that finds no place is over; the next place that comes free makes another.

    /// False when as many wait, on all cores, as may.
    [[nodiscard]] bool enqueue(Waiter& waiter) noexcept;
    void dequeue(Waiter& waiter) noexcept;
    /// On any core.
    [[nodiscard]] bool someone_waits() const noexcept {
        return spec().connections_max != 0 && upstream_->queued.load() > 0;
    }
    /// `waiter` comes first, and not after those of other cores.
    [[nodiscard]] bool is_alone(const Waiter& waiter) noexcept {
        return is_first(waiter) && upstream_->queued.load() == waiting_count_;
    }
    [[nodiscard]] bool is_first(const Waiter& waiter) noexcept {
        return waiting_.front() == &waiter;
    }
    /// The next core's turn.
    void wake_next() noexcept;
    /// This one's.
    void take_turn() noexcept;

    // --- Life ---
    /// Sessions that use the group.
    size_t sessions = 0;
    /// Not in the configuration any more: keeps no connection.
    void retire() noexcept;
    [[nodiscard]] bool retired() const noexcept { return retired_; }
    void close_idle() noexcept;
    [[nodiscard]] bool unused() const noexcept;

 private:
    enum class Role : uint8_t { primary, backup };

    [[nodiscard]] unsigned gather(Role role, Level level, const Tried& tried, ServerPool** out)
        const noexcept;
    [[nodiscard]] unsigned candidates(const Tried& tried, ServerPool** out,
                                      Outcome& otherwise) const noexcept;
    [[nodiscard]] ServerPool* by_least_inflight(ServerPool** from, unsigned count) noexcept;
    [[nodiscard]] ServerPool* by_turn(ServerPool** from, unsigned count) noexcept;
    [[nodiscard]] ServerPool* by_two_draws(ServerPool** from, unsigned count) noexcept;
    [[nodiscard]] ServerPool* by_hash(uint64_t key, ServerPool** from, unsigned count) noexcept;
    [[nodiscard]] ServerPool* choose(const Affinity& affinity, ServerPool** from,
                                     unsigned count) noexcept;
    [[nodiscard]] uint64_t random() noexcept;
    [[nodiscard]] uint64_t own_bit() const noexcept { return uint64_t{1} << io_.reactor.core(); }
    [[nodiscard]] Nanoseconds now() const noexcept { return io_.reactor.now(); }

    net::Io& io_;
    // tidy: allow(data-path) held while the core has connections to it
    std::shared_ptr<Upstream> upstream_;
    std::vector<std::unique_ptr<ServerPool>> servers_;
    List<Waiter> waiting_;
    size_t waiting_count_ = 0;
    uint64_t random_;
    bool retired_ = false;
    Handover* handover_;
};

}  // namespace ringtime::upstream
