// What each operation does in a simulated world: the kernel's part.

#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ring/sim/sim_backend.h"

namespace ringtime::ring {

using Outcome = RingBackend::Outcome;

// --- Readers, writers, closed descriptors ---

void RingBackend::take_slot(const Op& op) {
    SimSocket* socket = world.find(op.fd);
    switch (op.kind) {
        case OpKind::connect:
        case OpKind::send:
        case OpKind::send_message:
            if (!socket || socket->closing)
                return world.violate("a send or connect on a closed descriptor");
            if (socket->writer) world.violate("two writers on one socket");
            socket->writer = &op;
            return;
        case OpKind::receive:
        case OpKind::receive_multishot:
            if (!socket || socket->closing)
                return world.violate("a receive on a closed descriptor");
            if (socket->reader) world.violate("two readers on one socket");
            if (op.flags & ~unsigned{MSG_WAITALL | MSG_DONTWAIT | MSG_NOSIGNAL})
                world.violate("a receive with flags that are none of its");
            socket->reader = &op;
            return;
        case OpKind::accept:
            if (!socket || socket->closing) world.violate("an accept on a closed descriptor");
            return;
        case OpKind::close:
            if (!socket) return;
            if (socket->closing) world.violate("a descriptor closed twice");
            for (const RingBackend* each : world.rings())
                if (each->busy(op.fd)) world.violate("a close with operations in flight");
            socket->closing = true;
            return;
        case OpKind::nop:
        case OpKind::cancel:
        case OpKind::poll:
        case OpKind::read:
        case OpKind::open_at: return;
    }
}

void RingBackend::free_slot(const Op& op) {
    SimSocket* socket = world.find(op.fd);
    if (!socket) return;
    if (socket->reader == &op) socket->reader = nullptr;
    if (socket->writer == &op) socket->writer = nullptr;
}

// --- Completion and cancellation ---

Outcome RingBackend::complete(const Flight& flight, int64_t result) {
    completed.push_back({flight.op, static_cast<int32_t>(result)});
    return Outcome::completed;
}

Outcome RingBackend::finish_cancelled(const Flight& flight) {
    return complete(flight, flight.done > 0 ? int64_t{flight.done} : -ECANCELED);
}

int32_t RingBackend::cancel(const Op* op, int fd) {
    int32_t found = 0;
    for (Flight& flight : flights) {
        const OpKind kind = flight.op->kind;
        const bool meant = op ? flight.op == op : flight.op->fd == fd;
        if (!meant || flight.cancelled || kind == OpKind::close || kind == OpKind::cancel) continue;
        flight.cancelled = true;
        flight.tried_at = 0;
        ++found;
    }
    return found;
}

Outcome RingBackend::attempt(Flight& flight) {
    // Descriptors of the kernel change without the world's knowledge.
    const bool real = flight.op->kind >= OpKind::poll && !world.find(flight.op->fd);
    flight.tried_at = real ? 0 : world.changes();
    if (!flight.cancelled) return attempt_kind(flight);
    // Cancelling loses against whatever happens at the same moment.
    if (world.random().chance(world.faults().cancel_late) &&
        attempt_kind(flight) == Outcome::completed) {
        return Outcome::completed;
    }
    return finish_cancelled(flight);
}

Outcome RingBackend::attempt_kind(Flight& flight) {
    const Op& op = *flight.op;
    switch (op.kind) {
        case OpKind::nop: return complete(flight, 0);
        case OpKind::cancel: return complete(flight, cancel(nullptr, op.fd));
        case OpKind::close: return attempt_close(flight);
        case OpKind::poll: return attempt_poll(flight);
        case OpKind::read: return attempt_read(flight);
        case OpKind::open_at: return attempt_open(flight);
        case OpKind::accept:
        case OpKind::receive:
        case OpKind::receive_multishot:
        case OpKind::send:
        case OpKind::send_message:
        case OpKind::connect: break;
    }
    SimSocket* socket = world.find(op.fd);
    if (!socket) return complete(flight, -EBADF);
    if (op.kind == OpKind::accept) return attempt_accept(flight, *socket);
    if (op.kind == OpKind::connect) return attempt_connect(flight, *socket);
    if (socket->kind != SimSocket::Kind::stream) return complete(flight, -ENOTCONN);
    if (op.kind == OpKind::send || op.kind == OpKind::send_message)
        return attempt_send(flight, *socket);
    return attempt_receive(flight, *socket);
}

// --- Sockets ---

Outcome RingBackend::attempt_accept(Flight& flight, SimSocket& socket) {
    const Op& op = *flight.op;
    if (socket.kind != SimSocket::Kind::listener) return complete(flight, -EINVAL);
    if (socket.backlog.empty()) return Outcome::waits;
    if (world.random().chance(world.faults().interrupted)) return complete(flight, -EINTR);
    if (world.random().chance(world.faults().accept_error)) {
        ++world.counters().accept_errors;
        // Out of descriptors: the connection stays in the backlog.
        const uint64_t cause = world.random().below(3);
        if (cause < 2) return complete(flight, cause == 0 ? -EMFILE : -ENFILE);
        socket.backlog.front()->break_both();
        socket.backlog.pop_front();
        return complete(flight, -ECONNABORTED);
    }
    SimSocket& accepted = world.add_stream(socket.backlog.front(), SimLink::Side::server);
    socket.backlog.pop_front();
    if (op.address) {
        sockaddr_in peer{};
        peer.sin_family = AF_INET;
        peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        peer.sin_port = htons(static_cast<uint16_t>(1024 + accepted.id % 60000));
        auto* length = reinterpret_cast<socklen_t*>(op.offset);
        std::memcpy(op.address, &peer, std::min<size_t>(sizeof peer, *length));
        *length = sizeof peer;
    }
    return complete(flight, accepted.fd);
}

Outcome RingBackend::attempt_connect(Flight& flight, SimSocket& socket) {
    if (socket.kind == SimSocket::Kind::stream) return complete(flight, -EISCONN);
    if (socket.kind == SimSocket::Kind::fresh)
        world.start_connect(socket, flight.op->address, flight.op->length);
    if (socket.connect_result == 0) return Outcome::waits;
    if (socket.connect_result < 0) return complete(flight, socket.connect_result);
    socket.kind = SimSocket::Kind::stream;
    return complete(flight, 0);
}

Outcome RingBackend::attempt_receive(Flight& flight, SimSocket& socket) {
    const Op& op = *flight.op;
    SimLink& link = *socket.link;
    // The kernel looks for a buffer before it looks for bytes, unless told to wait for them first.
    if (op.group != BufferGroup::none && !flight.tried && !op.poll_first &&
        free_buffers(ring.buffers(op.group)).empty()) {
        return complete(flight, -ENOBUFS);
    }
    flight.tried = true;
    if (link.arrived(socket.side).empty()) {
        if (flight.done > 0 && link.ended(socket.side)) return complete(flight, flight.done);
        if (int error = link.take_error(socket.side)) return complete(flight, -error);
        if (link.ended(socket.side)) return complete(flight, 0);
        return op.flags & MSG_DONTWAIT ? complete(flight, -EAGAIN) : Outcome::waits;
    }
    if (flight.done == 0 && world.random().chance(world.faults().interrupted))
        return complete(flight, -EINTR);
    return op.group == BufferGroup::none ? receive_into_memory(flight, link, socket.side)
                                         : receive_into_pool(flight, link, socket.side);
}

Outcome RingBackend::receive_into_memory(Flight& flight, SimLink& link, SimLink::Side side) {
    const Op& op = *flight.op;
    const std::string_view bytes = link.arrived(side);
    size_t size = std::min<size_t>(bytes.size(), op.length - flight.done);
    if (size > 1 && world.random().chance(world.faults().short_transfer))
        size = world.random().between(1, size);
    if (size > 0) std::memcpy(static_cast<char*>(op.address) + flight.done, bytes.data(), size);
    link.consume(side, size);
    flight.done += static_cast<uint32_t>(size);
    if ((op.flags & MSG_WAITALL) && flight.done < op.length) return Outcome::waits;
    return complete(flight, flight.done);
}

Outcome RingBackend::receive_into_pool(Flight& flight, SimLink& link, SimLink::Side side) {
    Op& op = *flight.op;
    BufferPool& pool = ring.buffers(op.group);
    const uint16_t id = take_buffer(pool, world.random());
    if (id == BufferPool::no_buffer) return complete(flight, -ENOBUFS);
    const std::string_view bytes = link.arrived(side);
    size_t size = std::min<size_t>(bytes.size(), pool.buffer_size());
    if (size > 1 && world.random().chance(world.faults().short_transfer))
        size = world.random().between(1, size);
    std::memcpy(pool.data(id), bytes.data(), size);
    link.consume(side, size);
    const bool more = op.kind == OpKind::receive_multishot && !flight.cancelled &&
                      !world.random().chance(world.faults().multishot_end);
    completed.push_back({&op, static_cast<int32_t>(size), more, true, id});
    return more ? Outcome::waits : Outcome::completed;
}

// The bytes of a send from `skip` on, at most `max`, read from the owner's memory as late as the
// kernel might.
static std::string gather(const Op& op, size_t skip, size_t max) {
    if (op.kind == OpKind::send) {
        const size_t left = op.length - skip;
        return std::string(static_cast<const char*>(op.address) + skip, std::min(left, max));
    }
    std::string bytes;
    const auto& message = *static_cast<const msghdr*>(op.address);
    for (size_t i = 0; i < message.msg_iovlen && bytes.size() < max; ++i) {
        const iovec& part = message.msg_iov[i];
        const size_t skipped = std::min(skip, part.iov_len);
        skip -= skipped;
        bytes.append(static_cast<const char*>(part.iov_base) + skipped,
                     std::min(part.iov_len - skipped, max - bytes.size()));
    }
    return bytes;
}

static size_t total_bytes(const Op& op) {
    if (op.kind == OpKind::send) return op.length;
    size_t total = 0;
    const auto& message = *static_cast<const msghdr*>(op.address);
    for (size_t i = 0; i < message.msg_iovlen; ++i) total += message.msg_iov[i].iov_len;
    return total;
}

Outcome RingBackend::attempt_send(Flight& flight, SimSocket& socket) {
    const Op& op = *flight.op;
    SimLink& link = *socket.link;
    const bool broken = link.dead(socket.side) || link.write_shut(socket.side);
    if (broken || link.has_error(socket.side)) {
        // What left before counts; the next send learns of the error.
        if (flight.done > 0) return complete(flight, flight.done);
        const int error = link.take_error(socket.side);
        return complete(flight, error ? -error : -EPIPE);
    }
    const size_t left = total_bytes(op) - flight.done;
    size_t size = std::min(left, link.room(socket.side));
    if (left > 0 && size == 0)
        return op.flags & MSG_DONTWAIT ? complete(flight, -EAGAIN) : Outcome::waits;
    if (flight.done == 0 && world.random().chance(world.faults().interrupted))
        return complete(flight, -EINTR);
    if (size > 1 && world.random().chance(world.faults().short_transfer))
        size = world.random().between(1, size);
    flight.done += static_cast<uint32_t>(link.write(socket.side, gather(op, flight.done, size)));
    if ((op.flags & MSG_WAITALL) && size < left) return Outcome::waits;
    return complete(flight, flight.done);
}

Outcome RingBackend::attempt_close(Flight& flight) {
    SimSocket* socket = world.find(flight.op->fd);
    if (!socket) return complete(flight, ::close(flight.op->fd) == 0 ? 0 : -errno);
    for (RingBackend* each : world.rings()) each->cancel(nullptr, flight.op->fd);
    world.close_socket(*socket);
    return complete(flight, 0);
}

static uint32_t socket_events(SimSocket& socket) {
    if (socket.kind == SimSocket::Kind::listener) return socket.backlog.empty() ? 0 : POLLIN;
    if (socket.kind != SimSocket::Kind::stream) return 0;
    const SimLink& link = *socket.link;
    uint32_t events = 0;
    if (!link.arrived(socket.side).empty() || link.ended(socket.side)) events |= POLLIN | POLLRDHUP;
    if (link.room(socket.side) > 0 || link.dead(socket.side)) events |= POLLOUT;
    if (link.dead(socket.side)) events |= POLLHUP;
    if (link.has_error(socket.side)) events |= POLLERR;
    if (!link.ended(socket.side)) events &= ~uint32_t{POLLRDHUP};
    return events;
}

Outcome RingBackend::attempt_poll(Flight& flight) {
    const Op& op = *flight.op;
    uint32_t events = 0;
    if (SimSocket* socket = world.find(op.fd)) {
        events = socket_events(*socket) & (op.flags | POLLERR | POLLHUP);
    } else {
        pollfd real{op.fd, static_cast<short>(op.flags), 0};
        if (::poll(&real, 1, 0) > 0) events = static_cast<uint32_t>(real.revents);
    }
    return events ? complete(flight, events) : Outcome::waits;
}

// --- Descriptors of the kernel ---

Outcome RingBackend::attempt_read(Flight& flight) {
    const Op& op = *flight.op;
    struct stat status {};
    if (::fstat(op.fd, &status) != 0) return complete(flight, -errno);
    ssize_t moved;
    if (S_ISREG(status.st_mode)) {
        if (world.random().chance(world.faults().interrupted)) return complete(flight, -EINTR);
        size_t size = op.length;
        if (size > 1 && world.random().chance(world.faults().short_transfer))
            size = world.random().between(1, size);
        moved = ::pread(op.fd, op.address, size, static_cast<off_t>(op.offset));
    } else {
        pollfd ready{op.fd, POLLIN, 0};
        if (::poll(&ready, 1, 0) == 0) return Outcome::waits;
        moved = ::read(op.fd, op.address, op.length);
        if (moved < 0 && errno == EAGAIN) return Outcome::waits;
    }
    return complete(flight, moved < 0 ? -errno : moved);
}

Outcome RingBackend::attempt_open(Flight& flight) {
    const Op& op = *flight.op;
    const auto* how = reinterpret_cast<const open_how*>(op.offset);
    if ((how->resolve & RESOLVE_CACHED) && world.random().chance(world.faults().would_block))
        return complete(flight, -EAGAIN);
    const long fd = ::syscall(SYS_openat2, op.fd, op.address, how, sizeof *how);
    return complete(flight, fd < 0 ? -errno : fd);
}

}  // namespace ringtime::ring
