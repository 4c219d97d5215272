/* The loop of a worker process: take what came, begin what may begin, answer in batches, sleep. */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

rtw_worker rtw_this;

#if defined(__SANITIZE_ADDRESS__)
/* The search for leaks stops the process with ptrace, which the sandbox refuses: what ended well
 * would report an error. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) { return 1; }
#endif

/* Answers reach the gateway at the end of a batch, but none waits longer than this for those behind
 * it: one doorbell for many answers is worth a few tens of microseconds, not more. */
#define BATCH_NS 50000u

static uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* ---- Queues ---- */

void rtw_queue_push(rtw_queue* queue, rtw_request* request) {
    request->next = NULL;
    if (queue->last) {
        queue->last->next = request;
    } else {
        queue->first = request;
    }
    queue->last = request;
}

static rtw_request* queue_pop(rtw_queue* queue) {
    rtw_request* request = queue->first;
    queue->first = request->next;
    if (!queue->first) queue->last = NULL;
    return request;
}

static void queue_remove(rtw_queue* queue, rtw_request* request) {
    rtw_request* previous = NULL;
    for (rtw_request* at = queue->first; at; previous = at, at = at->next) {
        if (at != request) continue;
        if (previous) {
            previous->next = at->next;
        } else {
            queue->first = at->next;
        }
        if (queue->last == at) queue->last = previous;
        return;
    }
}

static void starved_remove(rtw_request* request) {
    rtw_request** place = &rtw_this.starved;
    while (*place != request) place = &(*place)->next_starved;
    *place = request->next_starved;
    request->starved = 0;
}

/* Memory has come back, to whomever it belonged: all who found none may try again. */
static void feed_starved(void) {
    while (rtw_this.starved) {
        rtw_request* request = rtw_this.starved;
        starved_remove(request);
        rtw_request_progress(request);
    }
}

/* ---- Requests ---- */

void rtw_request_release(rtw_request* request) {
    if (request->progress) queue_remove(&rtw_this.progress, request);
    if (request->starved) starved_remove(request);
    request->link->requests[request->exchange % RTW_SLOTS_MAX] = NULL;
    request->next = rtw_this.unused;
    rtw_this.unused = request;
    --rtw_this.open;
}

/* Something an open request may be waiting for has happened. */
void rtw_request_progress(rtw_request* request) {
    if (!request->begun || request->rest || request->progress || !rtw_this.app->on_progress) return;
    request->progress = 1;
    rtw_queue_push(&rtw_this.progress, request);
}

static void begin_request(rtw_request* request) {
    rtw_region* outgoing = request->link->outgoing;
    const rtw_region* incoming = request->link->incoming;
    uint32_t number = outgoing->begun + 1;
    rtw_store(&outgoing->begun, number);
    rtw_full_fence();
    request->begun = 1;
    rtw_this.served = 1;
    ++rtw_this.open;
    ++rtw_this.batch_requests;
    if (rtw_load(&incoming->recalling) &&
        (int32_t)(number - rtw_peek(&incoming->recall_from)) >= 0) {
        rtw_link_post(request->link, RTW_ABORT, RTW_UNTOUCHED, request->exchange, 0, 0);
        rtw_request_release(request);
        return;
    }
    if (request->aborted) {
        rtw_answer_fail(request);
        return;
    }
    rtw_this.app->on_request(rtw_this.app->self, request);
}

/* ---- Batches ---- */

static void publish_all(void) {
    for (uint32_t i = 0; i < rtw_this.link_count; ++i)
        if (rtw_this.links[i].attached) rtw_link_publish(&rtw_this.links[i]);
}

static unsigned drain_all(void) {
    unsigned taken = 0;
    for (uint32_t i = 0; i < rtw_this.link_count; ++i)
        if (rtw_this.links[i].attached) taken += rtw_link_drain(&rtw_this.links[i]);
    if (taken && rtw_this.starved) feed_starved();
    if (taken && rtw_this.writing) rtw_answer_continue();
    return taken;
}

