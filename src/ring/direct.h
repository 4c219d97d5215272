#pragma once
// The closed list of system calls the data path makes directly, because io_uring would hand them to
// a helper thread (shutdown, splice), has none such (sendfile, cachestat), because a doorbell must
// not wait for the next submission, because the memory they use is not to be held while one waits
// (receive_now), or because they only probe. Sockets are non-blocking for these.
// Each back end implements them; pipes are the same for both (pipe.cpp).

#include <sys/socket.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace ringtime::ring {

enum class ShutdownSide : uint8_t { write, both };

/// Sends FIN (write) or ends both directions. Errors are of no interest: the peer may be gone.
void shutdown_socket(int fd, ShutdownSide side) noexcept;

/// A non-blocking, close-on-exec eventfd; -errno when there is none to be had. For start-up.
[[nodiscard]] int make_doorbell() noexcept;
void close_doorbell(int eventfd) noexcept;
/// Adds one to a doorbell. Any thread.
void ring_doorbell(int eventfd) noexcept;

/// A non-blocking stream socket for an outgoing connection, Nagle's algorithm off; or -errno.
[[nodiscard]] int open_socket(int family) noexcept;
/// Whether the process behind a unix socket runs as our user, or as root.
[[nodiscard]] bool peer_is_our_user(int fd) noexcept;
/// Where a connected socket's own end is; false when nobody knows.
[[nodiscard]] bool socket_address(int fd, void* address, unsigned size) noexcept;
/// Nothing has arrived that nobody has read, the connection's end included.
[[nodiscard]] bool socket_is_quiet(int fd) noexcept;
/// Closes a socket that no operation uses. For refusing a connection at once.
void close_socket(int fd) noexcept;
/// Closing will send a reset instead of what is queued.
void abort_on_close(int fd) noexcept;

/// A non-blocking pipe that takes `size` bytes at once, or as many as the system allows: its read
/// and write ends, false when there is none to be had, or none of a useful size.
[[nodiscard]] bool open_pipe(int (&ends)[2], size_t size) noexcept;
void close_pipe(const int (&ends)[2]) noexcept;

/// Moves bytes between a socket and a pipe. Result: bytes, 0 at the end of the stream, or -errno.
[[nodiscard]] ssize_t splice_bytes(int from, int to, size_t size) noexcept;

/// Sends what a socket takes at once of a file: bytes, 0 at the file's end, or -errno. For files
/// that lie in memory: on others it would wait for the disk.
[[nodiscard]] ssize_t send_file(int socket, int file, uint64_t offset, size_t size) noexcept;
/// Sends what a socket takes at once of a message; `flags` as with send(2). Bytes, or -errno.
[[nodiscard]] ssize_t send_now(int socket, const msghdr& message, unsigned flags) noexcept;

/// Takes at once what has arrived, at most `size` bytes: that many, 0 at the end of the stream, or
/// -errno.
[[nodiscard]] ssize_t receive_now(int socket, void* out, size_t size) noexcept;

/// How the other end of a connection does, seen without taking any of its bytes.
struct PeerState {
    int error = 0;         ///< That ended the connection: an errno, told once. 0: none.
    bool finished = false; ///< It sends nothing more.
    uint64_t unread = 0;   ///< Bytes that have arrived.
};
[[nodiscard]] PeerState look_at_peer(int socket) noexcept;

/// All these bytes of a file lie in memory. False as well where the system cannot tell.
[[nodiscard]] bool is_resident(int file, uint64_t offset, uint64_t size) noexcept;

/// Reads only what is in memory already (RWF_NOWAIT). Result: bytes, or -errno (-EAGAIN: on disk).
[[nodiscard]] ssize_t read_resident(int fd, void* out, size_t size, uint64_t offset) noexcept;

}  // namespace ringtime::ring
