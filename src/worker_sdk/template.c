/* The template of an ephemeral application: a process in which everything is loaded and warm, and
 * which forks another for every request. A fork costs a tenth of a start, and the less the template
 * has, the less each fork copies: so the memory of a seat comes with the word to fork, is mapped in
 * the new process alone, and forgotten here.
 *
 * One at a time: a new process inherits the descriptors of its own seat only, and thus not what
 * others of its kind are saying.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"

/* The word to fork that was read last. */
static struct {
    int wanted;
    uint32_t seat;
    uint64_t cores; /* bit by bit: whose regions these are, three descriptors each */
    size_t region_bytes;
    unsigned fd_count;
    int fds[RTW_PASSED_FDS_MAX]; /* the seat's doorbell, then the regions' */
} next;

static pid_t pids[RTW_SEATS_MAX]; /* by seat; 0: none */
static uint32_t seat_count;       /* one more than the highest */
static int children_fd = -1;      /* says that some child has ended */
static sigset_t mask_before;

static void say(uint32_t kind, uint32_t seat, uint64_t value) {
    rtw_control message = {kind, seat, 0, 0, value, 0};
    while (send(RTW_CONTROL_FD, &message, sizeof message, MSG_NOSIGNAL) < 0 && errno == EINTR) {
    }
}

static void become_template(void) {
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, &mask_before);
    children_fd = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    rtw_watch(children_fd, EPOLLIN);
}

void rtw_template_take(const rtw_control* control, const int* fds, unsigned count) {
    next.seat = control->abi;
    next.cores = control->spin_ns;
    next.region_bytes = (size_t)control->region_bytes;
    next.fd_count = count;
    memcpy(next.fds, fds, count * sizeof *fds);
    next.wanted = 1;
}

int rtw_template_wants(void) { return next.wanted; }

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

static void take_seat(void) {
    const int* fds = next.fds + 1;
    for (uint32_t core = 0; core < RTW_CORES_MAX; ++core) {
        if (!(next.cores >> core & 1)) continue;
        if (fds + 3 > next.fds + next.fd_count ||
            rtw_link_attach(core, next.region_bytes, fds) != 0) {
            fprintf(stderr, "the gateway's memory cannot be mapped: %s\n", strerror(errno));
            _exit(2);
        }
        begin_anew(rtw_this.links[core].outgoing);
        fds += 3;
    }
}

static void become_process(void) {
    sigprocmask(SIG_SETMASK, &mask_before, NULL);
    close(children_fd);
    close(rtw_this.epoll_fd); /* It is one with the template's: a new one is needed. */
    rtw_this.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    rtw_this.one_shot = 1;
    rtw_this.can_fork = 0;
    rtw_this.concurrency = 1;
    rtw_forget_posted();
    take_seat();
    if (rtw_this.epoll_fd < 0 || dup2(next.fds[0], RTW_DOORBELL_FD) < 0 ||
        rtw_watch(RTW_DOORBELL_FD, EPOLLIN) != 0 || rtw_watch(RTW_CONTROL_FD, 0) != 0)
        _exit(2);
    close(next.fds[0]);
    say(RTW_FORKED, next.seat, 0);
}

/* 1 in the new process. */
static int fork_process(void) {
    pid_t pid = next.seat < RTW_SEATS_MAX && next.fd_count > 0 ? fork() : -1;
    next.wanted = 0;
    if (pid == 0) {
        become_process();
        return 1;
    }
    for (unsigned i = 0; i < next.fd_count; ++i) close(next.fds[i]);
    if (pid < 0) {
        fprintf(stderr, "cannot fork: %s\n", strerror(errno));
        say(RTW_ENDED, next.seat, SIGKILL);
        return 0;
    }
    pids[next.seat] = pid;
    if (seat_count <= next.seat) seat_count = next.seat + 1;
    return 0;
}

static void report_ended(void) {
    struct signalfd_siginfo info;
    int status;
    pid_t pid;
    if (read(children_fd, &info, sizeof info) != (ssize_t)sizeof info) return;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (uint32_t i = 0; i < seat_count; ++i) {
            if (pids[i] != pid) continue;
            pids[i] = 0;
            say(RTW_ENDED, i, (uint64_t)(unsigned)status);
        }
}

int rtw_template_work(void) {
    if (rtw_this.one_shot) return 0;
    if (next.wanted && children_fd < 0) become_template();
    if (children_fd >= 0) report_ended();
    while (next.wanted) {
        if (fork_process()) return 1;
        rtw_take_control();
    }
    return 0;
}
