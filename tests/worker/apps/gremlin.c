/* A hostile worker: answers like any other until it is asked to do what an attacker would. It
 * reaches past the SDK's table into its links. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../../../src/worker_sdk/internal.h"

static const rtw_api* api;
static uint32_t state = 12345;

static uint32_t next_random(void) {
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

static void say(rtw_link* link, rtw_desc desc) {
    while (rtw_room(&link->producer) == 0) rtw_link_publish(link);
    rtw_put(&link->producer, &desc);
    rtw_link_publish(link);
}

static void garbage(rtw_link* link, uint32_t exchange, unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
        rtw_desc desc;
        desc.kind = (uint8_t)(next_random() % 9);
        desc.flags = (uint8_t)next_random();
        desc.reserved = 0;
        desc.exchange = next_random() % 3 ? exchange : next_random();
        desc.offset = next_random() % 2 ? next_random() % link->arena_bytes : next_random() << 8;
        desc.length = next_random() % 2 ? next_random() % 70000 : next_random() << 8;
        desc.value = next_random();
        desc.reserved2 = 0;
        say(link, desc);
    }
}

/* Keeps changing its region while the gateway reads it. */
static void scribble(rtw_link* link, rtw_request* request) {
    volatile unsigned char* bytes = (unsigned char*)link->outgoing;
    rtw_respond_text(api, request, 200, "text/plain", "scribbled");
    rtw_link_publish(link);
    for (unsigned i = 0; i < 200000; ++i) {
        uint32_t at =
            next_random() % 4 ? RTW_ARENA_OFFSET + next_random() % 4096 : next_random() % 16384;
        bytes[at] = (unsigned char)next_random();
    }
}

static void* ring_for_ever(void* doorbell) {
    uint64_t one = 1;
    while (write(*(int*)doorbell, &one, sizeof one) > 0) continue;
    return NULL;
}

static void be_ready_again(void) {
    rtw_control ready = {RTW_READY, RTW_ABI_VERSION, 0, 1, 0, 0};
    if (send(RTW_CONTROL_FD, &ready, sizeof ready, MSG_NOSIGNAL) < 0) exit(4);
}

static int stays; /* when told to end */

/* tidy: allow(function-length) a table of misdeeds */
static void misbehave(rtw_request* request, int act) {
    rtw_link* link = request->link;
    uint32_t exchange = request->exchange;
    rtw_desc desc = {RTW_END, 0, 0, exchange, 0, 0, 0, 0};
    switch (act) {
        case 0:
            break; /* END without HEAD */
        case 1:
            desc.kind = RTW_BODY;
            desc.length = 10;
            break;
        case 2:
            desc.kind = RTW_HEAD;
            desc.offset = UINT32_MAX - 8;
            desc.length = 64;
            break;
        case 3:
            desc.kind = RTW_HEAD;
            desc.offset = link->arena_bytes - 4;
            desc.length = 64;
            break;
        case 4:
            desc.kind = RTW_FREE;
            desc.offset = 0;
            desc.length = 80;
            break;
        case 5:
            desc.kind = RTW_FREE;
            desc.offset = UINT32_MAX - 1023;
            desc.length = 1;
            break;
        case 6:
            desc.exchange = exchange ^ 0x1000;
            break;
        case 7:
            desc.exchange = 0xfffffff;
            break;
        case 8:
            desc.kind = 200;
            break;
        case 9:
            garbage(link, exchange, 2000);
            rtw_request_release(request);
            return;
        case 10:
            rtw_store(&link->outgoing->tail, link->producer.tail + 100000);
            break;
        case 11:
            rtw_store(&link->outgoing->head, 0xdeadbeef);
            break;
        case 12:
            scribble(link, request);
            return;
        case 13: { /* a doorbell flood */
            uint64_t one = 1;
            for (unsigned i = 0; i < 100000; ++i)
                if (write(link->doorbell, &one, sizeof one) < 0) break;
            rtw_respond_text(api, request, 200, "text/plain", "rang");
            return;
        }
        case 14: /* far more than the window, from one slab */
            api->start(request, 200, NULL, 0, RTW_UNKNOWN_LENGTH);
            desc.kind = RTW_BODY;
            desc.length = 65536;
            for (unsigned i = 0; i < 64; ++i) say(link, desc);
            rtw_request_release(request);
            return;
        case 15: /* more bytes than the head announced */
            api->start(request, 200, NULL, 0, 3);
            desc.kind = RTW_BODY;
            desc.length = 4;
            break;
        case 16: /* the end comes twice */
            rtw_respond_text(api, request, 200, "text/plain", "twice");
            say(link, desc);
            return;
        case 17: /* forgets it, and looks so slow that nothing is handed over in advance */
            rtw_this.service_ns = UINT32_MAX / 2;
            rtw_store(&link->outgoing->service_ns, UINT32_MAX / 2);
            rtw_request_release(request);
            return;
        case 18: { /* a doorbell flood that does not end */
            static int doorbell;
            pthread_t thread;
            doorbell = dup(link->doorbell);
            if (pthread_create(&thread, NULL, ring_for_ever, &doorbell) == 0)
                rtw_respond_text(api, request, 200, "text/plain", "ringing");
            return;
        }
        case 19: /* where the process is a fork: in its origin's name */
            be_ready_again();
            rtw_respond_text(api, request, 200, "text/plain", "ready");
            return;
        case 20:
            stays = 1;
            rtw_respond_text(api, request, 200, "text/plain", "staying");
            return;
        default:
            exit(0);
    }
    say(link, desc);
    rtw_request_release(request);
}

static void on_request(void* self, rtw_request* request) {
    const rtw_request_head* head = api->head(request);
    rtw_text query = rtw_span_text(head, head->query);
    char digits[8] = {0};
    (void)self;
    if (!query.data) {
        rtw_respond_text(api, request, 200, "text/plain", "hello\n");
        return;
    }
    memcpy(digits, query.data, query.size < 7 ? query.size : 7);
    misbehave(request, atoi(digits));
}

static void on_terminate(void* self) {
    (void)self;
    if (!stays) return;
    be_ready_again();
    for (;;) pause();
}

int main(void) {
    rtw_app app = {sizeof app, 1, NULL, on_request, NULL, NULL, on_terminate};
    api = rtw_worker_api();
    state ^= (uint32_t)getpid() * 2654435761u;
    return rtw_worker_run(&app);
}
