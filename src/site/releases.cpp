#include "site/releases.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "site/limits.h"

namespace ringtime::site {

Releases::~Releases() {
    close(current_);
    close(previous_);
}

void Releases::close(Held& held) noexcept {
    if (held.fd >= 0) ::close(held.fd);
    held = {};
}

void Releases::enter() noexcept {
    std::lock_guard lock(mutex_);
    ++users_;
}

void Releases::leave() noexcept {
    std::lock_guard lock(mutex_);
    if (--users_ > 0) return;
    close(current_);
    close(previous_);
}

uint64_t Releases::opened(uint64_t asked, int folder, const FileFacts& facts,
                          Nanoseconds at) noexcept {
    std::lock_guard lock(mutex_);
    drop_if_old(at);
    // Another core saw a switch meanwhile: what was opened may be from before it.
    if (asked != now()) return asked;
    if (current_.fd >= 0 && current_.device == facts.device && current_.inode == facts.inode)
        return asked;
    int copy = ::fcntl(folder, F_DUPFD_CLOEXEC, 0);
    bool switched = current_.fd >= 0;
    if (switched) {
        close(previous_);
        previous_ = std::exchange(current_, {});
        switched_at_ = at;
        count_.store(asked + 1, std::memory_order_release);
    }
    // Without a descriptor to spare the next switch is not seen as one by those who come late.
    if (copy >= 0) current_ = {copy, facts.device, facts.inode};
    return now();
}

int Releases::before(Nanoseconds at) noexcept {
    std::lock_guard lock(mutex_);
    drop_if_old(at);
    return previous_.fd < 0 ? -1 : ::fcntl(previous_.fd, F_DUPFD_CLOEXEC, 0);
}

void Releases::drop_if_old(Nanoseconds at) noexcept {
    if (previous_.fd < 0 || at < switched_at_) return;
    if (at - switched_at_ >= from_milliseconds(ages::release_overlap_ms)) close(previous_);
}

}  // namespace ringtime::site
