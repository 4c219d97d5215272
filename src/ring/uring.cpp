// The kernel's back end. Set-up and memory mapping are liburing's; submission entries are filled
// here, because the helpers of the packaged version are wrong for some operations and lack newer
// ones.

#include <fcntl.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "ring/direct.h"
#include "ring/ring.h"

namespace ringtime::ring {

struct RingBackend {
    io_uring ring{};
    bool open = false;

    ~RingBackend() {
        if (open) io_uring_queue_exit(&ring);
    }

    io_uring_sqe* next_entry() noexcept {
        io_uring_sqe* entry = io_uring_get_sqe(&ring);
        while (!entry) {
            io_uring_submit(&ring);
            entry = io_uring_get_sqe(&ring);
        }
        return entry;
    }

    static bool attach(Ring& ring, BufferPool& pool, unsigned group, std::string& problem);
    static unsigned reap(Ring& ring) noexcept;
    static void complete(Ring& ring, Op& op, const io_uring_cqe& entry) noexcept;
};

namespace {

// Opcodes this kernel interface has had since, which the packaged header lacks.
constexpr unsigned kOpFixedFdInstall = 54;  // 6.8: by then multishot receives are fair.

// The kernel refuses these operations when an address or a length is set, and an Op may still carry
// those of its last use.
void clear_unused(io_uring_sqe& entry) noexcept {
    entry.addr = 0;
    entry.len = 0;
}

void fill_receive(io_uring_sqe& entry, const Op& op) noexcept {
    entry.opcode = IORING_OP_RECV;
    entry.msg_flags = op.flags;
    if (op.poll_first) entry.ioprio |= IORING_RECVSEND_POLL_FIRST;
    if (op.kind == OpKind::receive_multishot) entry.ioprio |= IORING_RECV_MULTISHOT;
    if (op.group != BufferGroup::none) {
        entry.flags |= IOSQE_BUFFER_SELECT;
        entry.buf_group = static_cast<uint16_t>(op.group);
        entry.len = 0;
    }
}

void fill(io_uring_sqe& entry, const Op& op) noexcept {
    std::memset(&entry, 0, sizeof entry);
    entry.fd = op.fd;
    entry.addr = reinterpret_cast<uint64_t>(op.address);
    entry.len = op.length;
    entry.user_data = reinterpret_cast<uint64_t>(&op);
    switch (op.kind) {
        case OpKind::nop: entry.opcode = IORING_OP_NOP; break;
        case OpKind::accept:
            entry.opcode = IORING_OP_ACCEPT;
            entry.addr2 = op.offset;
            entry.accept_flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
            break;
        case OpKind::receive:
        case OpKind::receive_multishot:
            fill_receive(entry, op);
            break;
        case OpKind::send:
            entry.opcode = IORING_OP_SEND;
            entry.msg_flags = op.flags;
            break;
        case OpKind::send_message:
            entry.opcode = IORING_OP_SENDMSG;
            entry.len = 1;
            entry.msg_flags = op.flags;
            break;
        case OpKind::connect:
            entry.opcode = IORING_OP_CONNECT;
            entry.off = op.length;
            entry.len = 0;
            break;
        case OpKind::close:
            entry.opcode = IORING_OP_CLOSE;
            clear_unused(entry);
            break;
        case OpKind::cancel:
            entry.opcode = IORING_OP_ASYNC_CANCEL;
            clear_unused(entry);
            entry.cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
            break;
        case OpKind::poll:
            entry.opcode = IORING_OP_POLL_ADD;
            clear_unused(entry);
            entry.poll32_events = op.flags;
            break;
        case OpKind::read:
            entry.opcode = IORING_OP_READ;
            entry.off = op.offset;
            break;
        case OpKind::open_at:
            entry.opcode = IORING_OP_OPENAT2;
            entry.off = op.offset;
            entry.len = sizeof(uint64_t) * 3;  // struct open_how
            break;
    }
}

RingFeatures probe_features(io_uring& ring) {
    RingFeatures features;
    if (io_uring_probe* probe = io_uring_get_probe_ring(&ring)) {
        features.receive_multishot = probe->last_op >= kOpFixedFdInstall;
        io_uring_free_probe(probe);
    }
    return features;
}

std::string explain_refusal(int error) {
    switch (error) {
        case EPERM:
            return "the kernel does not permit io_uring: the container's seccomp profile or "
                   "kernel.io_uring_disabled forbids it; allow io_uring_setup, io_uring_enter and "
                   "io_uring_register, or set kernel.io_uring_disabled=0";
        case ENOSYS:
            return "this kernel has no io_uring; Linux 6.1 or newer is needed";
        case EINVAL:
            return "this kernel's io_uring is too old; Linux 6.1 or newer is needed";
        case ENOMEM:
            return "not enough locked memory for io_uring; raise RLIMIT_MEMLOCK (ulimit -l)";
        default: return std::string("io_uring is not available: ") + std::strerror(error);
    }
}

}  // namespace

void BufferPool::take_memory() {
    void* memory = ::mmap(nullptr, memory_size_, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return;  // Said when the ring is opened.
    ::madvise(memory, memory_size_, MADV_HUGEPAGE);
    memory_ = static_cast<char*>(memory);
}

BufferPool::~BufferPool() {
    if (memory_) ::munmap(memory_, memory_size_);
    if (kernel_ring_) ::munmap(kernel_ring_, kernel_ring_size_);
}

void BufferPool::publish(uint16_t id) noexcept {
    auto* ring = static_cast<io_uring_buf_ring*>(kernel_ring_);
    io_uring_buf& entry = ring->bufs[kernel_tail_ & (ready_max_ - 1)];
    entry.addr = reinterpret_cast<uint64_t>(data(id));
    entry.len = buffer_size_;
    entry.bid = id;
    __atomic_store_n(&ring->tail, ++kernel_tail_, __ATOMIC_RELEASE);
}

void BufferPool::set_aside(uint16_t) noexcept {}

void BufferPool::drop_memory(uint16_t id) noexcept {
    ::madvise(data(id), buffer_size_, MADV_DONTNEED);
}

bool RingBackend::attach(Ring& ring, BufferPool& pool, unsigned group, std::string& problem) {
    if (!pool.memory_) {
        problem = "no " + std::to_string(pool.memory_size_ >> 20) +
                  " MiB of address space for the receive buffers of a core; raise RLIMIT_AS "
                  "(ulimit -v), or set fewer RUNTIME_CORES";
        return false;
    }
    pool.kernel_ring_size_ = sizeof(io_uring_buf) * pool.ready_max_;
    void* memory = ::mmap(nullptr, pool.kernel_ring_size_, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        problem = "no memory for the receive buffers";
        return false;
    }
    pool.kernel_ring_ = memory;
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<uint64_t>(memory);
    registration.ring_entries = pool.ready_max_;
    registration.bgid = static_cast<uint16_t>(group);
    int error = io_uring_register_buf_ring(&ring.backend_->ring, &registration, 0);
    if (error < 0) {
        problem = explain_refusal(-error);
        return false;
    }
    pool.fill();
    return true;
}

Ring::Ring() = default;

Ring::~Ring() { delete backend_; }

std::unique_ptr<Ring> Ring::open(const RingOptions& options, std::string& problem) {
    std::unique_ptr<Ring> ring(new Ring);
    ring->backend_ = new RingBackend;
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                   IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
    params.cq_entries = options.completion_entries;
    int error =
        io_uring_queue_init_params(options.submission_entries, &ring->backend_->ring, &params);
    if (error < 0) {
        problem = explain_refusal(-error);
        return nullptr;
    }
    ring->backend_->open = true;
    io_uring_ring_dontfork(&ring->backend_->ring);
    io_uring_register_ring_fd(&ring->backend_->ring);
    // File reads from a cold disk are the only work that may leave this thread.
    unsigned helper_threads[2] = {2, 2};
    io_uring_register_iowq_max_workers(&ring->backend_->ring, helper_threads);
    ring->features_ = probe_features(ring->backend_->ring);
    ring->pools_[0] = std::make_unique<BufferPool>(
        options.small_buffer_bytes, options.small_buffers, options.small_buffers_ready);
    ring->pools_[1] = std::make_unique<BufferPool>(
        options.bulk_buffer_bytes, options.bulk_buffers, options.bulk_buffers_ready);
    for (unsigned group = 0; group < 2; ++group) {
        if (!RingBackend::attach(*ring, *ring->pools_[group], group, problem)) return nullptr;
    }
    return ring;
}

void Ring::submit(Op& op) noexcept {
    ASSERT(!op.in_flight);
    DEBUG_ASSERT(op.on_complete);
    op.in_flight = true;
    fill(*backend_->next_entry(), op);
    ++counters_.submitted;
}

void Ring::cancel_all(int fd) noexcept {
    Op op;
    op.kind = OpKind::cancel;
    op.fd = fd;
    io_uring_sqe* entry = backend_->next_entry();
    fill(*entry, op);
    entry->user_data = 0;
}

void Ring::cancel(Op& op) noexcept {
    io_uring_sqe* entry = backend_->next_entry();
    std::memset(entry, 0, sizeof *entry);
    entry->opcode = IORING_OP_ASYNC_CANCEL;
    entry->fd = -1;
    entry->addr = reinterpret_cast<uint64_t>(&op);
}

void RingBackend::complete(Ring& ring, Op& op, const io_uring_cqe& entry) noexcept {
    op.result = entry.res;
    op.more = (entry.flags & IORING_CQE_F_MORE) != 0;
    op.has_buffer = (entry.flags & IORING_CQE_F_BUFFER) != 0;
    if (!op.more) op.in_flight = false;
    if (op.has_buffer) {
        op.buffer = static_cast<uint16_t>(entry.flags >> IORING_CQE_BUFFER_SHIFT);
        ring.buffers(op.group).hand_over(op.buffer,
                                         op.result > 0 ? static_cast<uint32_t>(op.result) : 0);
        if (op.result <= 0) {
            ring.buffers(op.group).release(op.buffer);
            op.has_buffer = false;
        }
    } else if (op.result == -ENOBUFS && op.group != BufferGroup::none) {
        ++ring.counters_.buffers_refused;
    }
    op.on_complete(op);
}

unsigned RingBackend::reap(Ring& ring) noexcept {
    io_uring& kernel = ring.backend_->ring;
    unsigned head = *kernel.cq.khead;
    unsigned tail = __atomic_load_n(kernel.cq.ktail, __ATOMIC_ACQUIRE);
    unsigned mask = *kernel.cq.kring_mask;
    unsigned handled = 0;
    while (head != tail && handled < limits::completions_per_turn) {
        // Copied out and given back first: handlers may submit, and submitting may reap the
        // kernel's overflow list into the slot.
        io_uring_cqe entry = kernel.cq.cqes[head & mask];
        __atomic_store_n(kernel.cq.khead, ++head, __ATOMIC_RELEASE);
        ++handled;
        if (entry.user_data == 0) continue;
        complete(ring, *reinterpret_cast<Op*>(entry.user_data), entry);
    }
    ring.counters_.completed += handled;
    return handled;
}

unsigned Ring::enter(Nanoseconds timeout) noexcept {
    ++counters_.enters;
    if (timeout == 0) {
        io_uring_submit_and_get_events(&backend_->ring);
    } else {
        __kernel_timespec wait{};
        wait.tv_sec = static_cast<int64_t>(timeout / kNanosecondsPerSecond);
        wait.tv_nsec = static_cast<int64_t>(timeout % kNanosecondsPerSecond);
        io_uring_cqe* ignored = nullptr;
        io_uring_submit_and_wait_timeout(&backend_->ring, &ignored, 1, &wait, nullptr);
    }
    return RingBackend::reap(*this);
}

bool Ring::has_completions() const noexcept { return io_uring_cq_ready(&backend_->ring) != 0; }

bool Ring::has_queued() const noexcept { return io_uring_sq_ready(&backend_->ring) != 0; }

Nanoseconds Ring::clock() const noexcept { return monotonic_now(); }


void shutdown_socket(int fd, ShutdownSide side) noexcept {
    ::shutdown(fd, side == ShutdownSide::write ? SHUT_WR : SHUT_RDWR);
}

bool peer_is_our_user(int fd) noexcept {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
    return peer.uid == ::geteuid() || peer.uid == 0;
}

int open_socket(int family) noexcept {
    int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    if (family != AF_UNIX) {
        int on = 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    return fd;
}

bool socket_address(int fd, void* address, unsigned size) noexcept {
    return ::getsockname(fd, static_cast<sockaddr*>(address), &size) == 0;
}

bool socket_is_quiet(int fd) noexcept {
    char byte = 0;
    ssize_t size = ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

void close_socket(int fd) noexcept { ::close(fd); }

void abort_on_close(int fd) noexcept {
    linger reset{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

int make_doorbell() noexcept {
    int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

void close_doorbell(int eventfd) noexcept { ::close(eventfd); }

void ring_doorbell(int eventfd) noexcept {
    uint64_t one = 1;
    // A full counter (EAGAIN) means that the other side has a wake-up to take already.
    [[maybe_unused]] ssize_t written = ::write(eventfd, &one, sizeof one);
}

ssize_t splice_bytes(int from, int to, size_t size) noexcept {
    ssize_t moved = ::splice(from, nullptr, to, nullptr, size, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    return moved < 0 ? -errno : moved;
}

ssize_t send_file(int socket, int file, uint64_t offset, size_t size) noexcept {
    auto at = static_cast<off_t>(offset);
    ssize_t sent = ::sendfile(socket, file, &at, size);
    return sent < 0 ? -errno : sent;
}

ssize_t send_now(int socket, const msghdr& message, unsigned flags) noexcept {
    auto all = static_cast<int>(flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    ssize_t sent = ::sendmsg(socket, &message, all);
    return sent < 0 ? -errno : sent;
}

ssize_t receive_now(int socket, void* out, size_t size) noexcept {
    ssize_t received = ::recv(socket, out, size, MSG_DONTWAIT);
    return received < 0 ? -errno : received;
}

// POLLHUP is no reset: a socket of the unix domain has it when its peer has merely closed.
PeerState look_at_peer(int socket) noexcept {
    PeerState state;
    socklen_t size = sizeof state.error;
    (void)::getsockopt(socket, SOL_SOCKET, SO_ERROR, &state.error, &size);
    pollfd end{socket, POLLRDHUP, 0};
    state.finished = ::poll(&end, 1, 0) == 1 && (end.revents & (POLLRDHUP | POLLHUP)) != 0;
    // After the end was seen: then everything before it has arrived.
    int unread = 0;
    if (::ioctl(socket, FIONREAD, &unread) == 0) state.unread = static_cast<uint64_t>(unread);
    return state;
}

// cachestat(2), since 6.5; its numbers are the same on every architecture, and newer than our
// headers.
bool is_resident(int file, uint64_t offset, uint64_t size) noexcept {
    constexpr long kCacheStat = 451;
    struct {
        uint64_t offset, size;
    } range{offset, size};
    struct {
        uint64_t cached, dirty, writeback, evicted, recently_evicted;
    } pages{};
    static const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
    if (::syscall(kCacheStat, file, &range, &pages, 0U) != 0) return false;
    return pages.cached == (offset + size - 1) / page - offset / page + 1;
}

ssize_t read_resident(int fd, void* out, size_t size, uint64_t offset) noexcept {
    iovec part{out, size};
    ssize_t read = ::preadv2(fd, &part, 1, static_cast<off_t>(offset), RWF_NOWAIT);
    return read < 0 ? -errno : read;
}

}  // namespace ringtime::ring