/* The mean time a request takes tells the gateway how many it may hand over in advance. */
static void note_service(uint64_t now) {
    if (!rtw_this.batch_requests) return;
    uint64_t mean = (now - rtw_this.batch_began) / rtw_this.batch_requests;
    if (mean > UINT32_MAX) mean = UINT32_MAX;
    uint32_t old = rtw_this.service_ns;
    rtw_this.service_ns =
        old == 0 || mean > old ? (uint32_t)mean + 1 : old - (old - (uint32_t)mean) / 8;
    rtw_this.batch_requests = 0;
    rtw_this.batch_began = now;
    for (uint32_t i = 0; i < rtw_this.link_count; ++i)
        if (rtw_this.links[i].attached)
            rtw_store(&rtw_this.links[i].outgoing->service_ns, rtw_this.service_ns);
}

static void end_batch_when_long(void) {
    uint64_t now = now_ns();
    if (now - rtw_this.batch_began < BATCH_NS) return;
    note_service(now);
    publish_all();
}

static unsigned run_requests(void) {
    unsigned work = 0;
    while (rtw_this.progress.first) {
        rtw_request* request = queue_pop(&rtw_this.progress);
        request->progress = 0;
        rtw_this.app->on_progress(rtw_this.app->self, request);
        ++work;
    }
    rtw_this.batch_began = now_ns();
    while (rtw_this.waiting.first && rtw_this.open < rtw_this.concurrency) {
        begin_request(queue_pop(&rtw_this.waiting));
        ++work;
        end_batch_when_long();
        drain_all(); /* an abort may have come for what is still waiting */
    }
    note_service(now_ns());
    return work;
}

/* ---- Sleeping ---- */

static void count_loop(void) {
    for (uint32_t i = 0; i < rtw_this.link_count; ++i) {
        rtw_link* link = &rtw_this.links[i];
        if (link->attached) rtw_store(&link->outgoing->loops, link->outgoing->loops + 1);
    }
}

static void set_wants_wake(uint32_t value) {
    for (uint32_t i = 0; i < rtw_this.link_count; ++i)
        if (rtw_this.links[i].attached) rtw_store(&rtw_this.links[i].outgoing->wants_wake, value);
}

static int anything_to_do(void) {
    if (!rtw_this.blocked && (rtw_this.progress.first || rtw_posted() ||
                              (rtw_this.waiting.first && rtw_this.open < rtw_this.concurrency)))
        return 1;
    for (uint32_t i = 0; i < rtw_this.link_count; ++i)
        if (rtw_this.links[i].attached && rtw_available(&rtw_this.links[i].consumer)) return 1;
    return 0;
}

/* Looks for work for a while instead of sleeping, if that has paid lately; tries again now and
 * then. */
static void spin(void) {
    uint64_t end;
    if (rtw_this.spin_ns == 0) return;
    if (rtw_this.spin_score < 4 && rtw_this.batch_began % 64 != 0) return;
    end = now_ns() + rtw_this.spin_ns;
    do {
        for (unsigned i = 0; i < 64; ++i) {
            if (!anything_to_do()) continue;
            if (rtw_this.spin_score < 16) ++rtw_this.spin_score;
            return;
        }
    } while (now_ns() < end);
    if (rtw_this.spin_score > 0) --rtw_this.spin_score;
}

/* Before it sleeps in epoll_wait: nobody in this process may begin to wait for memory before it
 * wakes, as a loop of the application's own might. */
static uint32_t wake_for(int timeout_ms) {
    int waiting = rtw_this.blocked || rtw_this.starved || rtw_this.writing;
    return timeout_ms == 0 || waiting ? RTW_WAKE_FOR_ALL : RTW_WAKE_FOR_WORK;
}

