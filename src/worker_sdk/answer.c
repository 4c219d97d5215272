/* Answers: heads and bodies written into region B, bodies of requests read out of region A. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- The request's body ---- */

rtw_read rtw_body_read(rtw_request* request, rtw_text* out) {
    rtw_link* link = request->link;
    if (request->aborted) return RTW_READ_ABORTED;
    /* What follows an upgrade's head belongs to the tunnel, if it becomes one. */
    if ((request->head->flags & RTW_REQUEST_UPGRADE) && !request->switched) return RTW_READ_END;
    if (request->read_unit != RTW_NO_SLAB) {
        rtw_link_post(link, RTW_FREE, 0, request->exchange, request->read_unit * RTW_UNIT_BYTES,
                      link->body_bytes[request->read_unit]);
        request->read_unit = RTW_NO_SLAB;
    }
    uint32_t unit = request->body_first;
    if (unit == RTW_NO_SLAB) return request->body_complete ? RTW_READ_END : RTW_READ_PENDING;
    request->body_first = link->body_next[unit];
    request->read_unit = unit;
    out->data = (const char*)link->incoming + RTW_ARENA_OFFSET + (size_t)unit * RTW_UNIT_BYTES;
    out->size = link->body_bytes[unit];
    return RTW_READ_DATA;
}

/* ---- Heads ---- */

/* One bit per character that a field's name may hold: 0 to 31, 32 to 63, and so on. */
static int is_token(rtw_text text) {
    static const uint32_t allowed[8] = {0, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff};
    if (text.size == 0 || text.size > 256) return 0;
    for (size_t i = 0; i < text.size; ++i) {
        unsigned char c = (unsigned char)text.data[i];
        if (!(allowed[c >> 5] >> (c & 31) & 1)) return 0;
    }
    return 1;
}

static int is_value(rtw_text text) {
    for (size_t i = 0; i < text.size; ++i) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) return 0;
    }
    return 1;
}

/* Framing is the gateway's; a hop's own fields end at the hop. Applications ported from elsewhere
 * set them in good faith, so they are left out instead of refused. Asked for every field of every
 * answer: its length says for nearly all of them that it is none. */
static int is_framing(rtw_text name) {
    switch (name.size) {
        case 2:
            return rtw_same_name(name, rtw_text_of("te"));
        case 7:
            return rtw_same_name(name, rtw_text_of("trailer"));
        case 10:
            return rtw_same_name(name, rtw_text_of("connection")) ||
                   rtw_same_name(name, rtw_text_of("keep-alive"));
        case 14:
            return rtw_same_name(name, rtw_text_of("content-length"));
        case 16:
            return rtw_same_name(name, rtw_text_of("proxy-connection"));
        case 17:
            return rtw_same_name(name, rtw_text_of("transfer-encoding"));
        default:
            return 0;
    }
}

/* On stderr, which is in the gateway's log: the client learns nothing of it. Always 0. */
static uint32_t refuse_head(const rtw_request* request, unsigned status, const char* why,
                            rtw_text field) {
    rtw_text path = rtw_span_text(request->head, request->head->path);
    fprintf(stderr, "%.*s: the answer's head (status %u) is refused: %s%.*s\n", (int)path.size,
            path.data, status, why, field.size > 64 ? 64 : (int)field.size, field.data);
    return 0;
}

/* Bytes the head takes, or 0 when it is not valid or too large, which is told. */
static uint32_t head_size(const rtw_request* request, unsigned status, const rtw_header* fields,
                          size_t count) {
    size_t size = sizeof(rtw_response_head);
    if (status < 100 || status > 599)
        return refuse_head(request, status, "a status is 100 to 599", rtw_text_of(""));
    for (size_t i = 0; i < count; ++i) {
        rtw_text name = fields[i].name;
        if (!is_token(name)) return refuse_head(request, status, "no field's name: ", name);
        if (!is_value(fields[i].value))
            return refuse_head(request, status, "control characters in the field ", name);
        if (is_framing(name)) continue;
        size += sizeof(rtw_field) + name.size + fields[i].value.size;
        if (size > RTW_RESPONSE_HEAD_BYTES_MAX)
            return refuse_head(request, status, "too large with the field ", name);
    }
    return (uint32_t)size;
}

static uint32_t put_text(char* base, uint32_t cursor, rtw_text text) {
    if (text.size) memcpy(base + cursor, text.data, text.size);
    return cursor + (uint32_t)text.size;
}

