#pragma once
// Every maximum of the gateway, with its unit and what it costs. Reaching one is an ordinary result
// (a refusal, 431, 503, a paused reader), never an assertion. Those an operator may change are only
// the defaults here; their configured values travel in the snapshot.

#include <cstddef>
#include <cstdint>

namespace ringtime::limits {

// --- HTTP messages (bytes unless said otherwise) ---
/// Request line and all field lines with their ends; larger heads are answered 431.
inline constexpr size_t head_bytes_max = 32 * 1024;
/// Request target; longer ones are answered 414.
inline constexpr size_t target_bytes_max = 8 * 1024;
/// Field lines of one head or trailer section; more are answered 431.
inline constexpr size_t fields_max = 100;
/// Method name.
inline constexpr size_t method_bytes_max = 32;
/// Empty lines skipped before a request line.
inline constexpr size_t empty_lines_max = 4;
/// One chunk-size line with its extensions.
inline constexpr size_t chunk_line_bytes_max = 4 * 1024;
/// All chunk extensions of one message.
inline constexpr size_t chunk_extension_bytes_max = 16 * 1024;
/// A trailer section.
inline constexpr size_t trailer_bytes_max = 8 * 1024;
/// Request body, by default and per route.
inline constexpr uint64_t body_bytes_default = 10 * 1024 * 1024;
/// Interim (1xx) responses before the final one.
inline constexpr size_t interim_responses_max = 16;

// --- Buffers of one core ---
/// Receive buffers for heads and small bodies: 4 MiB a core at ease, 64 MiB when thousands of
/// clients make it keep what they sent.
inline constexpr size_t small_buffer_bytes = 4 * 1024;
inline constexpr size_t small_buffers = 16 * 1024;
inline constexpr size_t small_buffers_ready = 1024;
/// Receive buffers for upstream answers and large bodies: 8 MiB a core at ease, 256 MiB when
/// thousands of peers are slow to take what others sent.
inline constexpr size_t bulk_buffer_bytes = 32 * 1024;
inline constexpr size_t bulk_buffers = 8 * 1024;
inline constexpr size_t bulk_buffers_ready = 256;
/// What is left of an answer's body from which on it is worth while to have the kernel move it: at
/// 16 KiB that costs as much as copying, at 32 KiB 0.8x, at 64 KiB 0.6x.
inline constexpr size_t spliced_body_bytes_min = 24 * 1024;
/// The same of an upload on its way to an upstream, which comes in smaller portions: at 256 KiB it
/// costs as much as copying, at 512 KiB 0.9x, at 1 MiB 0.6x.
inline constexpr size_t spliced_upload_bytes_min = 512 * 1024;
/// Window of a body that the kernel moves: a pipe that takes this much at once, which is the most
/// that a user without privileges may ask for. Pipes of one core, two descriptors each: 64 MiB.
inline constexpr size_t relay_pipe_bytes = 1024 * 1024;
inline constexpr size_t relay_pipes = 64;
/// Pieces of one send; each is an iovec of the message.
inline constexpr size_t send_pieces_max = 16;
/// Bytes queued towards one peer before its source is paused.
inline constexpr size_t relay_window_bytes = 256 * 1024;
/// Arena of one exchange: rewritten paths, edits, gathered heads.
inline constexpr size_t exchange_arena_bytes = 4 * 1024;
inline constexpr size_t exchange_arena_bytes_max = 256 * 1024;

/// Request bodies made whole for plugins that gather, at once; more are answered 503.
inline constexpr size_t gathered_bytes_per_core = 64 * 1024 * 1024;

// --- One core ---
/// Client connections by default: 384 B of user memory each while idle.
inline constexpr size_t connections_per_core = 65536;
/// Requests being answered at once on one core.
inline constexpr size_t exchanges_per_core = 16384;
/// Submission queue entries of a ring; a full queue is submitted and refilled.
inline constexpr unsigned submission_entries = 1024;
/// Completion queue entries of a ring (16 B each).
inline constexpr unsigned completion_entries = 16384;
/// Completions handled before queued work is run.
inline constexpr unsigned completions_per_turn = 256;
/// Accepts kept armed per listener and core.
inline constexpr unsigned accepts_armed = 2;
/// Messages of one ordered pair of cores that may wait.
inline constexpr size_t mailbox_entries = 1024;
/// Most cores of one gateway.
inline constexpr size_t cores_max = 64;
/// The descriptor table is grown in advance to at most this many entries (8 B each).
inline constexpr size_t descriptors_pregrown_max = 262144;

// --- Administration ---
/// Calls of the API open at once on one core; more are answered 503.
inline constexpr size_t api_calls_per_core = 64;
/// Calls waiting for the control thread, all cores together.
inline constexpr size_t api_queue_max = 256;
/// Body of a call that takes JSON.
inline constexpr size_t api_body_bytes_max = 64 * 1024;
/// An uploaded archive: held in memory by its core until it is unpacked.
inline constexpr size_t upload_bytes_max = 64 * 1024 * 1024;
/// Connections of the admin socket, beyond those of clients: an operator gets in when all is full.
inline constexpr size_t admin_connections = 16;
/// API keys of one gateway.
inline constexpr size_t api_keys_max = 1024;

// --- Routes, plugins, workers ---
/// Mounts of one snapshot.
inline constexpr size_t mounts_max = 200'000;
/// Hooks of one chain and phase.
inline constexpr size_t hooks_per_chain_max = 64;
/// Edits of fields a chain may make to one head.
inline constexpr size_t edits_max = 64;
/// Worker processes alive at once, the highest RUNTIME_POOL_SIZE.
inline constexpr size_t workers_max = 4096;
/// Requests waiting for a worker of one app on one core.
inline constexpr size_t worker_queue_max = 1024;
/// Idle upstream connections kept per core and upstream by default.
inline constexpr size_t upstream_idle_default = 64;
/// Requests waiting for a connection of one upstream on one core by default.
inline constexpr size_t upstream_queue_default = 1024;

static_assert(head_bytes_max <= UINT16_MAX, "field offsets are 16 bits wide");
static_assert(target_bytes_max < head_bytes_max);
static_assert((small_buffers & (small_buffers - 1)) == 0, "ring masks need powers of two");
static_assert((bulk_buffers & (bulk_buffers - 1)) == 0, "ring masks need powers of two");

}  // namespace ringtime::limits

