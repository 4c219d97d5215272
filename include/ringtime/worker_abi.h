#ifndef RINGTIME_WORKER_ABI_H
#define RINGTIME_WORKER_ABI_H
/*
 * The wire between the gateway and a worker process: the layout of the two shared regions, the
 * descriptors that travel in their rings, the heads in their arenas, and the messages of the
 * control socket. Applications include worker.h or worker.hpp; this header is for whoever
 * implements either side.
 *
 * Each (core, worker) pair shares two memfds of the same layout. Region A ("to worker") is written
 * by the gateway and sealed, so that the worker can only read it. Region B ("to gateway") is
 * written by the worker and mapped read-only by the gateway. The writer of a region owns everything
 * in it: the ring it produces into, its position in the ring it consumes (which lies in the other
 * region), and the arena that its descriptors point into.
 *
 * An exchange (one request and its answer) begins with REQUEST and ends exactly once on each side:
 *
 *   gateway -> worker   REQUEST  [BODY...]  BODY_END, or ABORT at any time
 *   worker -> gateway   [HEAD 1xx...]  HEAD  [BODY...]  END, or ABORT instead of what is missing
 *
 * Until the worker's END or ABORT the gateway keeps the exchange's number, its place in the
 * worker's concurrency and the memory of the request; after it the worker sends nothing more under
 * that number. An ABORT of the gateway is answered by ABORT, or by the END that crossed it.
 *
 * Memory goes back by FREE, which names bytes of the receiver's arena; that is the flow control: no
 * exchange has more than RTW_WINDOW_BYTES of body per direction outstanding. The head of a request
 * and whatever is left of its body are freed by the worker's END or ABORT, without FREE.
 *
 * Requests handed over in advance can be taken back from a worker that is stuck, so that they run
 * exactly once elsewhere. REQUESTs of a pair are numbered from 1 in ring order. The gateway sets
 * recall_from and recalling, fences, and owns again what lies beyond `begun`; the worker sets
 * `begun`, fences, and skips (ABORT, UNTOUCHED) what is recalled. Both may give way; never do both
 * go on.
 *
 * Numbers are native-endian: both sides run on one machine. Structures only grow at reserved
 * places.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RTW_ABI_VERSION 1u
#define RTW_MAGIC_TO_WORKER 0x41545752u  /* "RWTA" */
#define RTW_MAGIC_TO_GATEWAY 0x42545752u /* "RWTB" */

/* Descriptors a worker process finds at its start. */
#define RTW_CONTROL_FD 3  /* AF_UNIX SOCK_SEQPACKET */
#define RTW_DOORBELL_FD 4 /* non-blocking eventfd, rung by every core */

#define RTW_RING_ENTRIES 256u
#define RTW_ARENA_OFFSET 16384u
#define RTW_ARENA_BYTES_MAX (16u << 20)
#define RTW_UNIT_BYTES 1024u   /* smallest slab */
#define RTW_BLOCK_BYTES 65536u /* largest slab, and the most one descriptor names */
#define RTW_WINDOW_BYTES (256u * 1024u)
#define RTW_RESPONSE_HEAD_BYTES_MAX 16384u
#define RTW_SLOTS_MAX 4096u /* exchanges of one pair at once */
#define RTW_UNKNOWN_LENGTH UINT64_MAX

/* gateway -> worker */
enum {
    RTW_REQUEST = 1,  /* offset, length: rtw_request_head; flags: END_STREAM when it has no body */
    RTW_BODY = 2,     /* offset, length: bytes. Both directions. */
    RTW_BODY_END = 3, /* the request's body is complete */
    RTW_ABORT = 4,    /* the exchange is given up. Both directions. */
    RTW_FREE = 5,     /* offset, length: bytes of the receiver's arena are done with. Both ways. */
    /* worker -> gateway */
    RTW_HEAD = 6, /* offset, length: rtw_response_head and the first body bytes behind it */
    RTW_END = 7   /* the answer is complete */
};
/* Flags of a descriptor. */
enum {
    RTW_END_STREAM = 1, /* REQUEST: no body follows. HEAD, BODY: stands for an END behind it. */
    RTW_UNTOUCHED = 2   /* the worker's ABORT of a request that was recalled before it was begun */
};

/* Copied out once by the consumer, checked, then used. */
typedef struct rtw_desc {
    uint8_t kind;
    uint8_t flags;
    uint16_t reserved;
    uint32_t exchange; /* slot (12 bits) | generation (12 bits) << 12; the gateway's number */
    uint32_t offset;   /* from the arena's begin */
    uint32_t length;
    uint64_t value; /* BODY_END, END: 0; room for later kinds */
    uint64_t reserved2;
} rtw_desc;

