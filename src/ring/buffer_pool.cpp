#include "ring/buffer_pool.h"

#include <algorithm>
#include <bit>

namespace ringtime::ring {

namespace {

/// One call of trim() frees so many at most: a system call each.
constexpr uint32_t kTrimmedPerCall = 64;

}  // namespace

BufferPool::BufferPool(uint32_t buffer_size, uint32_t count, uint32_t ready)
    : buffer_size_(buffer_size),
      count_(count),
      ready_max_(std::min(ready, count)),
      spares_(count),
      slices_(count) {
    ASSERT(std::has_single_bit(count) && std::has_single_bit(ready) && count <= 32768);
    memory_size_ = size_t{buffer_size} * count;
    take_memory();
}

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
