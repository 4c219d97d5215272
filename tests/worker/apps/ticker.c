/* A worker with a loop of its own: every PERIOD_MS one event for each open stream, without waiting
 * for slow readers. What finds no room is skipped, as a ticker may. */
#include <poll.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "ringtime/worker.h"

#define STREAMS_MAX 1200
#ifndef PERIOD_MS
#define PERIOD_MS 5
#endif

static const rtw_api* api;
static rtw_request* streams[STREAMS_MAX];
static unsigned count;

static void on_request(void* self, rtw_request* request) {
    rtw_header field = {{"content-type", 12}, {"text/event-stream", 17}};
    (void)self;
    if (count == STREAMS_MAX || api->start(request, 200, &field, 1, RTW_UNKNOWN_LENGTH) != 0) {
        api->fail(request);
        return;
    }
    streams[count++] = request;
}

static void on_progress(void* self, rtw_request* request) {
    (void)self;
    if (!api->aborted(request)) return;
    for (unsigned i = 0; i < count; ++i)
        if (streams[i] == request) streams[i] = streams[--count];
    api->fail(request);
}

static void tick(unsigned number) {
    char event[512];
    memset(event, '.', sizeof event);
    event[0] = (char)('0' + number % 10);
    event[sizeof event - 1] = '\n';
    for (unsigned i = 0; i < count; ++i) {
        size_t done = api->write_some(streams[i], event, sizeof event);
        /* Half an event would garble the stream; the rest goes as soon as there is room again. */
        while (done && done < sizeof event) {
            size_t more = api->write_some(streams[i], event + done, sizeof event - done);
            if (!more) break;
            done += more;
        }
    }
}

int main(void) {
    rtw_app app = {sizeof app, STREAMS_MAX, NULL, on_request, on_progress, NULL, NULL};
    struct itimerspec every = {{0, PERIOD_MS * 1000000}, {0, PERIOD_MS * 1000000}};
    struct pollfd sources[2];
    unsigned ticks = 0;
    api = rtw_worker_api();
    if (api->open(&app) != 0) return 2;
    sources[0].fd = api->fd();
    sources[1].fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    sources[0].events = sources[1].events = POLLIN;
    timerfd_settime(sources[1].fd, 0, &every, NULL);
    for (;;) {
        uint64_t expired;
        if (!api->process()) return 0;
        poll(sources, 2, -1);
        if (read(sources[1].fd, &expired, sizeof expired) == sizeof expired) tick(ticks++);
    }
}
