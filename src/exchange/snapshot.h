#pragma once
// A snapshot: everything configuration decides about a request, compiled, immutable and shared by
// all cores. Built by runtime beside the one in force and published whole; a core counts the
// exchanges that hold it and it is freed when all counts are zero.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "exchange/client_pace.h"
#include "hook/plugin_set.h"
#include "http/head_parser.h"
#include "net/address.h"
#include "route/route_table.h"
#include "site/site.h"
#include "upstream/upstream.h"


namespace ringtime::exchange {

/// What stands behind a base path.
enum class TargetKind : uint8_t { none, site, worker, upstream };

struct Mount {
    std::string name;
    std::string version;
    std::string base;        ///< `/` or `/shop`.
    std::string folder;
    std::string origin;      ///< `file:line` of the manifest, for explanations.
    TargetKind kind = TargetKind::none;
    uint32_t target = 0;     ///< Index into the snapshot's sites or upstreams, or the supervisor's
                             ///< number of a worker app.
    uint64_t body_bytes_max = limits::body_bytes_default;
    uint32_t counters = 0;               ///< RequestCounters::slot_of() its name.
    const hook::Chain* chain = nullptr;  ///< Null: no plugin sees requests here.
    hook::Plugin* plugin = nullptr;      ///< Its routes are asked before the target.
    ringtime_app app{};                  ///< The same for plugins: views of the strings above.
};

/// A network of trusted peers.
struct Network {
    uint8_t bytes[16] = {};
    uint8_t family = 0;
    uint8_t bits = 0;
    [[nodiscard]] bool contains(const net::PeerAddress& peer) const noexcept;
};

struct Timeouts {
    uint64_t head_ms = timeouts::head_ms;
    uint64_t keep_alive_ms = timeouts::keep_alive_ms;
    uint64_t response_stall_ms = timeouts::response_stall_ms;
    uint64_t tunnel_idle_ms = timeouts::tunnel_idle_ms;
    BodyRate body{timeouts::body_rate_bytes_per_s, timeouts::body_grace_ms};
};

/// What of a replaced snapshot is let go of although requests may still hold it: plugins and
/// workers whose time to end has run out.
struct Ending {
    std::vector<bool> mounts;  ///< By index: those that have such a plugin or lead to such an app.
    bool unrouted = false;     ///< Requests nothing is mounted for.
};

struct Snapshot {
    uint64_t epoch = 0;
    std::unique_ptr<const route::RouteTable> routes;
    std::vector<Mount> mounts;
    std::vector<std::string> public_origins;  ///< `file:line` of each public route, by source.
    // tidy: allow(data-path) shared by snapshots, looked through by requests
    std::vector<std::shared_ptr<upstream::Upstream>> upstreams;
    // tidy: allow(data-path) shared by snapshots, looked through by requests
    std::vector<std::shared_ptr<site::Site>> sites;
    // tidy: allow(data-path) shared by snapshots, looked through by requests
    std::shared_ptr<hook::PluginSet> plugins;
    std::vector<uint32_t> apps;  ///< The supervisor's numbers of all worker apps.
    const hook::Chain* unrouted_chain = nullptr;  ///< For requests nothing is mounted for.
    std::vector<Network> trusted_proxies;
    bool trust_local_sockets = false;
    Timeouts timeouts;
    uint64_t connections_per_peer = 0;  ///< On all cores; 0: as many as it likes.
    http::HeadLimits head_limits;
    std::string api_prefix = "/api";
    std::string well_known;  ///< The body of `/.well-known/ringtime`.
    bool debug = false;  ///< `x-ringtime-reason` on answers of the gateway's own.

    [[nodiscard]] bool trusts(const net::PeerAddress& peer) const noexcept {
        if (peer.family == AF_UNIX) return trust_local_sockets;
        for (const Network& network : trusted_proxies) {
            if (network.contains(peer)) return true;
        }
        return false;
    }
};

}  // namespace ringtime::exchange