static void write_head(char* out, uint32_t size, unsigned status, const rtw_header* fields,
                       size_t count, uint64_t body_length) {
    rtw_response_head* head = (rtw_response_head*)(void*)out;
    rtw_field* table = (rtw_field*)(void*)(head + 1);
    uint16_t kept = 0;
    for (size_t i = 0; i < count; ++i) kept = (uint16_t)(kept + !is_framing(fields[i].name));
    uint32_t cursor = (uint32_t)(sizeof *head + kept * sizeof *table);
    for (size_t i = 0; i < count; ++i) {
        if (is_framing(fields[i].name)) continue;
        table->name_offset = cursor;
        table->name_size = (uint16_t)fields[i].name.size;
        cursor = put_text(out, cursor, fields[i].name);
        table->value_offset = cursor;
        table->value_size = (uint32_t)fields[i].value.size;
        cursor = put_text(out, cursor, fields[i].value);
        table->reserved = 0;
        ++table;
    }
    head->head_bytes = size;
    head->status = (uint16_t)status;
    head->field_count = kept;
    head->body_length = body_length;
}

static int is_bodyless(const rtw_request* request, unsigned status) {
    return request->head->method == RTW_METHOD_HEAD || status < 200 || status == 204 ||
           status == 304;
}

/* Bodies leave this much of the arena to heads, which have to wait when there is nothing. */
#define HEAD_SHARE 16u

static uint32_t take_head_slab(rtw_link* link, uint32_t size) {
    uint32_t slab;
    while ((slab = rtw_slab_take(link, size)) == RTW_NO_SLAB) rtw_wait_inside();
    return slab;
}

static void lend(rtw_request* request, uint8_t kind, uint8_t flags, uint32_t slab, uint32_t begin,
                 uint32_t bytes) {
    request->link->bytes_left[slab] += bytes;
    request->unfreed += bytes;
    rtw_link_post(request->link, kind, flags, request->exchange, slab * RTW_UNIT_BYTES + begin,
                  bytes);
}

int rtw_answer_start(rtw_request* request, unsigned status, const rtw_header* fields, size_t count,
                     uint64_t body_length) {
    uint32_t size = request->head_sent ? 0 : head_size(request, status, fields, count);
    if (size == 0) return -1;
    rtw_link* link = request->link;
    uint32_t slab = take_head_slab(link, size);
    write_head(rtw_slab_data(link, slab), size, status, fields, count, body_length);
    lend(request, RTW_HEAD, 0, slab, 0, size);
    rtw_slab_return(link, slab, 1);
    request->head_sent = status >= 200 || status == 101;
    request->switched = status == 101;
    request->bodyless = request->head_sent && status != 101 && is_bodyless(request, status);
    return 0;
}

/* ---- Bodies ---- */

static void close_slab(rtw_request* request) {
    if (request->slab == RTW_NO_SLAB) return;
    rtw_slab_return(request->link, request->slab, 1);
    request->slab = RTW_NO_SLAB;
}

/* Every stream may hold as much as half of what is free for bodies, so slow readers, however many,
 * never take the memory that others need to move. */
static uint32_t window_left(const rtw_request* request) {
    const rtw_arena* arena = &request->link->arena;
    uint32_t heads = arena->blocks * 64 / HEAD_SHARE;
    uint32_t free_units = arena->free_units > heads ? arena->free_units - heads : 0;
    uint32_t window = free_units / 2 * RTW_UNIT_BYTES;
    if (window > RTW_WINDOW_BYTES) window = RTW_WINDOW_BYTES;
    return request->unfreed < window ? window - request->unfreed : 0;
}

static int open_slab(rtw_request* request, size_t wanted) {
    rtw_link* link = request->link;
    if (wanted > RTW_BLOCK_BYTES) wanted = RTW_BLOCK_BYTES;
    uint32_t slab = rtw_slab_take(link, (uint32_t)wanted);
    if (slab == RTW_NO_SLAB) slab = rtw_slab_take(link, RTW_UNIT_BYTES);
    if (slab == RTW_NO_SLAB) return 0;
    request->slab = slab;
    request->slab_used = 0;
    request->slab_size = rtw_slab_size(link, slab);
    return 1;
}

static void starve(rtw_request* request) {
    if (request->starved) return;
    request->starved = 1;
    request->next_starved = rtw_this.starved;
    rtw_this.starved = request;
}