typedef struct rtw_region_info {
    uint32_t magic;
    uint32_t abi;
    uint32_t ring_entries;
    uint32_t arena_bytes;
    uint32_t core;
    uint32_t reserved[11];
} rtw_region_info;

/* What a side that sleeps wants its doorbell rung for. A worker in which nobody waits for memory
 * need not be woken by FREE alone of exchanges that are over: the next request wakes it soon
 * enough, and finds the memory come back. The gateway rings all the same before its ring is half
 * full. */
enum { RTW_WAKE_NEVER = 0, RTW_WAKE_FOR_ALL = 1, RTW_WAKE_FOR_WORK = 2 };

/* Fields that change are 128 bytes apart: adjacent cache lines are fetched together. */
typedef struct rtw_region {
    rtw_region_info info;
    uint32_t pad0[16];
    uint32_t tail; /* of this region's ring: descriptors ever produced */
    uint32_t pad1[31];
    uint32_t head; /* of the other region's ring: descriptors ever consumed by this side */
    uint32_t pad2[31];
    uint32_t wants_wake; /* this side is about to sleep, or does: an RTW_WAKE value */
    uint32_t loops;      /* worker: turns of its loop, for liveness */
    uint32_t begun;      /* worker: REQUESTs of this pair it has begun to handle, in ring order */
    uint32_t service_ns; /* worker: recent mean time to handle one request; 0 when not known */
    uint32_t recalling;  /* gateway: requests from recall_from on are taken back, see below */
    uint32_t recall_from;
    uint32_t pad3[26];
    rtw_desc ring[RTW_RING_ENTRIES];
} rtw_region;

/* Bytes of text behind a head, counted from the head's begin. offset 0: absent. */
typedef struct rtw_span {
    uint32_t offset;
    uint32_t size;
} rtw_span;

typedef struct rtw_field {
    uint32_t name_offset;
    uint32_t value_offset;
    uint32_t value_size;
    uint16_t name_size;
    uint16_t reserved;
} rtw_field;

enum {
    RTW_METHOD_OTHER,
    RTW_METHOD_GET,
    RTW_METHOD_HEAD,
    RTW_METHOD_POST,
    RTW_METHOD_PUT,
    RTW_METHOD_DELETE,
    RTW_METHOD_OPTIONS,
    RTW_METHOD_PATCH
};
enum { RTW_SCHEME_HTTP, RTW_SCHEME_HTTPS };
/* rtw_request_head.flags. UPGRADE: the client offers the protocols in the field `upgrade`. A HEAD
 * with status 101 accepts one, and the exchange is a tunnel from there on: BODY descriptors carry
 * bytes both ways, BODY_END stands for the client's FIN, END for the worker's. After any other head
 * the request is what its body_length says: one without a body. */
enum { RTW_REQUEST_UPGRADE = 1 };

/* The fields follow the structure, then the text. */
typedef struct rtw_request_head {
    uint32_t head_bytes; /* all of it */
    uint16_t field_count;
    uint8_t method;
    uint8_t version;      /* 10, 11, 20, 30 */
    uint64_t body_length; /* 0: none; RTW_UNKNOWN_LENGTH */
    uint8_t scheme;
    uint8_t flags;
    uint16_t reserved;
    uint32_t timeout_ms; /* until the gateway gives up waiting for the answer's head */
    rtw_span method_text;
    rtw_span path; /* canonical, the base stripped */
    rtw_span query;
    rtw_span host;
    rtw_span base;
    rtw_span peer;
    rtw_span request_id;
} rtw_request_head;

/* The fields follow the structure, then the text. No framing and no hop-by-hop fields. */
typedef struct rtw_response_head {
    uint32_t head_bytes; /* all of it; body bytes may follow in the same slab */
    uint16_t status;
    uint16_t field_count;
    uint64_t body_length; /* RTW_UNKNOWN_LENGTH when it is not known in advance */
} rtw_response_head;

/* Control socket. worker -> gateway: READY. gateway -> worker: ATTACH with the descriptors of
 * region A, region B and the core's doorbell, DETACH, TERMINATE. An ATTACH for a core that had one
 * replaces its regions: no exchange is open in them, and what was lent of B need not come back.
 *
 * An ephemeral application's process is a template: it is asked to FORK a process for one request
 * each. With the word come the descriptors of that process's seat: its doorbell, then those of an
 * ATTACH for each core; the next process of the seat gets the same ones. The forked process says
 * FORKED through the socket it inherited, under its own credentials; the template says ENDED when
 * it has reaped it. */
enum {
    RTW_READY = 1,
    RTW_ATTACH = 2,
    RTW_DETACH = 3,
    RTW_TERMINATE = 4,
    RTW_IDLE = 5,
    RTW_FORK = 7,
    RTW_FORKED = 8,
    RTW_ENDED = 9
};
#define RTW_SEATS_MAX 256u
/* READY's `core`: what the worker can do. */
enum { RTW_CAN_FORK = 2 };

