/*
 * The worker app of the end-to-end tests, over the C SDK. Built as a module and as a program.
 * The path says what to do:
 *     /about       pid, path, query, base and host, one per line
 *     /fields      the request's fields as they came
 *     /echo        the request's body, in pieces as they come
 *     /b/N         N bytes of the tests' pattern
 *     /stream/N    N events, 20 ms apart, each handed over at once
 *     /sleep/MS    an answer after that long; /burn/MS: computing all the while
 *     /status/N    that status
 *     /environment what it inherited
 *     /cookies     two Set-Cookie fields
 *     /tunnel      101 to `echo/1`, then the bytes back; without the offer 426
 *     /crash       none: the process ends
 *     /count       how many bytes the body has
 *     /read?PATH   that file; 403 when it may not be read
 *     /eat/MB      takes that much memory: 500 when it gets none
 */
#include <ringtime/worker.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const rtw_api* api;

/* The number behind `prefix`, or -1 when the path does not begin with it. */
static long number_after(rtw_text path, const char* prefix) {
    size_t size = strlen(prefix);
    char digits[16];
    size_t count = path.size - size;
    if (path.size <= size || count >= sizeof digits || memcmp(path.data, prefix, size)) return -1;
    memcpy(digits, path.data + size, count);
    digits[count] = 0;
    return atol(digits);
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void pause_ms(long ms) {
    struct timespec time;
    time.tv_sec = ms / 1000;
    time.tv_nsec = ms % 1000 * 1000000;
    nanosleep(&time, NULL); /* tidy: allow(sleep) being slow is this app's work */
}

static void burn_ms(long ms) {
    double end = seconds() + (double)ms / 1000;
    while (seconds() < end) continue;
}

static void respond(rtw_request* request, unsigned status, const char* body, size_t size) {
    rtw_header type;
    type.name = rtw_text_of("content-type");
    type.value = rtw_text_of("text/plain");
    api->respond(request, status, &type, 1, body, size);
}

static void respond_about(rtw_request* request, const rtw_request_head* head) {
    char out[4096];
    rtw_text path = rtw_span_text(head, head->path), query = rtw_span_text(head, head->query);
    rtw_text base = rtw_span_text(head, head->base), host = rtw_span_text(head, head->host);
    int size = snprintf(out, sizeof out, "pid %d\npath %.*s\nquery %.*s\nbase %.*s\nhost %.*s\n",
                        (int)getpid(), (int)path.size, path.data, (int)query.size,
                        query.size ? query.data : "", (int)base.size, base.size ? base.data : "",
                        (int)host.size, host.size ? host.data : "");
    respond(request, 200, out, (size_t)size < sizeof out ? (size_t)size : sizeof out - 1);
}

static void respond_fields(rtw_request* request, const rtw_request_head* head) {
    static char out[65536];
    size_t used = 0;
    for (unsigned i = 0; i < head->field_count && used < sizeof out; ++i) {
        rtw_text name = rtw_field_name(head, rtw_fields(head) + i);
        rtw_text value = rtw_field_value(head, rtw_fields(head) + i);
        used += (size_t)snprintf(out + used, sizeof out - used, "%.*s: %.*s\n", (int)name.size,
                                 name.data, (int)value.size, value.data);
    }
    respond(request, 200, out, used < sizeof out ? used : sizeof out - 1);
}

static void echo(rtw_request* request, const rtw_request_head* head) {
    rtw_text piece;
    rtw_read read;
    (void)head;
    api->start(request, 200, NULL, 0, RTW_UNKNOWN_LENGTH);
    while ((read = api->read_wait(request, &piece)) == RTW_READ_DATA)
        if (api->write(request, piece.data, piece.size)) break;
    if (read == RTW_READ_END)
        api->finish(request);
    else
        api->fail(request);
}

static void tunnel(rtw_request* request, const rtw_request_head* head) {
    rtw_header protocol;
    rtw_text piece;
    rtw_read read;
    if (!(head->flags & RTW_REQUEST_UPGRADE)) {
        respond(request, 426, "upgrade\n", 8);
        return;
    }
    protocol.name = rtw_text_of("upgrade");
    protocol.value = rtw_text_of("echo/1");
    api->start(request, 101, &protocol, 1, RTW_UNKNOWN_LENGTH);
    api->flush(request);
    while ((read = api->read_wait(request, &piece)) == RTW_READ_DATA) {
        if (api->write(request, piece.data, piece.size)) break;
        api->flush(request);
    }
    if (read == RTW_READ_END)
        api->finish(request);
    else
        api->fail(request);
}

static void send_pattern(rtw_request* request, long size) {
    static char block[65536];
    for (unsigned i = 0; !block[sizeof block - 1] && i < sizeof block / 8; ++i) {
        char line[16];
        snprintf(line, sizeof line, "%07u\n", i * 8);
        memcpy(block + i * 8, line, 8);
    }
    api->start(request, 200, NULL, 0, (uint64_t)size);
    for (long left = size; left > 0;) {
        size_t count = left < (long)sizeof block ? (size_t)left : sizeof block;
        if (api->write(request, block, count)) break;
        left -= (long)count;
    }
    api->finish(request);
}

static void count(rtw_request* request, const rtw_request_head* head) {
    char out[32];
    unsigned long long total = 0;
    rtw_text piece;
    (void)head;
    while (api->read_wait(request, &piece) == RTW_READ_DATA) total += piece.size;
    respond(request, 200, out, (size_t)snprintf(out, sizeof out, "%llu", total));
}

static void read_file(rtw_request* request, const rtw_request_head* head) {
    char path[1024] = {0}, out[1024];
    rtw_text query = rtw_span_text(head, head->query);
    memcpy(path, query.data, query.size < sizeof path ? query.size : sizeof path - 1);
    FILE* file = fopen(path, "rb");
    if (!file) {
        respond(request, 403, "", 0);
        return;
    }
    size_t size = fread(out, 1, sizeof out, file);
    fclose(file);
    respond(request, 200, out, size);
}

static void eat(rtw_request* request, long megabytes) {
    size_t size = (size_t)megabytes << 20;
    char* memory = malloc(size);
    if (memory) memset(memory, 1, size);
    respond(request, memory && memory[size - 1] ? 200 : 500, "", 0);
    free(memory);
}

static void stream(rtw_request* request, long events) {
    api->start(request, 200, NULL, 0, RTW_UNKNOWN_LENGTH);
    for (long i = 0; i < events; ++i) {
        char event[32];
        int size = snprintf(event, sizeof event, "data: %ld\n\n", i);
        if (api->write(request, event, (size_t)size)) break;
        api->flush(request);
        pause_ms(20);
    }
    api->finish(request);
}

static void respond_cookies(rtw_request* request, const rtw_request_head* head) {
    rtw_header cookies[2];
    (void)head;
    cookies[0].name = cookies[1].name = rtw_text_of("set-cookie");
    cookies[0].value = rtw_text_of("a=1");
    cookies[1].value = rtw_text_of("b=2; Path=/");
    api->respond(request, 200, cookies, 2, "", 0);
}

static void respond_environment(rtw_request* request, const rtw_request_head* head) {
    static char out[65536];
    size_t used = 0;
    (void)head;
    for (char** entry = environ; *entry && used < sizeof out; ++entry)
        used += (size_t)snprintf(out + used, sizeof out - used, "%s\n", *entry);
    respond(request, 200, out, used < sizeof out ? used : sizeof out - 1);
}

static void crash(rtw_request* request, const rtw_request_head* head) {
    (void)request;
    (void)head;
    abort();
}

static void respond_after(rtw_request* request, long ms) {
    pause_ms(ms);
    respond(request, 200, "done\n", 5);
}

static void respond_burnt(rtw_request* request, long ms) {
    burn_ms(ms);
    respond(request, 200, "done\n", 5);
}

static void respond_status(rtw_request* request, long status) {
    respond(request, (unsigned)status, "as asked\n", 9);
}

static void on_request(void* self, rtw_request* request) {
    static const struct {
        const char* path;
        void (*answer)(rtw_request*, const rtw_request_head*);
    } plain[] = {{"/about", respond_about}, {"/fields", respond_fields}, {"/echo", echo},
                 {"/cookies", respond_cookies}, {"/environment", respond_environment},
                 {"/crash", crash}, {"/count", count}, {"/read", read_file},
                 {"/tunnel", tunnel}};
    static const struct {
        const char* prefix;
        void (*answer)(rtw_request*, long);
    } numbered[] = {{"/b/", send_pattern}, {"/stream/", stream}, {"/sleep/", respond_after},
                    {"/burn/", respond_burnt}, {"/status/", respond_status}, {"/eat/", eat}};
    const rtw_request_head* head = api->head(request);
    rtw_text path = rtw_span_text(head, head->path);
    (void)self;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; ++i)
        if (rtw_same_name(path, rtw_text_of(plain[i].path))) {
            plain[i].answer(request, head);
            return;
        }
    for (size_t i = 0; i < sizeof numbered / sizeof *numbered; ++i) {
        long number = number_after(path, numbered[i].prefix);
        if (number >= 0) {
            numbered[i].answer(request, number);
            return;
        }
    }
    respond(request, 404, "nothing here\n", 13);
}

static const rtw_app app = {sizeof app, 0, NULL, on_request, NULL, NULL, NULL};

#ifdef PROGRAM
int main(void) {
    api = rtw_worker_api();
    return rtw_worker_run(&app);
}
#else
__attribute__((visibility("default"))) const rtw_app* rtw_module_entry(const rtw_api* given);
const rtw_app* rtw_module_entry(const rtw_api* given) {
    api = given;
    return &app;
}
#endif
