#ifndef RINGTIME_WORKER_H
#define RINGTIME_WORKER_H
/*
 * The worker SDK for C99: an application that answers requests over the gateway's rings.
 *
 *     static void answer(void* self, rtw_request* request) {
 *         rtw_respond_text(rtw_worker_api(), request, 200, "text/plain", "hello\n");
 *     }
 *     int main(void) {
 *         rtw_app app = {sizeof app, 1, NULL, answer};
 *         return rtw_worker_run(&app);
 *     }
 *
 * A program links libringtime_worker. A module (.so) needs this header only: it exports
 * rtw_module_entry() and reaches the library through the table it is given.
 *
 * One thread; others reach it with post(). A request is handled from on_request() until the
 * application lets go of it with respond(), finish() or fail(), inside the callback or later: at
 * most `concurrency` are open at once. Everything a request shows (head, body bytes) is memory
 * shared with the gateway and may be read until then; it cannot be written.
 */

#include <stdint.h>
#include <string.h>

#include "ringtime/worker_abi.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rtw_text {
    const char* data;
    size_t size;
} rtw_text;

typedef struct rtw_header {
    rtw_text name;
    rtw_text value;
} rtw_header;

typedef struct rtw_request rtw_request;

typedef struct rtw_app {
    uint32_t struct_size;
    /* Requests handled at once; 0: as the manifest says. An application that answers inside
     * on_request() wants 1. */
    uint32_t concurrency;
    void* self;
    void (*on_request)(void* self, rtw_request* request);
    /* NULL for applications that answer inside on_request(). Bytes of the body, room for more of
     * the answer or the gateway's abort have come; see read(), write_some(), aborted(). */
    void (*on_progress)(void* self, rtw_request* request);
    /* Nothing to do since the manifest's idleTimeout. May be NULL. */
    void (*on_idle)(void* self);
    /* The process ends after this. May be NULL. */
    void (*on_terminate)(void* self);
} rtw_app;

typedef enum rtw_read {
    RTW_READ_DATA,    /* `out` holds bytes, valid until the next read of this request */
    RTW_READ_PENDING, /* nothing yet */
    RTW_READ_END,     /* the body is complete */
    RTW_READ_ABORTED  /* the request was given up; let go of it */
} rtw_read;

/* Everything the library does. Append-only: check struct_size before using a later function. */
typedef struct rtw_api {
    uint32_t struct_size;
    uint32_t abi;
    const rtw_request_head* (*head)(const rtw_request* request);
    /* The next bytes of the request's body: without waiting, or waiting for them. */
    rtw_read (*read)(rtw_request* request, rtw_text* out);
    rtw_read (*read_wait)(rtw_request* request, rtw_text* out);
    /* The whole answer; copies everything, never waits, lets go of the request. 0, or -1: the head
     * is not valid or too large (an answer with 500 went out instead). */
    int (*respond)(rtw_request* request, unsigned status, const rtw_header* fields, size_t count,
                   const void* body, size_t size);
    /* Sends a head; the body follows with write. An interim head (1xx) may come before. 0 or -1.
     * 101, to a request whose head has the flag RTW_REQUEST_UPGRADE, begins a tunnel: read() then
     * gives what the client sends, END at its FIN, and write() what it gets. Name the protocol in
     * a field `upgrade`. flush() what must not wait; finish() ends it. */
    int (*start)(rtw_request* request, unsigned status, const rtw_header* fields, size_t count,
                 uint64_t body_length);
    /* Takes as many bytes as there is room for (possibly 0); on_progress() tells of new room. */
    size_t (*write_some)(rtw_request* request, const void* data, size_t size);
    /* Waits until all bytes are on their way. 0, or -1: given up by the gateway. */
    int (*write)(rtw_request* request, const void* data, size_t size);
    /* Hands what was written so far to the gateway now, not at the end of the batch. */
    void (*flush)(rtw_request* request);
    /* The answer is complete; lets go of the request. */
    void (*finish)(rtw_request* request);
    /* The answer cannot be completed; lets go of the request. The client sees an error or a cut. */
    void (*fail)(rtw_request* request);
    /* Not 0 when the gateway has given the request up. It still has to be let go of. */
    int (*aborted)(const rtw_request* request);
    /* A pointer of the application's own. */
    void (*set_context)(rtw_request* request, void* context);
    void* (*context)(const rtw_request* request);
    /* Runs the application until the gateway ends it. Returns the process's exit status. */
    int (*run)(const rtw_app* app);
    /* For applications with a loop of their own: open(), then process() whenever fd() is readable.
     * process() returns 1, or 0 when the process shall end. */
    int (*open)(const rtw_app* app);
    int (*fd)(void);
    int (*process)(void);
    /* From any thread: action(argument) soon runs on the worker's, between two callbacks; all else
     * in this table is for that thread alone. In the order of the calls of one thread. 0, or -1: no
     * memory. */
    int (*post)(void (*action)(void* argument), void* argument);
} rtw_api;

/* ---- Programs: from the library ---- */

const rtw_api* rtw_worker_api(void);
static inline int rtw_worker_run(const rtw_app* app) { return rtw_worker_api()->run(app); }

/* ---- Modules export this; the table lives as long as the process ---- */

#define RTW_MODULE_ENTRY "rtw_module_entry"
typedef const rtw_app* (*rtw_module_entry_function)(const rtw_api* api);

/* ---- Reading heads ---- */

static inline rtw_text rtw_text_of(const char* text) {
    rtw_text result;
    result.data = text;
    result.size = strlen(text);
    return result;
}

/* data is NULL when the span is absent. */
static inline rtw_text rtw_span_text(const void* head, rtw_span span) {
    rtw_text result;
    result.data = span.offset ? (const char*)head + span.offset : NULL;
    result.size = span.size;
    return result;
}

static inline const rtw_field* rtw_fields(const rtw_request_head* head) {
    return (const rtw_field*)(const void*)(head + 1);
}
static inline rtw_text rtw_field_name(const rtw_request_head* head, const rtw_field* field) {
    rtw_text result;
    result.data = (const char*)head + field->name_offset;
    result.size = field->name_size;
    return result;
}
static inline rtw_text rtw_field_value(const rtw_request_head* head, const rtw_field* field) {
    rtw_text result;
    result.data = (const char*)head + field->value_offset;
    result.size = field->value_size;
    return result;
}

static inline int rtw_same_name(rtw_text a, rtw_text b) {
    if (a.size != b.size) return 0;
    for (size_t i = 0; i < a.size; ++i) {
        unsigned char x = (unsigned char)a.data[i], y = (unsigned char)b.data[i];
        if (x == y) continue;
        if ((x | 0x20) != (y | 0x20) || (x | 0x20) < 'a' || (x | 0x20) > 'z') return 0;
    }
    return 1;
}

/* The first field of this name, in any capitalisation; data is NULL when there is none. */
static inline rtw_text rtw_find(const rtw_request_head* head, rtw_text name) {
    const rtw_field* fields = rtw_fields(head);
    rtw_text none = {NULL, 0};
    for (unsigned i = 0; i < head->field_count; ++i)
        if (rtw_same_name(rtw_field_name(head, &fields[i]), name))
            return rtw_field_value(head, &fields[i]);
    return none;
}

static inline int rtw_respond_text(const rtw_api* api, rtw_request* request, unsigned status,
                                   const char* type, const char* text) {
    rtw_header field;
    field.name = rtw_text_of("content-type");
    field.value = rtw_text_of(type);
    return api->respond(request, status, &field, 1, text, strlen(text));
}

#ifdef __cplusplus
}
#endif

#endif /* RINGTIME_WORKER_H */
