/* One core's pair of regions as the worker sees it: descriptors in and out, slabs of region B. */
#include "internal.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static void* map_region(int fd, size_t bytes, int protection) {
    void* memory = mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* Pages that are touched as they are used. */
static int make_tables(rtw_link* link) {
    size_t units = link->arena_bytes / RTW_UNIT_BYTES;
    link->table_bytes = RTW_SLOTS_MAX * sizeof *link->requests +
                        units * (sizeof *link->bytes_left + sizeof *link->body_next +
                                 sizeof *link->body_bytes + sizeof *link->slab_of +
                                 sizeof *link->slab_units);
    void* tables = mmap(NULL, link->table_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (tables == MAP_FAILED) return -1;
    link->tables = tables;
    link->requests = tables;
    link->bytes_left = (uint32_t*)(void*)(link->requests + RTW_SLOTS_MAX);
    link->body_next = link->bytes_left + units;
    link->body_bytes = link->body_next + units;
    link->slab_of = (uint16_t*)(void*)(link->body_bytes + units);
    link->slab_units = (uint8_t*)(void*)(link->slab_of + units);
    return 0;
}

static int open_link(rtw_link* link, uint32_t core, size_t region_bytes, const int fds[3]) {
    const rtw_region* incoming = map_region(fds[0], region_bytes, PROT_READ);
    rtw_region* outgoing = map_region(fds[1], region_bytes, PROT_READ | PROT_WRITE);
    close(fds[0]);
    close(fds[1]);
    link->doorbell = fds[2];
    link->core = core;
    link->region_bytes = region_bytes;
    link->arena_bytes = (uint32_t)(region_bytes - RTW_ARENA_OFFSET);
    if (!incoming || !outgoing || incoming->info.abi != RTW_ABI_VERSION) return -1;
    link->incoming = incoming;
    link->outgoing = outgoing;
    link->producer = (rtw_producer){outgoing, incoming, 0, 0, 0};
    link->consumer = (rtw_consumer){incoming, outgoing, 0, 0};
    rtw_arena_init(&link->arena, link->arena_bytes);
    link->attached = 1;
    return 0;
}

int rtw_link_attach(uint32_t core, size_t region_bytes, const int fds[3]) {
    rtw_link* link = &rtw_this.links[core];
    if (link->attached) rtw_link_detach(link);
    if (open_link(link, core, region_bytes, fds) != 0 || make_tables(link) != 0)
        return -1;
    if (rtw_this.link_count <= core) rtw_this.link_count = core + 1;
    return 0;
}

void rtw_link_detach(rtw_link* link) {
    if (!link->attached) return;
    link->attached = 0;
    munmap((void*)(uintptr_t)link->incoming, link->region_bytes);
    munmap(link->outgoing, link->region_bytes);
    close(link->doorbell);
    munmap(link->tables, link->table_bytes);
}

void rtw_link_trim(rtw_link* link) {
    size_t kept = RTW_ARENA_OFFSET + RTW_BLOCK_BYTES;
    if (!link->attached || link->arena.free_units != link->arena.blocks * 64) return;
    if (link->region_bytes > kept)
        madvise((char*)link->outgoing + kept, link->region_bytes - kept, MADV_REMOVE);
}

void rtw_link_publish(rtw_link* link) {
    uint64_t one = 1;
    if (rtw_publish(&link->producer) && write(link->doorbell, &one, sizeof one) < 0) {
        /* Full: it is ringing. */
    }
}

void rtw_link_post(rtw_link* link, uint8_t kind, uint8_t flags, uint32_t exchange, uint32_t offset,
                   uint32_t length) {
    rtw_desc desc = {kind, flags, 0, exchange, offset, length, 0, 0};
    while (rtw_room(&link->producer) == 0) {
        rtw_link_publish(link);
        sched_yield();
    }
    rtw_put(&link->producer, &desc);
}

uint32_t rtw_slab_take(rtw_link* link, uint32_t size) {
    uint32_t units = rtw_slab_units(size);
    uint32_t slab = rtw_arena_take(&link->arena, units);
    if (slab == RTW_NO_SLAB) return slab;
    link->slab_units[slab] = (uint8_t)units;
    link->bytes_left[slab] = 1;
    for (uint32_t i = 0; i < units; ++i) link->slab_of[slab + i] = (uint16_t)slab;
    return slab;
}

void rtw_slab_return(rtw_link* link, uint32_t slab, uint32_t bytes) {
    link->bytes_left[slab] -= bytes;
    if (link->bytes_left[slab] == 0) rtw_arena_give(&link->arena, slab, link->slab_units[slab]);
}

static void take_request(rtw_link* link, const rtw_desc* desc) {
    rtw_request* request = rtw_this.unused;
    if (request) {
        rtw_this.unused = request->next;
    } else {
        request = malloc(sizeof *request);
        if (!request) abort();
    }
    memset(request, 0, sizeof *request);
    request->link = link;
    request->exchange = desc->exchange;
    request->head = (const rtw_request_head*)(const void*)((const char*)link->incoming +
                                                           RTW_ARENA_OFFSET + desc->offset);
    request->body_first = request->body_last = request->read_unit = RTW_NO_SLAB;
    request->slab = RTW_NO_SLAB;
    request->body_complete = (desc->flags & RTW_END_STREAM) != 0;
    link->requests[desc->exchange % RTW_SLOTS_MAX] = request;
    rtw_queue_push(&rtw_this.waiting, request);
}

static void take_body(rtw_link* link, rtw_request* request, const rtw_desc* desc) {
    uint32_t unit = desc->offset / RTW_UNIT_BYTES;
    link->body_next[unit] = RTW_NO_SLAB;
    link->body_bytes[unit] = desc->length;
    if (request->body_first == RTW_NO_SLAB) {
        request->body_first = unit;
    } else {
        link->body_next[request->body_last] = unit;
    }
    request->body_last = unit;
}

/* Bytes that lie one behind the other come back together, of several slabs as well. */
static void take_free(rtw_link* link, rtw_request* request, const rtw_desc* desc) {
    uint32_t offset = desc->offset;
    for (uint32_t left = desc->length; left > 0;) {
        uint32_t slab = link->slab_of[offset / RTW_UNIT_BYTES];
        uint32_t part = slab * RTW_UNIT_BYTES + rtw_slab_size(link, slab) - offset;
        if (part > left) part = left;
        rtw_slab_return(link, slab, part);
        offset += part;
        left -= part;
    }
    if (request && request->unfreed >= desc->length) request->unfreed -= desc->length;
}

static void take(rtw_link* link, const rtw_desc* desc) {
    if (desc->kind == RTW_REQUEST) {
        take_request(link, desc);
        return;
    }
    rtw_request* request = link->requests[desc->exchange % RTW_SLOTS_MAX];
    if (request && request->exchange != desc->exchange) request = NULL;
    if (desc->kind == RTW_FREE) take_free(link, request, desc);
    if (!request) return; /* we ended it already */
    if (desc->kind == RTW_BODY) take_body(link, request, desc);
    if (desc->kind == RTW_BODY_END) request->body_complete = 1;
    if (desc->kind == RTW_ABORT) request->aborted = 1;
    rtw_request_progress(request);
}

unsigned rtw_link_drain(rtw_link* link) {
    unsigned taken = 0;
    uint32_t available;
    while ((available = rtw_available(&link->consumer)) != 0) {
        rtw_desc desc;
        for (; available; --available, ++taken) {
            rtw_take(&link->consumer, &desc);
            take(link, &desc);
        }
        rtw_release(&link->consumer);
    }
    return taken;
}