typedef struct rtw_control {
    uint32_t kind;
    uint32_t abi;  /* READY. FORK, FORKED, ENDED: the seat */
    uint32_t core; /* ATTACH, DETACH. READY: RTW_CAN_FORK */
    uint32_t
        concurrency; /* READY: requests it handles at once; 0: as the manifest says, in ATTACH */
    uint64_t region_bytes; /* ATTACH, FORK: of each region. ENDED: status as of wait(2) */
    uint64_t spin_ns;      /* ATTACH: looking for work before sleeping, where that pays; 0: never.
                              FORK: a bit for each core whose descriptors come, lowest first */
} rtw_control;

/* ---- What both sides do alike ---- */

/* Orders this side's publication before its look at the peer's flag. Release and acquire alone lose
 * one wake-up in some ten thousand messages. */
static inline void rtw_full_fence(void) {
#if defined(__SANITIZE_THREAD__)
    uint32_t word = 0; /* the sanitizer does not model fences; the lock prefix is one */
    __atomic_fetch_add(&word, 1, __ATOMIC_SEQ_CST);
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

static inline uint32_t rtw_load(const uint32_t* word) {
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
static inline uint32_t rtw_peek(const uint32_t* word) {
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}
static inline void rtw_store(uint32_t* word, uint32_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* Producer of one ring: `own` is the region it writes, `peer` holds the consumer's position. */
typedef struct rtw_producer {
    rtw_region* own;
    const rtw_region* peer;
    uint32_t tail; /* next to be written; published later */
    uint32_t published;
    uint32_t known_head; /* the consumer's position as last read */
} rtw_producer;

/* Free entries, at most RTW_RING_ENTRIES. A position that a hostile consumer made up counts as
 * full. */
static inline uint32_t rtw_room(rtw_producer* producer) {
    uint32_t used = producer->tail - producer->known_head;
    if (used > RTW_RING_ENTRIES / 2) {
        uint32_t head = rtw_load(&producer->peer->head);
        /* It can only move forward, and not past what was published. */
        if (head - producer->known_head <= producer->published - producer->known_head)
            producer->known_head = head;
        used = producer->tail - producer->known_head;
    }
    return RTW_RING_ENTRIES - used;
}

/* Precondition: rtw_room() > 0. Not visible until rtw_publish(). */
static inline void rtw_put(rtw_producer* producer, const rtw_desc* desc) {
    producer->own->ring[producer->tail & (RTW_RING_ENTRIES - 1)] = *desc;
    ++producer->tail;
}

/* Makes what was put visible. Returns what the peer, if it sleeps, wants its doorbell rung for. */
static inline uint32_t rtw_publish(rtw_producer* producer) {
    if (producer->published == producer->tail) return RTW_WAKE_NEVER;
    producer->published = producer->tail;
    rtw_store(&producer->own->tail, producer->tail);
    rtw_full_fence();
    return rtw_peek(&producer->peer->wants_wake);
}

/* Consumer of one ring: `peer` is the region that holds it, `own` the region where it says how far
 * it is. */
typedef struct rtw_consumer {
    const rtw_region* peer;
    rtw_region* own;
    uint32_t head;
    uint32_t known_tail;
} rtw_consumer;

/* Entries that may be taken; more than RTW_RING_ENTRIES: the producer is corrupt. */
static inline uint32_t rtw_available(rtw_consumer* consumer) {
    if (consumer->head == consumer->known_tail)
        consumer->known_tail = rtw_load(&consumer->peer->tail);
    return consumer->known_tail - consumer->head;
}

/* Precondition: rtw_available() is 1 to RTW_RING_ENTRIES. Each word is read once. */
static inline void rtw_take(rtw_consumer* consumer, rtw_desc* out) {
    const rtw_desc* desc = &consumer->peer->ring[consumer->head & (RTW_RING_ENTRIES - 1)];
    const uint64_t* from = (const uint64_t*)(const void*)desc;
    union {
        uint64_t words[4];
        rtw_desc desc;
    } copy;
    for (unsigned i = 0; i < 4; ++i) copy.words[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
    *out = copy.desc;
    ++consumer->head;
}

/* Gives the entries taken so far back to the producer. */
static inline void rtw_release(rtw_consumer* consumer) {
    rtw_store(&consumer->own->head, consumer->head);
}

/* ---- Arena: slabs of 1, 4, 16 and 64 KiB, the lowest first, in private memory of the arena's
 * owner ---- */

#define RTW_BLOCKS_MAX (RTW_ARENA_BYTES_MAX / RTW_BLOCK_BYTES)
#define RTW_NO_SLAB UINT32_MAX

typedef struct rtw_arena {
    uint32_t blocks;
    uint32_t free_units;
    uint32_t first; /* no block below this one has a free unit */
    uint32_t reserved;
    uint64_t free[RTW_BLOCKS_MAX]; /* one bit per unit of 1 KiB */
} rtw_arena;

static inline void rtw_arena_init(rtw_arena* arena, uint32_t bytes) {
    arena->blocks = bytes / RTW_BLOCK_BYTES;
    arena->free_units = arena->blocks * 64;
    arena->first = 0;
    for (uint32_t i = 0; i < arena->blocks; ++i) arena->free[i] = UINT64_MAX;
}

/* Units of the smallest slab that holds `bytes`; 0 when none does. */
static inline uint32_t rtw_slab_units(uint32_t bytes) {
    if (bytes <= 1024) return 1;
    if (bytes <= 4096) return 4;
    if (bytes <= 16384) return 16;
    return bytes <= RTW_BLOCK_BYTES ? 64 : 0;
}

static inline uint64_t rtw_slab_mask(uint32_t units) {
    return units == 64 ? UINT64_MAX : (UINT64_C(1) << units) - 1;
}

/* Bits at which an aligned run of `units` free units begins. */
static inline uint64_t rtw_free_runs(uint64_t free, uint32_t units) {
    if (units == 1) return free;
    free &= free >> 1;
    free &= free >> 2;
    if (units == 4) return free & UINT64_C(0x1111111111111111);
    free &= free >> 4;
    free &= free >> 8;
    if (units == 16) return free & UINT64_C(0x0001000100010001);
    free &= free >> 16;
    free &= free >> 32;
    return free & 1;
}

/* Returns the slab's first unit (its offset is unit * RTW_UNIT_BYTES), or RTW_NO_SLAB. */
static inline uint32_t rtw_arena_take(rtw_arena* arena, uint32_t units) {
    for (uint32_t i = arena->first; i < arena->blocks; ++i) {
        uint64_t runs = rtw_free_runs(arena->free[i], units);
        if (!arena->free[i] && i == arena->first) ++arena->first;
        if (!runs) continue;
        uint32_t bit = (uint32_t)__builtin_ctzll(runs);
        arena->free[i] &= ~(rtw_slab_mask(units) << bit);
        arena->free_units -= units;
        return i * 64 + bit;
    }
    return RTW_NO_SLAB;
}

/* Precondition: the slab was taken with these values, or is the end of one that was. */
static inline void rtw_arena_give(rtw_arena* arena, uint32_t unit, uint32_t units) {
    arena->free[unit / 64] |= rtw_slab_mask(units) << (unit % 64);
    arena->free_units += units;
    if (unit / 64 < arena->first) arena->first = unit / 64;
}

/* ---- The promise, checked wherever this header is compiled ---- */

#ifdef __cplusplus
#define RTW_CHECK(fact, name) static_assert(fact, #name)
#else
#define RTW_CHECK(fact, name) typedef char rtw_check_##name[(fact) ? 1 : -1]
#endif
RTW_CHECK(sizeof(rtw_desc) == 32, descriptor_size);
RTW_CHECK(offsetof(rtw_desc, exchange) == 4, descriptor_exchange);
RTW_CHECK(offsetof(rtw_desc, offset) == 8, descriptor_offset);
RTW_CHECK(offsetof(rtw_desc, value) == 16, descriptor_value);
RTW_CHECK(sizeof(rtw_region_info) == 64, region_info_size);
RTW_CHECK(offsetof(rtw_region, tail) == 128, region_tail);
RTW_CHECK(offsetof(rtw_region, head) == 256, region_head);
RTW_CHECK(offsetof(rtw_region, wants_wake) == 384, region_wants_wake);
RTW_CHECK(offsetof(rtw_region, ring) == 512, region_ring);
RTW_CHECK(sizeof(rtw_region) <= RTW_ARENA_OFFSET, region_size);
RTW_CHECK(sizeof(rtw_field) == 16, field_size);
RTW_CHECK(sizeof(rtw_request_head) == 80, request_head_size);
RTW_CHECK(offsetof(rtw_request_head, body_length) == 8, request_head_body_length);
RTW_CHECK(offsetof(rtw_request_head, method_text) == 24, request_head_method_text);
RTW_CHECK(sizeof(rtw_response_head) == 16, response_head_size);
RTW_CHECK(sizeof(rtw_control) == 32, control_size);
RTW_CHECK((RTW_RING_ENTRIES & (RTW_RING_ENTRIES - 1)) == 0, ring_is_power_of_two);

#ifdef __cplusplus
}
#endif

#endif /* RINGTIME_WORKER_ABI_H */
