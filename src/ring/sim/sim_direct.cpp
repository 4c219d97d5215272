// The direct calls of the data path in a simulated world.

#include "ring/direct.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "ring/sim/sim_world.h"

namespace ringtime::ring {

void shutdown_socket(int fd, ShutdownSide side) noexcept {
    SimWorld& world = SimWorld::current();
    SimSocket* socket = world.find(fd);
    if (!socket || socket->closing) return world.violate("a shutdown of a closed descriptor");
    world.remember("shutdown", fd, static_cast<int64_t>(side));
    if (socket->kind == SimSocket::Kind::connecting) {
        socket->connect_result = -ECONNRESET;
        world.changed();
    }
    if (socket->kind != SimSocket::Kind::stream) return;
    socket->link->shut_write(socket->side);
    if (side == ShutdownSide::both) socket->link->shut_read(socket->side);
}

int open_socket(int) noexcept {
    SimWorld& world = SimWorld::current();
    if (world.random().chance(world.faults().out_of_descriptors)) return -EMFILE;
    return world.add_socket(SimSocket::Kind::fresh).fd;
}

void abort_on_close(int fd) noexcept {
    SimWorld& world = SimWorld::current();
    SimSocket* socket = world.find(fd);
    if (!socket || socket->closing) return world.violate("an abort of a closed descriptor");
    socket->aborts_on_close = true;
}

bool peer_is_our_user(int) noexcept { return true; }

// Simulated sockets have no addresses.
bool socket_address(int, void*, unsigned) noexcept { return false; }

bool socket_is_quiet(int fd) noexcept {
    SimSocket* socket = SimWorld::current().find(fd);
    if (!socket || socket->kind != SimSocket::Kind::stream) return false;
    SimLink& link = *socket->link;
    return link.arrived(socket->side).empty() && !link.ended(socket->side) &&
           !link.has_error(socket->side) && !link.dead(socket->side);
}

void close_socket(int fd) noexcept {
    SimWorld& world = SimWorld::current();
    SimSocket* socket = world.find(fd);
    if (!socket || socket->closing) return world.violate("a descriptor closed twice");
    world.close_socket(*socket);
}

// Doorbells are real: threads outside the world may ring them.
int make_doorbell() noexcept {
    const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

void close_doorbell(int eventfd) noexcept { ::close(eventfd); }

void ring_doorbell(int eventfd) noexcept {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(eventfd, &one, sizeof one);
}

namespace {

ssize_t splice_in(SimLink& link, SimLink::Side side, int pipe, size_t size) {
    const std::string_view bytes = link.arrived(side);
    if (bytes.empty()) {
        if (int error = link.take_error(side)) return -error;
        return link.ended(side) ? 0 : -EAGAIN;
    }
    const ssize_t moved = ::write(pipe, bytes.data(), std::min(size, bytes.size()));
    if (moved < 0) return -errno;
    link.consume(side, static_cast<size_t>(moved));
    return moved;
}

ssize_t splice_out(SimLink& link, SimLink::Side side, int pipe, size_t size) {
    if (int error = link.take_error(side)) return -error;
    if (link.dead(side) || link.write_shut(side)) return -EPIPE;
    std::string bytes(std::min(size, link.room(side)), '\0');
    if (bytes.empty()) return -EAGAIN;
    const ssize_t moved = ::read(pipe, bytes.data(), bytes.size());
    if (moved <= 0) return moved < 0 ? -errno : 0;
    bytes.resize(static_cast<size_t>(moved));
    link.write(side, bytes);
    return moved;
}

}  // namespace

ssize_t splice_bytes(int from, int to, size_t size) noexcept {
    SimWorld& world = SimWorld::current();
    if (world.random().chance(world.faults().would_block)) return -EAGAIN;
    if (size > 1 && world.random().chance(world.faults().short_transfer))
        size = world.random().between(1, size);
    SimSocket* source = world.find(from);
    SimSocket* target = world.find(to);
    SimSocket* socket = source ? source : target;
    if (!socket || socket->kind != SimSocket::Kind::stream || (source && target)) {
        world.violate("a splice that is not between one socket and one pipe");
        return -EINVAL;
    }
    return source ? splice_in(*socket->link, socket->side, to, size)
                  : splice_out(*socket->link, socket->side, from, size);
}

namespace {

// What fits into a socket of the world, of `wanted` bytes; or -errno.
ssize_t sendable(SimWorld& world, SimSocket* socket, size_t wanted) {
    if (!socket || socket->kind != SimSocket::Kind::stream || socket->closing) {
        world.violate("bytes sent to what is no open connection");
        return -EBADF;
    }
    SimLink& link = *socket->link;
    if (int error = link.take_error(socket->side)) return -error;
    if (link.dead(socket->side) || link.write_shut(socket->side)) return -EPIPE;
    size_t size = std::min(wanted, link.room(socket->side));
    if (size > 1 && world.random().chance(world.faults().short_transfer))
        size = world.random().between(1, size);
    return size > 0 ? static_cast<ssize_t>(size) : -EAGAIN;
}

}  // namespace

ssize_t send_file(int socket, int file, uint64_t offset, size_t size) noexcept {
    SimWorld& world = SimWorld::current();
    SimSocket* target = world.find(socket);
    const ssize_t fits = sendable(world, target, size);
    if (fits < 0) return fits;
    std::string bytes(static_cast<size_t>(fits), '\0');
    const ssize_t read = ::pread(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (read <= 0) return read < 0 ? -errno : 0;
    bytes.resize(static_cast<size_t>(read));
    target->link->write(target->side, bytes);
    return read;
}

ssize_t send_now(int socket, const msghdr& message, unsigned) noexcept {
    SimWorld& world = SimWorld::current();
    std::string bytes;
    for (size_t i = 0; i < message.msg_iovlen; ++i)
        bytes.append(static_cast<const char*>(message.msg_iov[i].iov_base),
                     message.msg_iov[i].iov_len);
    SimSocket* target = world.find(socket);
    const ssize_t fits = sendable(world, target, bytes.size());
    if (fits < 0) return fits;
    bytes.resize(static_cast<size_t>(fits));
    target->link->write(target->side, bytes);
    return fits;
}

ssize_t receive_now(int fd, void* out, size_t size) noexcept {
    SimWorld& world = SimWorld::current();
    SimSocket* socket = world.find(fd);
    if (!socket || socket->kind != SimSocket::Kind::stream || socket->closing) {
        world.violate("a receive on what is no open connection");
        return -EBADF;
    }
    if (socket->reader) world.violate("two readers on one socket");
    if (world.random().chance(world.faults().interrupted)) return -EINTR;
    SimLink& link = *socket->link;
    const std::string_view bytes = link.arrived(socket->side);
    if (bytes.empty()) {
        if (int error = link.take_error(socket->side)) return -error;
        return link.ended(socket->side) ? 0 : -EAGAIN;
    }
    size = std::min(size, bytes.size());
    if (size > 1 && world.random().chance(world.faults().short_transfer))
        size = world.random().between(1, size);
    std::memcpy(out, bytes.data(), size);
    link.consume(socket->side, size);
    return static_cast<ssize_t>(size);
}

PeerState look_at_peer(int fd) noexcept {
    SimWorld& world = SimWorld::current();
    SimSocket* socket = world.find(fd);
    if (!socket || socket->kind != SimSocket::Kind::stream || socket->closing) {
        world.violate("a look at what is no open connection");
        return {};
    }
    SimLink& link = *socket->link;
    return {link.take_error(socket->side), link.ended(socket->side),
            link.arrived(socket->side).size()};
}

bool is_resident(int, uint64_t, uint64_t) noexcept {
    SimWorld& world = SimWorld::current();
    return !world.random().chance(world.faults().would_block);
}

ssize_t read_resident(int fd, void* out, size_t size, uint64_t offset) noexcept {
    SimWorld& world = SimWorld::current();
    if (world.random().chance(world.faults().would_block))
        return world.random().chance(500) ? -EAGAIN : -EOPNOTSUPP;
    if (size > 1 && world.random().chance(world.faults().short_transfer))
        size = world.random().between(1, size);
    iovec part{out, size};
    // Files of tests are in memory, but their file systems (tmpfs) do not answer the probe.
    const ssize_t read = ::preadv(fd, &part, 1, static_cast<off_t>(offset));
    return read < 0 ? -errno : read;
}

}  // namespace ringtime::ring