size_t rtw_answer_write_some(rtw_request* request, const void* data, size_t size) {
    rtw_link* link = request->link;
    size_t done = 0;
    if (request->bodyless) return size;
    while (done < size && !request->aborted) {
        size_t bytes = size - done;
        uint32_t left = window_left(request);
        if (bytes > left) bytes = left;
        if (bytes == 0 || (request->slab == RTW_NO_SLAB && !open_slab(request, bytes))) {
            starve(request);
            break;
        }
        if (bytes > request->slab_size - request->slab_used)
            bytes = request->slab_size - request->slab_used;
        memcpy(rtw_slab_data(link, request->slab) + request->slab_used, (const char*)data + done,
               bytes);
        lend(request, RTW_BODY, 0, request->slab, request->slab_used, (uint32_t)bytes);
        request->slab_used += (uint32_t)bytes;
        done += bytes;
        if (request->slab_used == request->slab_size) close_slab(request);
    }
    return done;
}

void rtw_answer_finish(rtw_request* request) {
    close_slab(request);
    if (request->head_sent) {
        rtw_link_post(request->link, RTW_END, 0, request->exchange, 0, 0);
    } else {
        rtw_link_post(request->link, RTW_ABORT, 0, request->exchange, 0, 0);
    }
    rtw_request_release(request);
}

void rtw_answer_fail(rtw_request* request) {
    close_slab(request);
    rtw_link_post(request->link, RTW_ABORT, 0, request->exchange, 0, 0);
    rtw_request_release(request);
}

/* The common case: head and body in one slab, one descriptor. */
static int respond_at_once(rtw_request* request, uint32_t head_bytes, unsigned status,
                           const rtw_header* fields, size_t count, uint64_t length,
                           const void* body, size_t size) {
    rtw_link* link = request->link;
    if (head_bytes + size > RTW_BLOCK_BYTES) return 0;
    uint32_t slab = rtw_slab_take(link, head_bytes + (uint32_t)size);
    if (slab == RTW_NO_SLAB) return 0;
    char* data = rtw_slab_data(link, slab);
    write_head(data, head_bytes, status, fields, count, length);
    if (size) memcpy(data + head_bytes, body, size);
    lend(request, RTW_HEAD, RTW_END_STREAM, slab, 0, head_bytes + (uint32_t)size);
    rtw_slab_return(link, slab, 1);
    rtw_request_release(request);
    return 1;
}

static void keep_rest(rtw_request* request, const char* data, size_t size) {
    request->rest = malloc(size);
    if (!request->rest) {
        rtw_answer_fail(request);
        return;
    }
    memcpy(request->rest, data, size);
    request->rest_size = size;
    request->rest_done = 0;
    request->next = rtw_this.writing;
    rtw_this.writing = request;
}

int rtw_answer_respond(rtw_request* request, unsigned status, const rtw_header* fields,
                       size_t count, const void* body, size_t size) {
    int result = 0;
    if (request->head_sent || request->aborted) {
        result = request->aborted ? 0 : -1;
        rtw_answer_fail(request);
        return result;
    }
    uint32_t head_bytes = head_size(request, status, fields, count);
    if (head_bytes == 0 || status < 200) {
        status = 500;
        count = 0;
        head_bytes = sizeof(rtw_response_head);
        size = 0;
        result = -1;
    }
    uint64_t length = size; /* what GET would carry, for HEAD */
    if (is_bodyless(request, status)) size = 0;
    if (respond_at_once(request, head_bytes, status, fields, count, length, body, size))
        return result;
    rtw_answer_start(request, status, fields, count, length);
    size_t done = rtw_answer_write_some(request, body, size);
    if (done == size) {
        rtw_answer_finish(request);
    } else {
        keep_rest(request, (const char*)body + done, size - done);
    }
    return result;
}

void rtw_answer_continue(void) {
    rtw_request** place = &rtw_this.writing;
    while (*place) {
        rtw_request* request = *place;
        request->rest_done += rtw_answer_write_some(request, request->rest + request->rest_done,
                                                    request->rest_size - request->rest_done);
        if (request->rest_done < request->rest_size && !request->aborted) {
            place = &request->next;
            continue;
        }
        *place = request->next;
        free(request->rest);
        request->rest = NULL;
        if (request->aborted) {
            rtw_answer_fail(request);
        } else {
            rtw_answer_finish(request);
        }
    }
}
