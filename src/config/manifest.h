#pragma once
// A manifest as typed data: what a package mounts, where, and under which rules. Durations are
// milliseconds, sizes bytes. Values keep the place they were written at, because the rules between
// packages (one base twice, a missing dependency) are checked later and must name lines.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/upstream_limits.h"
#include "config/diagnostic.h"
#include "config/environment.h"
#include "config/version.h"
#include "config/worker_environment.h"
#include "config/yaml_tree.h"

namespace ringtime::config {

enum class EntrypointKind : uint8_t {
    none,
    site,        ///< `.html`: files of its folder.
    module,      ///< `.so`: a worker module run by the gateway's worker host.
    program,     ///< An executable that speaks the worker ABI.
    javascript,  ///< Refused with a clear word until it works.
};

/// By the file's extension.
[[nodiscard]] EntrypointKind entrypoint_kind(std::string_view path) noexcept;

/// A glob that skips the `on_request` hooks for one method.
struct PublicRoute {
    std::string method;  ///< Empty: every method.
    Located<std::string>
        glob;  ///< As written: absolute for plugins, relative to the base for apps.
};

/// Workers of an app.
struct WorkerOptions {
    Located<uint64_t> timeout_ms{30'000, {}};
    Located<uint64_t> ttl_ms{0, {}};  ///< 0: every request gets a fresh process state.
    Located<uint64_t> idle_timeout_ms{60'000, {}};
    Located<uint64_t> max_requests{1000, {}};  ///< 0: never recycled by count.
    Located<uint64_t> workers{1, {}};          ///< Kept warm; 0 stands for `auto`, one per core.
    Located<uint64_t> workers_max{0, {}};      ///< 0: RUNTIME_POOL_SIZE.
    Located<uint64_t> concurrency{0, {}};  ///< Requests an instance handles at once; 0: as it says.
    bool low_memory = false;
    bool auto_install = false;

    [[nodiscard]] bool ephemeral() const noexcept { return ttl_ms.value == 0; }
};

enum class Visibility : uint8_t { public_, protected_, internal };

/// What a worker may touch beyond its own folder; paths are absolute.
struct Sandbox {
    std::vector<Located<std::string>> read;
    std::vector<Located<std::string>> write;
    Located<uint64_t> memory_bytes{0, {}};  ///< 0: no limit.
    Located<double> cpu{0, {}};             ///< CPUs, 0.5 is half of one; 0: no limit.
    std::optional<uint32_t> uid;
};

/// Which requests a plugin's hooks see, beside `hosts`. Empty: all.
struct HookScope {
    std::vector<Located<std::string>> paths;
    std::vector<Located<std::string>> except;
};

enum class OnFailure : uint8_t { abort, isolate };

/// `glob` of paths below the site's base, and the header's value for them.
struct CacheControlRule {
    std::string glob;
    std::string value;
};

struct SiteOptions {
    bool inject_base = false;
    bool compress = true;
    std::vector<CacheControlRule> cache_control;  ///< The first that matches; none: per file.
};

// --- Upstreams ---

struct UpstreamServer {
    enum class Scheme : uint8_t { http, https, local };
    Located<std::string> url;
    Scheme scheme = Scheme::http;
    std::string host;  ///< Name or address without brackets; empty for a unix socket.
    uint16_t port = 80;
    std::string path;  ///< Of a unix socket.
    uint32_t weight = 1;
    bool backup = false;
};

enum class Balance : uint8_t { least_inflight, round_robin, random_two, hash };
enum class HashBy : uint8_t { ip, header, cookie };

struct HealthCheck {
    bool enabled = false;  ///< A `health` key stands in the manifest.
    std::string path = "/";
    std::vector<uint16_t> statuses;  ///< Good ones; empty: 200 to 399.
    uint64_t interval_ms = 5000;
    uint64_t timeout_ms = 2000;
    uint32_t rise = 2;
    uint32_t fall = 3;
};

/// Outlier ejection by the traffic itself.
struct PassiveHealth {
    bool enabled = true;
    uint32_t failures = 5;         ///< In a row.
    uint32_t success_percent = 0;  ///< Below it, over `window`; 0: not judged.
    uint64_t window_ms = 30'000;
    uint64_t ejection_ms = 30'000;
    uint32_t ejected_percent_max = 50;
};

struct Retries {
    uint32_t max = 1;
    bool on_connect = true;
    bool on_reset = true;
    std::vector<uint16_t> statuses{502, 503, 504};
    uint32_t budget_percent = 20;  ///< Retries per hundred requests, beyond a burst.
    /// Larger bodies are not kept for a second try.
    uint64_t body_bytes_max = limits::replay_bytes_default;
};

struct UpstreamTimeouts {
    uint64_t connect_ms = ringtime::timeouts::upstream_connect_ms;
    uint64_t head_ms = ringtime::timeouts::upstream_head_ms;
    uint64_t idle_ms = ringtime::timeouts::upstream_idle_ms;
    uint64_t total_ms = 0;            ///< 0: none.
    /// How long an unused connection is kept.
    uint64_t keep_alive_ms = ringtime::timeouts::upstream_keep_alive_ms;
};

struct UpstreamConnections {
    uint32_t max = 0;  ///< Per server and core; 0: no limit.
    uint32_t idle = limits::upstream_idle_default;
};

struct UpstreamQueue {
    uint32_t max = limits::upstream_queue_default;
    uint64_t timeout_ms = ringtime::timeouts::upstream_queue_ms;
};

using HeaderLine = std::pair<std::string, std::string>;

struct HeaderEdits {
    std::vector<HeaderLine> set;
    std::vector<HeaderLine> add;
    std::vector<std::string> remove;
};

enum class HostHeader : uint8_t { keep, rewrite };
enum class ProxyProtocol : uint8_t { off, v1, v2 };

struct UpstreamTls {
    bool verify = true;
    std::string ca_file;
    std::string server_name;  ///< Empty: the server's host.
};

struct Upstream {
    Position at;
    std::vector<UpstreamServer> servers;
    Balance balance = Balance::least_inflight;
    HashBy hash_by = HashBy::ip;
    std::string hash_name;  ///< Of the header or cookie.
    HealthCheck health;
    PassiveHealth passive;
    Retries retries;
    UpstreamTimeouts timeouts;
    UpstreamConnections connections;
    UpstreamQueue queue;
    HeaderEdits request_headers;   ///< `headers`
    HeaderEdits response_headers;  ///< `responseHeaders`
    HostHeader host = HostHeader::keep;
    bool strip = true;
    bool websocket = true;
    bool rewrite_location = true;  ///< Location and cookie paths, where the base is stripped.
    std::string sticky_cookie;     ///< Empty: no stickiness.
    uint64_t slow_start_ms = 0;
    uint32_t panic_percent = 20;  ///< Fewer healthy servers than this: all are used.
    ProxyProtocol proxy_protocol = ProxyProtocol::off;
    UpstreamTls tls;
};

// --- The plugin's own configuration ---

enum class FieldType : uint8_t {
    string,
    password,
    number,
    integer,
    boolean,
    select,
    list,
    object,
    duration,
    size
};

/// One declared field and what it resolved to: default < manifest < environment.
struct ConfigField {
    Located<std::string> name;
    FieldType type = FieldType::string;
    std::string label;
    std::string description;
    std::string env;  ///< Variable that overrides it; empty without one.
    bool required = false;
    std::string default_json;  ///< Empty without one.
    std::string value_json;    ///< Empty when nothing gives it a value.
    enum class Origin : uint8_t { none, default_value, manifest, environment };
    Origin origin = Origin::none;
};

struct Manifest {
    std::string file;  ///< As messages name it.
    Position at;       ///< Where it begins: line 1, or its item in `mounts:`.

    Located<std::string> name;
    std::string short_name;
    Located<Version> version;
    bool enabled = true;

    Located<std::string> base;  ///< Empty: hook-only. No slash at its end, but `/` itself.
    std::vector<Located<std::string>> hosts;  ///< Lower case; `*.example.com` or exact. Empty: all.
    Located<uint64_t> max_body_bytes{0, {}};  ///< Not given: the default of the target's kind.
    Visibility visibility = Visibility::public_;

    Located<std::string> entrypoint;  ///< As written, or the default that was found.
    EntrypointKind entrypoint_kind = EntrypointKind::none;
    Located<std::string> plugin_entry;
    std::unique_ptr<Upstream> upstream;

    std::vector<Located<std::string>> dependencies;
    std::vector<Located<std::string>> optional_dependencies;
    std::vector<PublicRoute> public_routes;

    WorkerOptions worker;
    SiteOptions site;
    std::unique_ptr<Sandbox> sandbox;
    HookScope hooks;
    OnFailure on_failure = OnFailure::abort;

    std::vector<ConfigField> config;
    std::string config_json = "{}";  ///< Every resolved field and every other own key, one object.
    std::string extra_json = "{}";   ///< Keys that are neither known nor declared.
    std::string menus_json = "[]";
    Position env_at;
    Variables env;  ///< Without names that look like secrets; grants are added.
    std::vector<std::string> env_blocked;

    [[nodiscard]] bool is_worker() const noexcept {
        return entrypoint_kind == EntrypointKind::module ||
               entrypoint_kind == EntrypointKind::program ||
               entrypoint_kind == EntrypointKind::javascript;
    }
    [[nodiscard]] bool is_site() const noexcept { return entrypoint_kind == EntrypointKind::site; }
};

/// Where a manifest comes from decides what it may leave out.
enum class ManifestPlace : uint8_t { plugin_folder, app_folder, runtime_config };

/// Reads one manifest. Touches no files: whether entrypoints exist is checked with the package.
/// Adds everything that is wrong to `diagnostics`; the result is complete as far as it could be
/// read.
[[nodiscard]] Manifest read_manifest(const YamlNode& node, std::string_view file,
                                     ManifestPlace place, const Environment& environment,
                                     Diagnostics& diagnostics);

/// `@scope/plugin-x` and `@scope/x` give `x`; nothing when the name is not allowed.
[[nodiscard]] std::optional<std::string> short_name_of(std::string_view name);

/// Whether `base` is `/` or 1 to 16 segments of `[A-Za-z0-9._~@-]+`, none of them `.` or `..`.
[[nodiscard]] bool is_base(std::string_view base) noexcept;

/// Whether `path` is `base` or lies below it, by segments; `/` holds everything.
[[nodiscard]] bool is_under(std::string_view path, std::string_view base) noexcept;

}  // namespace ringtime::config
