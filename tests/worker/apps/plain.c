/* The worker program of the tests, in C: each path is a behaviour, wanted or not. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ringtime/worker.h"

extern char** environ;

static const rtw_api* api;
static char scratch[65536];
static int idle_calls;
static int calls;

static int is(rtw_text text, const char* other) {
    return text.size == strlen(other) && memcmp(text.data, other, text.size) == 0;
}

static void pause_ms(long ms) {
    struct timespec time = {ms / 1000, (ms % 1000) * 1000000};
    /* tidy: allow(sleep) slowness is what this app is for */
    nanosleep(&time, NULL);
}

static long number(rtw_text query) {
    char digits[32] = {0};
    memcpy(digits, query.data, query.size < 31 ? query.size : 31);
    return atol(digits);
}

/* Everything the head shows, one line each. */
static void show(rtw_request* request, const rtw_request_head* head) {
    size_t used = 0;
    const rtw_span spans[] = {head->method_text, head->path, head->query,     head->host,
                              head->base,        head->peer, head->request_id};
    for (size_t i = 0; i < sizeof spans / sizeof *spans; ++i) {
        rtw_text text = rtw_span_text(head, spans[i]);
        used += (size_t)snprintf(scratch + used, sizeof scratch - used, "%.*s\n", (int)text.size,
                                 text.data ? text.data : "");
    }
    for (unsigned i = 0; i < head->field_count; ++i) {
        rtw_text name = rtw_field_name(head, &rtw_fields(head)[i]);
        rtw_text value = rtw_field_value(head, &rtw_fields(head)[i]);
        used += (size_t)snprintf(scratch + used, sizeof scratch - used, "%.*s: %.*s\n",
                                 (int)name.size, name.data, (int)value.size, value.data);
    }
    rtw_respond_text(api, request, 200, "text/plain", scratch);
}

static void show_environment(rtw_request* request) {
    size_t used = 0;
    scratch[0] = 0;
    for (char** each = environ; *each; ++each)
        used += (size_t)snprintf(scratch + used, sizeof scratch - used, "%s\n", *each);
    rtw_respond_text(api, request, 200, "text/plain", scratch);
}

/* What the sandbox must refuse; answers the names of what it did not. */
static void escape(rtw_request* request) {
    scratch[0] = 0;
    if (open("/etc/passwd", O_RDONLY) >= 0) strcat(scratch, "passwd ");
    if (open("/proc/1/environ", O_RDONLY) >= 0) strcat(scratch, "proc ");
    if (open("./written", O_WRONLY | O_CREAT, 0600) >= 0) strcat(scratch, "write ");
    if (syscall(SYS_io_uring_setup, 4, scratch + 32768) >= 0) strcat(scratch, "io_uring ");
    if (syscall(SYS_ptrace, 0, 0, 0, 0) >= 0) strcat(scratch, "ptrace ");
    if (syscall(SYS_unshare, 0x10000000) >= 0) strcat(scratch, "unshare ");
    if (setsid() >= 0) strcat(scratch, "setsid ");
    if (kill(getppid(), 0) == 0) strcat(scratch, "kill ");
    rtw_respond_text(api, request, 200, "text/plain", scratch[0] ? scratch : "none");
}

static void echo(rtw_request* request, const rtw_request_head* head) {
    rtw_text piece;
    rtw_read result;
    api->start(request, 200, NULL, 0, head->body_length);
    while ((result = api->read_wait(request, &piece)) == RTW_READ_DATA)
        if (api->write(request, piece.data, piece.size) != 0) break;
    if (result == RTW_READ_END) {
        api->finish(request);
    } else {
        api->fail(request);
    }
}

/* Speaks first, then says back what it hears until the client has finished. */
static void tunnel(rtw_request* request) {
    rtw_header field = {{"upgrade", 7}, {"parrot", 6}};
    rtw_text piece;
    rtw_read result;
    if (!(api->head(request)->flags & RTW_REQUEST_UPGRADE)) {
        rtw_respond_text(api, request, 426, "text/plain", "upgrade me");
        return;
    }
    api->start(request, 101, &field, 1, RTW_UNKNOWN_LENGTH);
    api->write(request, "hi ", 3);
    while ((result = api->read_wait(request, &piece)) == RTW_READ_DATA)
        if (api->write(request, piece.data, piece.size) != 0) break;
    if (result == RTW_READ_END) {
        api->write(request, " bye", 4);
        api->finish(request);
    } else {
        api->fail(request);
    }
}

