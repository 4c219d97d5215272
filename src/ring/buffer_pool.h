#pragma once
// Receive buffers that the kernel picks from when bytes arrive, so that waiting connections hold
// none. One pool per group and core. A buffer handed over by a completion has one reference; pieces
// cut from it take more; at zero it goes back to the kernel. Also keeps, for the stream that holds
// a buffer, which bytes of it are unread and which buffer follows: received bytes need no list
// nodes. Single-threaded.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/assert.h"
#include "base/piece.h"

namespace ringtime::ring {

class BufferPool final : public PieceOwner {
 public:
    static constexpr uint16_t no_buffer = UINT16_MAX;

    struct Slice {
        uint32_t begin = 0;
        uint32_t end = 0;
        uint16_t next = no_buffer;
        uint16_t references = 0;
    };

    /// `count` is a power of two, at most 32768.
    BufferPool(uint32_t buffer_size, uint32_t count);
    BufferPool(const BufferPool&) = delete;
    BufferPool& operator=(const BufferPool&) = delete;
    ~BufferPool();

    [[nodiscard]] char* data(uint16_t id) noexcept { return memory_ + size_t{id} * buffer_size_; }
    [[nodiscard]] Slice& slice(uint16_t id) noexcept { return slices_[id]; }
    [[nodiscard]] uint32_t buffer_size() const noexcept { return buffer_size_; }
    [[nodiscard]] uint32_t count() const noexcept { return count_; }
    /// Buffers the kernel may fill.
    [[nodiscard]] uint32_t available() const noexcept { return available_; }

    /// The completion's reference: called by the ring when a buffer is handed over.
    void hand_over(uint16_t id, uint32_t size) noexcept {
        ASSERT(slices_[id].references == 0);
        slices_[id] = {0, size, no_buffer, 1};
        --available_;
    }
    void retain(uint16_t id) noexcept {
        DEBUG_ASSERT(slices_[id].references > 0);
        ++slices_[id].references;
    }
    void release(uint16_t id) noexcept {
        ASSERT(slices_[id].references > 0);
        if (--slices_[id].references == 0) {
            ++available_;
            publish(id);
        }
    }
    void release_piece(uint64_t token) noexcept override { release(static_cast<uint16_t>(token)); }

 private:
    friend class Ring;
    friend struct RingBackend;

    /// Gives a buffer to the kernel; implemented by the back end.
    void publish(uint16_t id) noexcept;

    uint32_t buffer_size_;
    uint32_t count_;
    uint32_t available_ = 0;
    char* memory_ = nullptr;
    size_t memory_size_ = 0;
    std::vector<Slice> slices_;
    void* kernel_ring_ =
        nullptr;  ///< The back end's: shared ring of buffers, or the simulation's list.
    size_t kernel_ring_size_ = 0;
    uint16_t kernel_tail_ = 0;
};

}  // namespace ringtime::ring