namespace ringtime::timeouts {

// Milliseconds. Defaults; the configured values travel in the snapshot.
inline constexpr uint64_t head_ms = 10'000;            ///< First byte to complete head.
inline constexpr uint64_t keep_alive_ms = 60'000;      ///< Between requests.
inline constexpr uint64_t body_grace_ms = 5'000;       ///< Before the minimum body rate applies.
inline constexpr uint64_t body_rate_bytes_per_s = 240;
inline constexpr uint64_t response_stall_ms = 30'000;  ///< No byte taken by the client.
inline constexpr uint64_t linger_ms = 2'000;           ///< Reading on after a refusal.
inline constexpr size_t linger_bytes = 64 * 1024;
inline constexpr uint64_t half_closed_ms = 10'000;  ///< An endless answer after the client's FIN.
inline constexpr uint64_t tunnel_idle_ms = 3'600'000;  ///< A tunnel without a byte either way.
inline constexpr uint64_t upstream_connect_ms = 3'000;
inline constexpr uint64_t upstream_head_ms = 60'000;
inline constexpr uint64_t upstream_idle_ms = 60'000;
inline constexpr uint64_t plugin_init_ms = 30'000;
inline constexpr uint64_t plugin_shutdown_ms = 10'000;
inline constexpr uint64_t worker_ready_ms = 30'000;
inline constexpr uint64_t drain_ms = 30'000;

}  // namespace ringtime::timeouts
