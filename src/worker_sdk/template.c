/* The template of an ephemeral application: a process in which everything is loaded and warm, and
 * which forks another for every request. A fork costs a tenth of a start, and the regions of a seat
 * are mapped here once, so that the new process is ready as soon as it runs.
 *
 * A new process inherits the memory of its own seat only: not what others of its kind are saying.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"

typedef struct rtw_seat {
    rtw_link* links; /* link_count of them */
    uint32_t link_count;
    int doorbell;
    int used;
    int wanted; /* a process is to be forked */
    pid_t pid;  /* 0: none */
} rtw_seat;

static rtw_seat seats[RTW_SEATS_MAX];
static uint32_t seat_count; /* one more than the highest */
static uint32_t wanted_count;
static int children_fd = -1; /* says that some child has ended */
static sigset_t mask_before;

static void say(uint32_t kind, uint32_t seat, uint64_t value) {
    rtw_control message = {kind, seat, 0, 0, value, 0};
    while (send(RTW_CONTROL_FD, &message, sizeof message, MSG_NOSIGNAL) < 0 && errno == EINTR) {
    }
}

/* ---- Seats ---- */

static void become_template(void) {
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, &mask_before);
    children_fd = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    rtw_watch(children_fd, EPOLLIN);
}

static void inherit(const rtw_link* link, int advice) {
    madvise((void*)(uintptr_t)link->incoming, link->region_bytes, advice);
    madvise(link->outgoing, link->region_bytes, advice);
}

/* As many links as cores: what a large array takes by itself is a mapping more for every fork to
 * copy. */
static rtw_link* link_of(rtw_seat* seat, uint32_t core) {
    if (seat->link_count <= core) {
        rtw_link* links = realloc(seat->links, (core + 1) * sizeof *links);
        if (!links) return NULL;
        memset(links + seat->link_count, 0, (core + 1 - seat->link_count) * sizeof *links);
        seat->links = links;
        seat->link_count = core + 1;
    }
    return &seat->links[core];
}

static void take_seat(const rtw_control* control, const int* fds, unsigned count) {
    rtw_seat* seat = &seats[control->abi];
    if (count != 4 || control->core >= RTW_CORES_MAX) return;
    if (children_fd < 0) become_template();
    if (!seat->used) {
        seat->used = 1;
        seat->doorbell = fds[3];
        if (seat_count <= control->abi) seat_count = control->abi + 1;
    } else {
        close(fds[3]);
    }
    rtw_link* link = link_of(seat, control->core);
    if (!link || rtw_link_open(link, control->core, (size_t)control->region_bytes, fds) != 0) {
        fprintf(stderr, "the gateway's memory cannot be mapped: %s\n", strerror(errno));
        exit(2);
    }
    inherit(link, MADV_DONTFORK);
}

void rtw_template_take(const rtw_control* control, const int* fds, unsigned count) {
    if (control->abi >= RTW_SEATS_MAX) return;
    if (control->kind == RTW_SEAT) take_seat(control, fds, count);
    if (control->kind != RTW_FORK || seats[control->abi].wanted) return;
    seats[control->abi].wanted = 1;
    ++wanted_count;
}

/* ---- Processes ---- */

/* What the seat's last process has said is read, and its end was reported: all begins anew. */
static void begin_anew(rtw_region* outgoing) {
    rtw_store(&outgoing->tail, 0);
    rtw_store(&outgoing->head, 0);
    rtw_store(&outgoing->wants_wake, 0);
    rtw_store(&outgoing->begun, 0);
    rtw_store(&outgoing->loops, 0);
    rtw_store(&outgoing->service_ns, 0);
}

static void become_process(uint32_t number) {
    rtw_seat* seat = &seats[number];
    sigprocmask(SIG_SETMASK, &mask_before, NULL);
    close(children_fd);
    close(rtw_this.epoll_fd); /* It is one with the template's: a new one is needed. */
    rtw_this.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    rtw_this.one_shot = 1;
    rtw_this.can_fork = 0;
    rtw_this.concurrency = 1;
    rtw_this.links = seat->links;
    rtw_this.link_count = seat->link_count;
    for (uint32_t i = 0; i < seat->link_count; ++i) {
        if (!seat->links[i].attached) continue;
        begin_anew(seat->links[i].outgoing);
        if (rtw_link_make_tables(&seat->links[i]) != 0) _exit(2);
    }
    if (rtw_this.epoll_fd < 0 || dup2(seat->doorbell, RTW_DOORBELL_FD) < 0 ||
        rtw_watch(RTW_DOORBELL_FD, EPOLLIN) != 0 || rtw_watch(RTW_CONTROL_FD, 0) != 0)
        _exit(2);
    say(RTW_FORKED, number, 0);
}

/* 1 in the new process. */
static int fork_process(uint32_t number) {
    rtw_seat* seat = &seats[number];
    for (uint32_t i = 0; i < seat->link_count; ++i)
        if (seat->links[i].attached) inherit(&seat->links[i], MADV_DOFORK);
    pid_t pid = fork();
    if (pid == 0) {
        become_process(number);
        return 1;
    }
    for (uint32_t i = 0; i < seat->link_count; ++i)
        if (seat->links[i].attached) inherit(&seat->links[i], MADV_DONTFORK);
    if (pid < 0) {
        fprintf(stderr, "cannot fork: %s\n", strerror(errno));
        say(RTW_ENDED, number, SIGKILL);
        return 0;
    }
    seat->pid = pid;
    return 0;
}

static void report_ended(void) {
    struct signalfd_siginfo info;
    int status;
    pid_t pid;
    if (read(children_fd, &info, sizeof info) != (ssize_t)sizeof info) return;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (uint32_t i = 0; i < seat_count; ++i) {
            if (seats[i].pid != pid) continue;
            seats[i].pid = 0;
            say(RTW_ENDED, i, (uint64_t)(unsigned)status);
        }
}

int rtw_template_work(void) {
    if (children_fd < 0 || rtw_this.one_shot) return 0;
    report_ended();
    for (uint32_t i = 0; wanted_count && i < seat_count; ++i) {
        if (!seats[i].wanted) continue;
        seats[i].wanted = 0;
        --wanted_count;
        if (fork_process(i)) return 1;
    }
    return 0;
}
