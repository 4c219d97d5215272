// The zygote's whole life; see zygote_protocol.h. Links nothing of the gateway.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

#include "ringtime/worker_abi.h"
#include "worker/sandbox.h"
#include "worker/zygote_protocol.h"

namespace ringtime::worker {
namespace {

constexpr unsigned kPassedFds = 4;

struct Zygote {
    std::map<pid_t, uint32_t> workers;  ///< Also the process groups that end with us.
    std::vector<char> packet = std::vector<char>(kZygotePacketMax);
};

void report(const ZygoteReport& what, int fd = -1) {
    iovec part{const_cast<ZygoteReport*>(&what), sizeof what};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
    if (fd >= 0) {
        message.msg_control = space;
        message.msg_controllen = sizeof space;
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    while (sendmsg(kZygoteFd, &message, MSG_NOSIGNAL) < 0 && errno == EINTR) {
    }
}

/// Takes `count` strings; the list ends with null. Empty when the packet is too short.
std::vector<char*> take_strings(char*& cursor, const char* end, uint32_t count) {
    std::vector<char*> list;
    for (uint32_t i = 0; i < count; ++i) {
        char* stop = static_cast<char*>(std::memchr(cursor, 0, static_cast<size_t>(end - cursor)));
        if (!stop) std::_Exit(125);  // Only a broken gateway sends this.
        list.push_back(cursor);
        cursor = stop + 1;
    }
    list.push_back(nullptr);
    return list;
}

[[noreturn]] void fail(const char* step) {
    dprintf(STDERR_FILENO, "cannot start: %s: %s\n", step, std::strerror(errno));
    std::_Exit(126);
}

// Puts the passed descriptors where the worker expects them and closes all others. They are first
// moved out of the way, because a target may be one of the others' places.
void arrange_descriptors(const int* fds) {
    static constexpr int kTargets[kPassedFds] = {RTW_CONTROL_FD, RTW_DOORBELL_FD, STDOUT_FILENO,
                                                 STDERR_FILENO};
    int moved[kPassedFds];
    for (unsigned i = 0; i < kPassedFds; ++i) moved[i] = fcntl(fds[i], F_DUPFD, 16);
    int null = open("/dev/null", O_RDONLY);
    dup2(null, STDIN_FILENO);
    for (unsigned i = 0; i < kPassedFds; ++i)
        if (moved[i] < 0 || dup2(moved[i], kTargets[i]) < 0) std::_Exit(126);
    if (syscall(SYS_close_range, RTW_DOORBELL_FD + 1, ~0U, 0) != 0) fail("closing descriptors");
}

bool enter_group(const char* path) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool entered = fd >= 0 && write(fd, "0", 1) == 1;  // 0: whoever writes.
    if (fd >= 0) close(fd);
    return entered;
}

[[noreturn]] void become_worker(SpawnPacket& packet, char* cursor, const char* end, const int* fds,
                                pid_t zygote) {
    arrange_descriptors(fds);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    signal(SIGPIPE, SIG_DFL);
    if (setsid() < 0) fail("making a session");
    auto paths = take_strings(cursor, end, 3);
    auto arguments = take_strings(cursor, end, packet.argument_count);
    auto environment = take_strings(cursor, end, packet.environment_count);
    auto readable = take_strings(cursor, end, packet.readable_count);
    auto writable = take_strings(cursor, end, packet.writable_count);
    if (*paths[2] != 0 && !enter_group(paths[2])) fail("entering its control group");
    if (chdir(paths[1]) != 0) fail("entering the app's folder");
    SandboxOptions options{.directory = paths[1],
                           .readable = readable.data(),
                           .writable = writable.data(),
                           .uid = packet.uid,
                           .gid = packet.gid,
                           .open_files = packet.open_files,
                           .data_bytes = packet.data_bytes};
    if (const char* step = enter_sandbox(options)) fail(step);
    if (getppid() != zygote) std::_Exit(126);  // It died before we asked to end with it.
    execve(paths[0], arguments.data(), environment.data());
    fail(paths[0]);
}

void spawn(Zygote& self, size_t size, const int* fds) {
    SpawnPacket packet;
    if (size < sizeof packet) return;
    std::memcpy(&packet, self.packet.data(), sizeof packet);
    char* begin = self.packet.data() + sizeof packet;
    pid_t zygote = getpid();
    pid_t pid = fork();
    if (pid == 0) become_worker(packet, begin, self.packet.data() + size, fds, zygote);
    if (pid < 0) {
        report({.kind = ZygoteKind::spawned, .worker = packet.worker, .pid = -errno});
        return;
    }
    self.workers.emplace(pid, packet.worker);
    int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    report({.kind = ZygoteKind::spawned, .worker = packet.worker, .pid = pid}, pidfd);
    if (pidfd >= 0) close(pidfd);
}

/// False when the gateway is gone.
bool take_packet(Zygote& self) {
    iovec part{self.packet.data(), self.packet.size()};
    alignas(cmsghdr) char space[CMSG_SPACE(kPassedFds * sizeof(int))];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = space;
    message.msg_controllen = sizeof space;
    ssize_t size = recvmsg(kZygoteFd, &message, MSG_CMSG_CLOEXEC);
    if (size < 0) return errno == EINTR;
    if (size == 0) return false;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_len != CMSG_LEN(kPassedFds * sizeof(int))) return true;
    int fds[kPassedFds];
    std::memcpy(fds, CMSG_DATA(header), sizeof fds);
    spawn(self, static_cast<size_t>(size), fds);
    for (int fd : fds) close(fd);
    return true;
}

void reap(Zygote& self) {
    int status = 0;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        auto found = self.workers.find(pid);
        if (found == self.workers.end()) continue;
        kill(-pid, SIGKILL);  // What the worker started ends with it.
        report({.kind = ZygoteKind::ended, .worker = found->second, .pid = pid, .status = status});
        self.workers.erase(found);
    }
}

/// False when the gateway has died.
bool take_signals(Zygote& self, int signals) {
    signalfd_siginfo info;
    bool alive = true;
    while (read(signals, &info, sizeof info) == static_cast<ssize_t>(sizeof info))
        if (info.ssi_signo == SIGTERM) alive = false;
    reap(self);
    return alive;
}

}  // namespace

int run_zygote(long gateway) {
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGCHLD);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);  // A terminal's Ctrl-C is the gateway's to handle.
    sigaddset(&wanted, SIGHUP);
    sigprocmask(SIG_BLOCK, &wanted, nullptr);
    sigdelset(&wanted, SIGINT);
    sigdelset(&wanted, SIGHUP);
    int signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_NAME, "ringtime-zygote");
    if (signals < 0 || getppid() != gateway) return 1;
    fcntl(kZygoteFd, F_SETFD, FD_CLOEXEC);
    Zygote self;
    report({.kind = ZygoteKind::hello, .landlock = landlock_version()});
    pollfd sources[2] = {{kZygoteFd, POLLIN, 0}, {signals, POLLIN, 0}};
    for (bool alive = true; alive;) {
        if (poll(sources, 2, -1) < 0) continue;
        if (sources[1].revents) alive = take_signals(self, signals);
        if (alive && sources[0].revents) alive = take_packet(self);
    }
    for (auto& [pid, worker] : self.workers) kill(-pid, SIGKILL);
    return 0;
}

}  // namespace ringtime::worker
