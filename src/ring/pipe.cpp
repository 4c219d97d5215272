// Pipes, the same under both back ends: in a simulated world too they are the kernel's, and hold
// what is between two simulated sockets.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "ring/direct.h"

namespace ringtime::ring {
namespace {

constexpr size_t kSmallestPipe = 64 * 1024;  ///< What pipe(2) gives whom nothing is refused.

}  // namespace

bool open_pipe(int (&ends)[2], size_t size) noexcept {
    if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return false;
    // Refused to a user who has many already: then it stays as small as it is. The next ones are of
    // two pages, through which a body goes slower than through a buffer.
    (void)::fcntl(ends[1], F_SETPIPE_SZ, static_cast<int>(size));
    int got = ::fcntl(ends[1], F_GETPIPE_SZ);
    if (got >= static_cast<int>(std::min(size, kSmallestPipe))) return true;
    close_pipe(ends);
    return false;
}

void close_pipe(const int (&ends)[2]) noexcept {
    ::close(ends[0]);
    ::close(ends[1]);
}

}  // namespace ringtime::ring