/* Waits for a doorbell or the gateway's word; `timeout_ms` 0 only looks. */
static void wait_for_events(int timeout_ms) {
    struct epoll_event events[3];
    if (timeout_ms != 0) spin();
    set_wants_wake(wake_for(timeout_ms));
    rtw_full_fence();
    int count = epoll_wait(rtw_this.epoll_fd, events, 3, anything_to_do() ? 0 : timeout_ms);
    set_wants_wake(RTW_WAKE_NEVER);
    for (int i = 0; i < count; ++i)
        if (events[i].data.fd == RTW_CONTROL_FD) rtw_take_control();
    count_loop();
}

/* Inside a handler: lets time pass until something came, without beginning other requests. */
void rtw_wait_inside(void) {
    publish_all();
    if (drain_all() != 0) return;
    rtw_this.blocked = 1;
    wait_for_events(-1);
    rtw_this.blocked = 0;
    drain_all();
}

/* ---- Control ---- */

static unsigned take_fds(struct msghdr* message, int* fds) {
    struct cmsghdr* part = CMSG_FIRSTHDR(message);
    if (!part || part->cmsg_type != SCM_RIGHTS) return 0;
    unsigned count = (unsigned)((part->cmsg_len - CMSG_LEN(0)) / sizeof *fds);
    memcpy(fds, CMSG_DATA(part), count * sizeof *fds);
    return count;
}

static void take_attach(const rtw_control* control, const int* fds, unsigned count) {
    if (count != 3) return;
    if (control->core >= RTW_CORES_MAX ||
        rtw_link_attach(control->core, (size_t)control->region_bytes, fds) != 0) {
        fprintf(stderr, "the gateway's memory cannot be mapped: %s\n", strerror(errno));
        rtw_this.ending = 3;
    }
    rtw_this.spin_ns = control->spin_ns;
    if (rtw_this.app->concurrency == 0 && control->concurrency != 0)
        rtw_this.concurrency = control->concurrency;
}

static void take_message(const rtw_control* control, const int* fds, unsigned count) {
    switch (control->kind) {
        case RTW_ATTACH:
            take_attach(control, fds, count);
            break;
        case RTW_DETACH:
            if (control->core < RTW_CORES_MAX) rtw_link_detach(&rtw_this.links[control->core]);
            break;
        case RTW_TERMINATE:
            rtw_this.ending = 1;
            break;
        case RTW_IDLE:
            if (rtw_this.app->on_idle) rtw_this.app->on_idle(rtw_this.app->self);
            drain_all(); /* what has come back nobody was woken for */
            for (uint32_t i = 0; i < rtw_this.link_count; ++i) rtw_link_trim(&rtw_this.links[i]);
            break;
        case RTW_FORK:
            if (rtw_this.can_fork) rtw_template_take(control, fds, count);
            break;
    }
}

