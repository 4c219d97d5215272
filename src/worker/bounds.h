#pragma once
// Maxima of the worker pool that no operator changes; see base/limits.h for the others.

#include <cstdint>

#include "base/clock.h"
#include "ringtime/worker_abi.h"

namespace ringtime::worker {

/// Requests handed to a busy worker in advance, so that it answers a batch per wake-up: as many as
/// it answers within this time, judged by its own figure, and never more than the count.
inline constexpr uint32_t ahead_ns = 200'000;
inline constexpr uint32_t ahead_max = 15;
/// One that was handed in advance and is not begun by then is taken back, and for the second
/// duration nothing is handed to that worker in advance.
inline constexpr Nanoseconds recall_after = 16 * kNanosecondsPerMillisecond;
inline constexpr Nanoseconds no_ahead_for = kNanosecondsPerSecond;
/// Descriptors taken from one worker before others get their turn.
inline constexpr uint32_t descriptors_per_turn = 64;
/// Descriptors that wait for room in a worker's ring (32 B each), nearly all FREEs of many small
/// pieces that left at once; a worker that leaves more unread ends.
inline constexpr uint32_t unsaid_max = 65536;
/// As many of them may lie before a new request: a worker whose streams keep its ring full of FREEs
/// is busy, not deaf, and who waited for an empty line would wait until the streams are over.
inline constexpr uint32_t unsaid_before_request = 4096;
/// Free ring entries that a new request or body slab leaves to ABORT, FREE and the like.
inline constexpr uint32_t ring_reserve = 16;
inline constexpr uint32_t strikes_max = 3;
/// A doorbell is worth what lies behind it: those without a descriptor count, and each batch of
/// descriptors is worth a few, because two may ring before the first is heard. At the first limit
/// the next is heard a tick (8 ms) later, at the second, a second further, it is a strike.
inline constexpr uint32_t empty_rings_max = 64;
inline constexpr uint32_t empty_rings_strike = empty_rings_max + 125;
inline constexpr uint32_t rings_per_batch = 4;
/// Pieces of one answer that wait for its client (24 B each); adjacent ones are merged.
inline constexpr uint32_t chunks_max = 1024;
inline constexpr uint32_t chunks_per_core = 262'144;
/// A share of an arena, in parts, that bodies leave to heads.
inline constexpr uint32_t head_share = 16;
/// A queued request that waited this long asks for another instance.
inline constexpr Nanoseconds growth_after = 5 * kNanosecondsPerMillisecond;
/// Attempts of one request: one retry, and recalls that never began do not count up to this many.
inline constexpr uint32_t attempts_max = 2;
inline constexpr uint32_t recalls_max = 3;
/// Requests a core serves from its own queue in a row while other cores wait for the same app.
inline constexpr uint32_t own_turns_max = 8;
/// Heads up to this size are copied into the answer itself; larger ones into a 16 KiB block.
inline constexpr uint32_t inline_head_bytes = 768;

static_assert(descriptors_per_turn <= RTW_RING_ENTRIES);

}  // namespace ringtime::worker
