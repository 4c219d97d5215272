#pragma once
// The process-wide settings: environment variables, and beneath them the optional YAML file named
// by RUNTIME_CONFIG with the same keys. Where both say something the environment wins. Resolved
// once at start and at each reload; nobody below asks the environment again.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/log.h"
#include "config/address.h"
#include "config/diagnostic.h"
#include "config/environment.h"
#include "config/worker_environment.h"
#include "config/yaml_tree.h"

namespace ringtime::config {

enum class RuntimeEnv : uint8_t { development, staging, production, test };
[[nodiscard]] std::string_view env_name(RuntimeEnv env) noexcept;

/// Which CPUs get a core of the gateway.
struct Cores {
    size_t count = 0;            ///< 0: one per CPU the process may run on.
    std::vector<unsigned> cpus;  ///< Exactly these, when not empty.
};

struct AccessLog {
    enum class Kind : uint8_t { off, standard_output, standard_error, file };
    Kind kind = Kind::standard_output;
    std::string path;
};

/// Limits an operator may change; beside each the bound in base/limits.h.
struct ConfiguredLimits {
    uint64_t head_bytes = limits::head_bytes_max;
    uint64_t target_bytes = limits::target_bytes_max;
    uint64_t fields = limits::fields_max;
    uint64_t body_bytes = limits::body_bytes_default;
    uint64_t connections = 0;  ///< In all; 0: limits::connections_per_core on each core.
    uint64_t connections_per_peer = 0;  ///< 0: no limit.
    uint64_t body_rate = timeouts::body_rate_bytes_per_s;
};

/// All in milliseconds.
struct ConfiguredTimeouts {
    uint64_t head_ms = timeouts::head_ms;
    uint64_t keep_alive_ms = timeouts::keep_alive_ms;
    uint64_t response_stall_ms = timeouts::response_stall_ms;
    uint64_t tunnel_idle_ms = timeouts::tunnel_idle_ms;
    uint64_t body_window_ms = timeouts::body_grace_ms;
    uint64_t worker_ready_ms = timeouts::worker_ready_ms;
    uint64_t plugin_init_ms = timeouts::plugin_init_ms;
    uint64_t plugin_shutdown_ms = timeouts::plugin_shutdown_ms;
};

/// What the operator grants one app beyond its manifest.
struct AppGrant {
    Position at;
    Variables env;  ///< May hold secret names; values of the file, or taken from the gateway's own.
};

/// Globs a plugin may make public outside its own base; `**` allows all.
struct PublicRouteGrant {
    Position at;
    std::vector<std::string> globs;
};

struct Settings {
    RuntimeEnv env = RuntimeEnv::production;
    LogLevel log_level = LogLevel::info;
    uint16_t port = 8000;
    std::vector<ListenAddress> listen;  ///< Never empty.
    Cores cores;
    std::vector<std::string> worker_dirs;  ///< Absolute, or relative to the working directory.
    std::vector<std::string> plugin_dirs;
    bool plugin_dirs_given = false;  ///< Not the default, which need not exist.
    size_t pool_size = 500;
    size_t ephemeral_concurrency = 64;
    size_t ephemeral_queue = limits::worker_queue_max;
    uint64_t drain_ms = timeouts::drain_ms;
    std::vector<Cidr> trusted_proxies;
    bool trust_local_sockets = false;  ///< Peers on unix listeners are proxies too.
    /// Name servers for upstreams, `address` or `address:port`; empty: the system's.
    std::vector<std::string> resolvers;
    std::string api_prefix;            ///< Without a slash at its end; empty by default.
    std::string data_dir;
    ConfiguredLimits limits;
    ConfiguredTimeouts timeouts;
    AccessLog access_log;
    bool reason_header = false;  ///< `x-ringtime-reason` on the gateway's own answers.

    std::map<std::string, AppGrant, std::less<>> apps;                   ///< By name.
    std::map<std::string, PublicRouteGrant, std::less<>> public_routes;  ///< By the plugin's name.

    std::string config_file;  ///< RUNTIME_CONFIG as given; empty without one.

    [[nodiscard]] bool trusts(const IpAddress& peer) const noexcept;
    /// Where the core API is: `/api`, or `<prefix>/api`.
    [[nodiscard]] std::string api_base() const { return api_prefix + "/api"; }
};

/// The file RUNTIME_CONFIG names, as a map; an empty one without the variable or after an error.
[[nodiscard]] YamlNode load_runtime_config(const Environment& environment,
                                           Diagnostics& diagnostics);

/// Resolves everything but `mounts:`, which are packages, and adds what is wrong to `diagnostics`;
/// the result is usable in any case.
[[nodiscard]] Settings resolve_settings(const Environment& environment,
                                        const YamlNode& runtime_config, Diagnostics& diagnostics);

}  // namespace ringtime::config
