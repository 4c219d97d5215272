#include "worker/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include <fmt/core.h>

namespace ringtime::worker {
namespace {

constexpr unsigned kPassedFds = 4;

bool make_pipe(Fd& read_end, Fd& write_end) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) return false;
    read_end = Fd(fds[0]);
    write_end = Fd(fds[1]);
    return fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0;
}

bool make_sockets(Fd& ours, Fd& theirs, int flags) {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0, fds) != 0) return false;
    ours = Fd(fds[0]);
    theirs = Fd(fds[1]);
    return fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0;
}

class Packet {
  public:
    explicit Packet(SpawnPacket& head) : head_(head) { bytes_.resize(sizeof head); }
    void add(const std::string& text) { bytes_.append(text.c_str(), text.size() + 1); }
    uint32_t add_all(const std::vector<std::string>& list) {
        for (const std::string& each : list) add(each);
        return static_cast<uint32_t>(list.size());
    }
    const std::string& finish() {
        std::memcpy(bytes_.data(), &head_, sizeof head_);
        return bytes_;
    }

  private:
    SpawnPacket& head_;
    std::string bytes_;
};

int send_with_fds(int socket, const std::string& bytes, const int* fds) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) char space[CMSG_SPACE(kPassedFds * sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = space;
    message.msg_controllen = sizeof space;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(kPassedFds * sizeof(int));
    std::memcpy(CMSG_DATA(header), fds, kPassedFds * sizeof(int));
    return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? errno : 0;
}

std::string folder_of(const std::string& path) {
    size_t slash = path.rfind('/');
    return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

std::string describe_end(int wait_status) {
    if (WIFSIGNALED(wait_status))
        return fmt::format("ended by signal {} ({})", WTERMSIG(wait_status),
                           strsignal(WTERMSIG(wait_status)));
    return fmt::format("exited with status {}", WEXITSTATUS(wait_status));
}

bool ZygoteClient::start(const std::string& host_path, std::string& problem) {
    Fd theirs;
    if (!make_sockets(socket_, theirs, 0)) {
        problem =
            fmt::format("cannot make a socket for worker processes: {}", std::strerror(errno));
        return false;
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    // The same number would keep the close-on-exec flag; from elsewhere dup2 clears it.
    Fd moved(theirs.get() == kZygoteFd ? fcntl(theirs.get(), F_DUPFD_CLOEXEC, kZygoteFd + 1) : -1);
    posix_spawn_file_actions_adddup2(&actions, moved ? moved.get() : theirs.get(), kZygoteFd);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    // Its own group: a terminal's Ctrl-C is for the gateway, which drains before it ends its
    // workers.
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    std::string self = std::to_string(getpid());
    const char* arguments[] = {host_path.c_str(), "--zygote", self.c_str(), nullptr};
    char* environment[] = {nullptr};
    int error = posix_spawn(&pid_, host_path.c_str(), &actions, &attributes,
                            const_cast<char* const*>(arguments), environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error == 0) return true;
    socket_.reset();
    problem = fmt::format("cannot start {}: {}; it belongs beside the gateway's own program",
                          host_path, std::strerror(error));
    return false;
}

void ZygoteClient::stop() noexcept {
    socket_.reset();
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

int ZygoteClient::spawn(const AppSpec& app, const std::string& host_path,
                        const std::vector<std::string>& environment, uint32_t worker,
                        const std::string& cgroup, ProcessChannels& channels) {
    Fd control;
    Fd out;
    Fd err;
    channels.doorbell = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!make_sockets(channels.control, control, 0) || !make_pipe(channels.out, out) ||
        !make_pipe(channels.err, err) || !channels.doorbell)
        return errno;
    bool module = app.kind == EntryKind::module;
    SpawnPacket head;
    head.worker = worker;
    head.uid = app.uid;
    head.gid = app.gid;
    head.open_files = app.open_files;
    // Where a group limits the memory, that is exact; this one counts what is only reserved, too.
    head.data_bytes = cgroup.empty() ? app.memory_bytes_max : 0;
    Packet packet(head);
    packet.add(module ? host_path : app.entrypoint);
    packet.add(app.directory);
    packet.add(cgroup.empty() ? std::string() : cgroup + "/cgroup.procs");
    head.argument_count = module ? packet.add_all({"worker:" + app.name, app.entrypoint})
                                 : packet.add_all({app.entrypoint});
    head.environment_count = packet.add_all(environment);
    std::vector<std::string> readable = app.readable_paths;
    readable.push_back(host_path);
    readable.push_back(folder_of(app.entrypoint));
    head.readable_count = packet.add_all(readable);
    head.writable_count = packet.add_all(app.writable_paths);
    const std::string& bytes = packet.finish();
    if (bytes.size() > kZygotePacketMax) return EMSGSIZE;
    int fds[kPassedFds] = {control.get(), channels.doorbell.get(), out.get(), err.get()};
    return send_with_fds(socket_.get(), bytes, fds);
}

int ZygoteClient::receive(ZygoteReport& report, Fd& pidfd) noexcept {
    iovec part{&report, sizeof report};
    alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = space;
    message.msg_controllen = sizeof space;
    ssize_t size = recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (size != static_cast<ssize_t>(sizeof report)) return -1;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_type == SCM_RIGHTS) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
        pidfd = Fd(fd);
    }
    return 1;
}

}  // namespace ringtime::worker
