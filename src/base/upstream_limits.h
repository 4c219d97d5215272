#pragma once
// The maxima and times of upstreams, as base/limits.h has them for the rest: with their units and
// what they cost. Manifests may change those that are called defaults.

#include <cstddef>
#include <cstdint>

namespace ringtime::limits {

/// Servers of one upstream.
inline constexpr size_t upstream_servers_max = 256;
/// Addresses of one server's name that are tried; more are left out.
inline constexpr size_t upstream_addresses_max = 16;
/// Attempts on one request after the first, at most what a manifest may ask for.
inline constexpr unsigned upstream_retries_max = 10;
/// Retries of one upstream and core that may be saved up.
inline constexpr uint64_t retry_burst_max = 1024;
/// Bodies kept so that a request can be repeated: by default, and at most. 64 KiB blocks of a core.
inline constexpr uint64_t replay_bytes_default = 64 * 1024;
inline constexpr uint64_t replay_bytes_max = 1024 * 1024;
/// Idle connections one core may be asking others for at once; further requests connect.
inline constexpr size_t handover_asks_max = 32;
/// Upstreams that metrics tell of.
inline constexpr size_t upstreams_measured_max = 1024;
/// Header edits of one upstream and direction that a manifest may set and add.
inline constexpr size_t upstream_edits_max = 32;

}  // namespace ringtime::limits

namespace ringtime::timeouts {

// Milliseconds.
inline constexpr uint64_t upstream_keep_alive_ms = 60'000;  ///< Of an unused connection.
inline constexpr uint64_t upstream_queue_ms = 5'000;
/// Before who comes first of those that wait for a place looks for one unasked.
inline constexpr uint64_t upstream_turn_ms = 100;
/// Before the next address of a name is tried beside the ones before (RFC 8305 §5).
inline constexpr uint64_t upstream_race_ms = 250;
/// Before a unix socket whose queue is full is tried again.
inline constexpr uint64_t upstream_crowded_ms = 20;
/// An address that could not be reached is tried behind the others for so long.
inline constexpr uint64_t upstream_shun_ms = 30'000;
/// A core that is asked for a connection answers within a turn, or is not worth waiting for; then
/// nobody is asked for a while.
inline constexpr uint64_t handover_ms = 5;
inline constexpr uint64_t handover_pause_ms = 1'000;

}  // namespace ringtime::timeouts