void rtw_take_control(void) {
    /* What comes is the template's; for us the socket only tells that the gateway is gone. */
    if (rtw_this.one_shot) {
        rtw_this.ending = 1;
        return;
    }
    for (;;) {
        rtw_control control;
        int fds[RTW_PASSED_FDS_MAX];
        union {
            struct cmsghdr align;
            char bytes[CMSG_SPACE(RTW_PASSED_FDS_MAX * sizeof(int))];
        } space;
        struct iovec part = {&control, sizeof control};
        struct msghdr message;
        memset(&message, 0, sizeof message);
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = &space;
        message.msg_controllen = sizeof space;
        ssize_t size = recvmsg(RTW_CONTROL_FD, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return;
        if (size == 0) rtw_this.ending = 1; /* the gateway is gone */
        if (size != (ssize_t)sizeof control) return;
        take_message(&control, fds, take_fds(&message, fds));
        if (rtw_template_wants()) return; /* once that is done it goes on here */
    }
}

int rtw_watch(int fd, uint32_t events) {
    /* Edge-triggered: a doorbell need not be read, which saves a system call per wake-up. */
    struct epoll_event event = {.events = events | EPOLLET, .data = {.fd = fd}};
    return epoll_ctl(rtw_this.epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* ---- The table ---- */

static const rtw_request_head* api_head(const rtw_request* request) { return request->head; }

static rtw_read api_read_wait(rtw_request* request, rtw_text* out) {
    rtw_read result;
    while ((result = rtw_body_read(request, out)) == RTW_READ_PENDING) rtw_wait_inside();
    return result;
}

static int api_write(rtw_request* request, const void* data, size_t size) {
    const char* from = data;
    while (!request->aborted) {
        size_t done = rtw_answer_write_some(request, from, size);
        from += done;
        size -= done;
        if (size == 0) return 0;
        rtw_wait_inside();
    }
    return -1;
}

/* Who streams for long hears here that nobody reads any more. */
static void api_flush(rtw_request* request) {
    rtw_link_publish(request->link);
    drain_all();
}
static int api_aborted(const rtw_request* request) { return request->aborted; }
static void api_set_context(rtw_request* request, void* context) { request->context = context; }
static void* api_context(const rtw_request* request) { return request->context; }
static int api_fd(void) { return rtw_this.epoll_fd; }

static int api_open(const rtw_app* app) {
    uint32_t abilities = rtw_this.can_fork ? RTW_CAN_FORK : 0;
    rtw_control ready = {RTW_READY, RTW_ABI_VERSION, abilities, app->concurrency, 0, 0};
    rtw_this.links = calloc(RTW_CORES_MAX, sizeof *rtw_this.links);
    if (!rtw_this.links) return -1;
    rtw_this.app = app;
    rtw_this.concurrency = app->concurrency ? app->concurrency : 1;
    rtw_this.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (rtw_this.epoll_fd < 0 || rtw_watch(RTW_DOORBELL_FD, EPOLLIN) != 0 ||
        rtw_watch(RTW_CONTROL_FD, EPOLLIN) != 0 ||
        send(RTW_CONTROL_FD, &ready, sizeof ready, MSG_NOSIGNAL) != (ssize_t)sizeof ready) {
        fprintf(stderr,
                "This program is a worker of the Ringtime gateway and is started by it: name it"
                " as `entrypoint` in a manifest.yaml.\n");
        return -1;
    }
    return 0;
}

static int finish_when_told(void) {
    if (!rtw_this.ending) return 1;
    if (rtw_this.app->on_terminate) rtw_this.app->on_terminate(rtw_this.app->self);
    return 0;
}

static int turn(int timeout_ms) {
    drain_all();
    rtw_run_posted();
    run_requests();
    publish_all();
    /* What it has said stays in shared memory when it ends. */
    if (rtw_this.one_shot && rtw_this.served && !rtw_this.open) rtw_this.ending = 1;
    if (!rtw_this.ending) wait_for_events(timeout_ms);
    return finish_when_told();
}

static int api_process(void) {
    /* The descriptor is readable again only after the last look found nothing. */
    do {
        if (!turn(0)) return 0;
        set_wants_wake(RTW_WAKE_FOR_ALL);
        rtw_full_fence();
    } while (anything_to_do());
    return 1;
}

static int api_run(const rtw_app* app) {
    rtw_this.can_fork = 1;
    if (api_open(app) != 0) return 2;
    while (turn(-1)) rtw_template_work();
    return rtw_this.ending - 1;
}

static const rtw_api api_table = {
    sizeof(rtw_api),   RTW_ABI_VERSION,
    api_head,          rtw_body_read,
    api_read_wait,     rtw_answer_respond,
    rtw_answer_start,  rtw_answer_write_some,
    api_write,         api_flush,
    rtw_answer_finish, rtw_answer_fail,
    api_aborted,       api_set_context,
    api_context,       api_run,
    api_open,          api_fd,
    api_process,       rtw_post,
};

const rtw_api* rtw_worker_api(void) { return &api_table; }
