#pragma once
// What the connections and exchanges of one core share. Made by runtime on the core's thread; one
// thread, no locks. Holds the snapshot in force and counts who uses an older one.

#include <string>
#include <string_view>
#include <vector>

#include "base/pool.h"
#include "base/slab.h"
#include "exchange/access_log.h"
#include "exchange/admin_door.h"
#include "exchange/api.h"
#include "exchange/counters.h"
#include "exchange/exchange.h"
#include "exchange/gathered_body.h"
#include "exchange/http1_connection.h"
#include "exchange/peer_counts.h"
#include "exchange/snapshot.h"
#include "hook/core.h"
#include "net/io.h"
#include "net/listener.h"
#include "site/cache.h"
#include "upstream/pool.h"
#include "worker/core_pool.h"

namespace ringtime::exchange {

/// Whether the gateway as a whole is ready, for /ready; implemented by runtime, any thread.
class Readiness {
 public:
    enum class Form : uint8_t { text, json };
    /// Empty when ready for what `snapshot` holds, else what is not and why, as a body to answer
    /// with. Health checks ask for it: it may allocate.
    [[nodiscard]] virtual std::string not_ready_because(const Snapshot& snapshot,
                                                        Form form) const = 0;

 protected:
    ~Readiness() = default;
};

struct CoreSettings {
    size_t connections_max = limits::connections_per_core;
    size_t spliced_upload_bytes_min = limits::spliced_upload_bytes_min;
    PeerCounts* peers = nullptr;       ///< Of all cores; null: no limit per peer can be set.
    CoreCounters* counters = nullptr;  ///< Outlives the core; null: it counts for itself.
};

/// A snapshot as one core uses it.
struct SnapshotHold {
    // tidy: allow(data-path) taken once per snapshot, never per request
    std::shared_ptr<const Snapshot> snapshot;
    List<SnapshotPin> pins;
};

class Core final : public net::Acceptor {
    std::unique_ptr<CoreCounters> own_counters_;  // Before `counters`, which may be these.

 public:
   Core(net::Io& io, upstream::CorePool& upstreams, worker::CorePool& workers,
        site::SiteCache& sites, hook::HookCore& hooks, AccessLog& access_log,
        const Readiness& readiness, const CoreSettings& settings);
   ~Core();

   // --- The parts ---
   net::Io& io;
   loop::Reactor& reactor;
   upstream::CorePool& upstreams;
   worker::CorePool& workers;
   site::SiteCache& sites;
   hook::HookCore& hooks;
   AccessLog& access_log;
   const Readiness& readiness;
   const CoreSettings settings;
   CoreCounters& counters;
   GatheredBlocks gathered;
   ApiCalls api_calls;
   ApiService* api = nullptr;  ///< Null: there is no API. Set before the first listener.

   // --- Snapshots ---
   /// Replaces the snapshot for requests that begin from now on.
   // tidy: allow(data-path) taken once per snapshot, never per request
   void use(std::shared_ptr<const Snapshot> snapshot);
   /// Exchanges that are told so by a wake-up let go of an older one as soon as they can.
   [[nodiscard]] bool in_force(const SnapshotHold& hold) const noexcept {
       return &hold == holds_.back().get();
   }
   [[nodiscard]] SnapshotHold& pin(SnapshotPin& pin) noexcept;
   void unpin(SnapshotHold& hold, SnapshotPin& pin) noexcept;
   /// Ends requests of a replaced snapshot that need what is `ending`, at most a slice of them at a
   /// time. True when there was none.
   [[nodiscard]] bool cut(const Snapshot& snapshot, const Ending& ending) noexcept;
   [[nodiscard]] const Snapshot& snapshot() const noexcept { return *holds_.back()->snapshot; }

   // --- Connections ---
   void add_listener(int fd, net::Preface preface = net::Preface::none);
   /// The admin socket: one core takes its connections.
   void add_admin_listener(int fd);
   void accepted(int fd, const net::PeerAddress& peer, net::Preface preface) noexcept override;
   void accept(int fd, const net::PeerAddress& peer, net::Preface preface,
               Entrance entrance) noexcept;
   [[nodiscard]] size_t connection_count() const noexcept { return connections_.used(); }
   [[nodiscard]] bool can_accept() const noexcept override;
   void gone(Http1Connection& connection) noexcept;
   [[nodiscard]] Exchange* take_exchange() noexcept;
   void give_exchange(Exchange& exchange) noexcept;

   /// No new connections; idle ones are closed, others after their current answer.
   void drain() noexcept;
   [[nodiscard]] bool draining() const noexcept { return draining_; }
   [[nodiscard]] bool drained() const noexcept;
   /// Cuts what is left.
   void abort_all() noexcept;

   /// `Date` of this second (RFC 9110 §5.6.7).
   [[nodiscard]] std::string_view date() noexcept;
   [[nodiscard]] uint64_t wall_ms() const noexcept;
   /// 32 hexadecimal digits, unique to this process's life and not guessable in order.
   [[nodiscard]] std::string_view new_request_id(char* out) noexcept;
   static constexpr size_t request_id_bytes = 32;

 private:
    [[nodiscard]] bool admit_peer(const net::PeerAddress& peer, uint32_t& place) noexcept;

    std::vector<std::unique_ptr<SnapshotHold>> holds_;
    AdminDoor admin_door_;
    std::vector<std::unique_ptr<net::Listener>> listeners_;
    const net::Listener* admin_listener_ = nullptr;  ///< One of them, on one core.
    Slab<Http1Connection> connections_;
    List<Http1Connection::Membership> members_;
    Pool<Exchange> exchanges_;
    bool draining_ = false;
    uint64_t refused_peers_logged_ = 0;
    Nanoseconds log_refused_peers_at_ = 0;
    uint64_t id_seed_[2];
    uint64_t id_count_ = 0;
    uint64_t wall_offset_ms_;
    uint64_t date_second_ = 0;
    char date_[32];
};

}  // namespace ringtime::exchange