static void count_body(rtw_request* request) {
    rtw_text piece;
    unsigned long total = 0;
    while (api->read_wait(request, &piece) == RTW_READ_DATA) total += piece.size;
    snprintf(scratch, sizeof scratch, "%lu", total);
    rtw_respond_text(api, request, 200, "text/plain", scratch);
}

static void generate(rtw_request* request, long bytes) {
    memset(scratch, 'x', sizeof scratch);
    api->start(request, 200, NULL, 0, RTW_UNKNOWN_LENGTH);
    while (bytes > 0) {
        size_t part = bytes < (long)sizeof scratch ? (size_t)bytes : sizeof scratch;
        if (api->write(request, scratch, part) != 0) break;
        bytes -= (long)part;
    }
    api->finish(request);
}

static void pieces(rtw_request* request, long count) {
    memset(scratch, 'p', 700);
    api->start(request, 200, NULL, 0, RTW_UNKNOWN_LENGTH);
    while (count-- > 0 && api->write(request, scratch, 700) == 0) continue;
    api->finish(request);
}

static void events(rtw_request* request, long count) {
    api->start(request, 200, NULL, 0, RTW_UNKNOWN_LENGTH);
    for (long i = 0; i < count; ++i) {
        int size = snprintf(scratch, sizeof scratch, "data: %ld\n\n", i);
        if (api->write(request, scratch, (size_t)size) != 0) break;
        api->flush(request);
        pause_ms(20);
    }
    api->finish(request);
}

static void on_request(void* self, rtw_request* request) {
    const rtw_request_head* head = api->head(request);
    rtw_text path = rtw_span_text(head, head->path);
    rtw_text query = rtw_span_text(head, head->query);
    (void)self;
    ++calls;
    if (is(path, "/hello")) {
        rtw_respond_text(api, request, 200, "text/plain", "hello\n");
    } else if (is(path, "/show")) {
        show(request, head);
    } else if (is(path, "/environment")) {
        show_environment(request);
    } else if (is(path, "/escape")) {
        escape(request);
    } else if (is(path, "/pid")) {
        snprintf(scratch, sizeof scratch, "%ld", (long)getpid());
        rtw_respond_text(api, request, 200, "text/plain", scratch);
    } else if (is(path, "/calls")) {
        snprintf(scratch, sizeof scratch, "%d", calls);
        rtw_respond_text(api, request, 200, "text/plain", scratch);
    } else if (is(path, "/idle-calls")) {
        snprintf(scratch, sizeof scratch, "%d", idle_calls);
        rtw_respond_text(api, request, 200, "text/plain", scratch);
    } else if (is(path, "/echo")) {
        echo(request, head);
    } else if (is(path, "/tunnel")) {
        tunnel(request);
    } else if (is(path, "/count")) {
        count_body(request);
    } else if (is(path, "/generate")) {
        generate(request, number(query));
    } else if (is(path, "/pieces")) {
        pieces(request, number(query));
    } else if (is(path, "/events")) {
        events(request, number(query));
    } else if (is(path, "/sleep")) {
        pause_ms(number(query));
        rtw_respond_text(api, request, 200, "text/plain", "slept");
    } else if (is(path, "/crash")) {
        fprintf(stderr, "about to crash\n");
        raise(SIGSEGV);
    } else if (is(path, "/half")) {
        api->start(request, 200, NULL, 0, 100);
        api->write(request, "half", 4);
        api->flush(request);
        pause_ms(50);
        _exit(3);
    } else if (is(path, "/fail")) {
        api->fail(request);
    } else if (is(path, "/bad-head")) {
        rtw_header field = {{"a b", 3}, {"x", 1}};
        api->respond(request, 200, &field, 1, "x", 1);
    } else {
        rtw_respond_text(api, request, 404, "text/plain", "no such behaviour");
    }
}

static void on_idle(void* self) {
    (void)self;
    ++idle_calls;
}

static void on_terminate(void* self) {
    (void)self;
    printf("goodbye\n");
    fflush(stdout);
}

int main(void) {
    rtw_app app = {sizeof app, 1, NULL, on_request, NULL, on_idle, on_terminate};
    api = rtw_worker_api();
    if (getenv("FAIL_TO_START")) {
        fprintf(stderr, "cannot find my shoes\n");
        return 7;
    }
    const char* slow = getenv("SLOW_TO_START");
    if (slow) pause_ms(atol(slow));
    return rtw_worker_run(&app);
}
