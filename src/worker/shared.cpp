#include "worker/shared.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"

namespace ringtime::worker {

NoticeBoard::NoticeBoard() noexcept : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
NoticeBoard::~NoticeBoard() {
    if (fd_ >= 0) close(fd_);
}

void NoticeBoard::post(Notice& notice, uint32_t bits) noexcept {
    // Whoever finds no bit set is the one that enters it; it is out of the list before bits become
    // 0.
    if (notice.bits.fetch_or(bits, std::memory_order_acq_rel) != 0) return;
    Notice* top = top_.load(std::memory_order_relaxed);
    do {
        notice.next = top;
    } while (!top_.compare_exchange_weak(top, &notice, std::memory_order_release));
    if (top) return;  // Whoever made the list non-empty has rung.
    uint64_t one = 1;
    if (write(fd_, &one, sizeof one) < 0) {
        // Full: it is ringing.
    }
}

Notice* NoticeBoard::take_all() noexcept {
    uint64_t count;
    if (read(fd_, &count, sizeof count) < 0) {
        // Nothing rang; there may still be something.
    }
    Notice* taken = top_.exchange(nullptr, std::memory_order_acquire);
    Notice* reversed = nullptr;
    while (taken) {
        Notice* next = taken->next;
        taken->next = reversed;
        reversed = taken;
        taken = next;
    }
    return reversed;
}

}  // namespace ringtime::worker
