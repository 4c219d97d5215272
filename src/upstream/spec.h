#pragma once
// What configuration says about an upstream: plain values, compiled once, never edited. Durations
// are milliseconds.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "base/upstream_limits.h"

namespace ringtime::upstream {

struct ServerSpec {
    std::string host;       ///< Name or literal address; empty with a unix path.
    uint16_t port = 80;
    std::string unix_path;
    std::string authority;  ///< Host field when it is rewritten.
    unsigned weight = 1;
    bool backup = false;    ///< Used only while no other server can be.

    friend bool operator==(const ServerSpec&, const ServerSpec&) = default;
};

enum class Balance : uint8_t { least_inflight, round_robin, random_two, hash };
enum class HashBy : uint8_t { ip, header, cookie };
enum class HostField : uint8_t { keep, rewrite };
enum class BasePath : uint8_t { strip, keep };
enum class ProxyHeader : uint8_t { off, v1, v2 };

/// Which failures another server may make good.
struct RetrySpec {
    unsigned max = 1;  ///< Attempts after the first.
    bool on_connect = true;
    bool on_reset = true;
    /// Of answers; 502 stands for invalid ones and 504 for those that did not come, too.
    std::vector<uint16_t> statuses{502, 503, 504};
    unsigned budget_percent = 20;  ///< Retries per hundred requests, beyond a burst.
    uint64_t body_bytes_max = limits::replay_bytes_default;

    friend bool operator==(const RetrySpec&, const RetrySpec&) = default;
};

/// Checks by requests of the gateway's own.
struct HealthSpec {
    bool enabled = false;
    std::string path = "/";
    std::vector<uint16_t> statuses;  ///< Good ones; empty: 200 to 399.
    Milliseconds interval = 5000;
    Milliseconds timeout = 2000;
    unsigned rise = 2;
    unsigned fall = 3;

    friend bool operator==(const HealthSpec&, const HealthSpec&) = default;
};

/// Judgement by the traffic itself.
struct EjectionSpec {
    bool enabled = true;
    unsigned failures = 5;         ///< In a row.
    unsigned success_percent = 0;  ///< Below it, over `window`; 0: not judged.
    Milliseconds window = 30'000;
    Milliseconds ejection = 30'000;
    unsigned ejected_percent_max = 50;

    friend bool operator==(const EjectionSpec&, const EjectionSpec&) = default;
};

struct FieldEdits {
    std::vector<std::pair<std::string, std::string>> set;
    std::vector<std::pair<std::string, std::string>> add;
    std::vector<std::string> remove;

    friend bool operator==(const FieldEdits&, const FieldEdits&) = default;
};

struct UpstreamSpec {
    std::string name;
    std::vector<ServerSpec> servers;
    Balance balance = Balance::least_inflight;
    HashBy hash_by = HashBy::ip;
    std::string hash_name;      ///< Of the header or cookie.
    std::string sticky_cookie;  ///< Empty: none.
    HostField host = HostField::keep;
    BasePath base_path = BasePath::strip;
    ProxyHeader proxy_header = ProxyHeader::off;
    bool upgrades = true;          ///< `websocket`: an offered upgrade is passed on.
    bool rewrite_location = true;  ///< Location and cookie paths, where the base is stripped.
    Milliseconds connect_timeout = timeouts::upstream_connect_ms;
    Milliseconds head_timeout = timeouts::upstream_head_ms;
    Milliseconds idle_timeout = timeouts::upstream_idle_ms;
    Milliseconds total_timeout = 0;  ///< 0: none.
    Milliseconds keep_alive = timeouts::upstream_keep_alive_ms;
    size_t idle_max = limits::upstream_idle_default;  ///< Kept connections per core and server.
    size_t connections_max = 0;                       ///< Per core and server; 0: no limit.
    size_t queue_max = limits::upstream_queue_default;
    Milliseconds queue_timeout = timeouts::upstream_queue_ms;
    Milliseconds slow_start = 0;
    unsigned panic_percent = 20;  ///< Fewer usable servers than this: health is not asked.
    RetrySpec retries;
    HealthSpec health;
    EjectionSpec ejection;
    FieldEdits request_fields;
    FieldEdits response_fields;

    /// Equal specs mean the same upstream: a reload keeps its connections and what is known of it.
    friend bool operator==(const UpstreamSpec&, const UpstreamSpec&) = default;
};

}  // namespace ringtime::upstream
