#include "ring/buffer_pool.h"

#include <algorithm>

namespace ringtime::ring {

namespace {

/// One call of trim() frees so many at most: a system call each.
constexpr uint32_t kTrimmedPerCall = 64;

}  // namespace

void BufferPool::fill() noexcept {
    available_ = count_;
    spare_count_ = 0;
    // The lowest spare is taken first, so that memory is used from its beginning.
    for (uint32_t id = count_; id-- > ready_max_;) {
        set_aside(static_cast<uint16_t>(id));
        spares_[spare_count_++] = static_cast<uint16_t>(id);
    }
    for (uint32_t id = 0; id < ready_max_; ++id) publish(static_cast<uint16_t>(id));
    spares_idle_ = spares_clean_ = spare_count_;
}

void BufferPool::trim() noexcept {
    spares_clean_ = std::min(spares_clean_, spares_idle_);
    uint32_t end = std::min(spares_idle_, spares_clean_ + kTrimmedPerCall);
    while (spares_clean_ < end) drop_memory(spares_[spares_clean_++]);
    spares_idle_ = spare_count_;
}

}  // namespace ringtime::ring
