#pragma once
// What the pool needs to know: about an application (from its manifest, in plain values), about a
// request, and about itself.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "http/body.h"
#include "http/draft.h"
#include "http/head.h"

namespace ringtime::worker {

enum class EntryKind : uint8_t { module, program };

struct AppSpec {
    std::string name;
    std::string version;
    std::string directory;   ///< Absolute; the sandbox ends there.
    std::string entrypoint;  ///< Absolute path of the `.so` or the executable.
    EntryKind kind = EntryKind::module;
    /// Passed on as it is: what a manifest may ask for is decided where manifests are read.
    std::vector<std::pair<std::string, std::string>> environment;
    std::vector<std::string> readable_paths;
    std::vector<std::string> writable_paths;
    uint32_t workers = 1;      ///< Kept warm.
    uint32_t workers_max = 0;  ///< 0: as many as the pool allows.
    uint32_t concurrency = 1;  ///< Requests one instance handles at once; 0: as the worker says.
    uint32_t queue_max = limits::worker_queue_max;  ///< Waiting requests per core.
    uint32_t requests_max = 0;                      ///< 0: never recycled for it.
    bool ephemeral = false;                         ///< One process state per request.
    Milliseconds timeout_ms = 30'000;               ///< To the head of the answer.
    Milliseconds queue_timeout_ms = 10'000;         ///< Waiting for an instance.
    /// Beyond `timeout_ms`, for a worker to show that it lives or to end what was given up.
    Milliseconds grace_ms = 5'000;
    Milliseconds ttl_ms = 0;                ///< Idle instances above `workers` end; 0: never.
    Milliseconds idle_timeout_ms = 60'000;  ///< Until on_idle.
    uint32_t uid = 0;                       ///< 0: as the gateway.
    uint32_t gid = 0;
    uint32_t open_files = 1024;
    uint64_t memory_bytes_max = 0;  ///< Of each instance; 0: no limit.
    double cpus_max = 0;            ///< Of each instance; 0: no limit.
    /// Digest of the entrypoint's bytes: not looked at, but an app with another one is another app.
    uint64_t content = 0;

    /// Equal specs mean the same processes: a reload keeps them.
    friend bool operator==(const AppSpec&, const AppSpec&) = default;
};

/// One request on its way to an application. What it points to stays valid until the answer's head
/// has come, or it failed or was released: an attempt may have to be repeated on another instance.
struct WorkerRequest {
    uint32_t app = 0;
    http::Method method = http::Method::get;
    http::Version version = http::Version::http_1_1;
    enum class Scheme : uint8_t { http, https } scheme = Scheme::http;
    /// The client asked to change protocols: an answer 101 is allowed, body_length is unknown.
    enum class Upgrade : uint8_t { no, yes } upgrade = Upgrade::no;
    std::string_view method_text;
    std::string_view path;   ///< Canonical, the base stripped.
    std::string_view query;  ///< data() null when there is none.
    std::string_view host;
    std::string_view base;
    std::string_view peer;
    std::string_view request_id;
    const http::FieldDraft* fields = nullptr;
    uint64_t body_length = 0;  ///< 0: none; BodySource::unknown_length.
    Nanoseconds deadline = 0;  ///< For the head; 0: the app's timeout from the hand-over on.
};

struct SupervisorOptions {
    std::string host_path;  ///< ringtime-worker-host; empty: processes are somebody else's.
    unsigned cores = 1;
    uint32_t pool_size = 500;  ///< Workers alive at once, all apps together.
    uint32_t ephemeral_max = 64;  ///< Requests of ephemeral apps at once, all apps together.
    /// Virtual size of each region; memory is used as it is touched.
    uint32_t arena_bytes = 4 * 1024 * 1024;
    /// What an idle worker's requests may leave touched of it.
    uint32_t arena_kept_bytes = 256 * 1024;
    /// How long workers look for work before they sleep, as long as that pays. Only for machines
    /// with processors to spare: beside a busy gateway it is theft.
    uint32_t spin_us = 0;
    Milliseconds ready_ms = timeouts::worker_ready_ms;
    Milliseconds restart_first_ms = 100;
    Milliseconds restart_longest_ms = 30'000;
    /// The same for an app whose instances do become ready: one that serves for a while and then
    /// fails is worth more than one that never starts.
    Milliseconds restart_ready_longest_ms = 1'000;
    /// The end of one that lived so long is the first in a row.
    Milliseconds healthy_ms = 10'000;
    /// Variables every worker gets (RUNTIME_API_URL and so on).
    std::vector<std::pair<std::string, std::string>> environment;
};

}  // namespace ringtime::worker
