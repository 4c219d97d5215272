#pragma once
// Receive buffers that the kernel picks from when bytes arrive, so that waiting connections hold
// none. One pool per group and core. A buffer handed over by a completion has one reference; pieces
// cut from it take more; at zero it goes back to the kernel. Also keeps, for the stream that holds
// a buffer, which bytes of it are unread and which buffer follows: received bytes need no list
// nodes. Single-threaded.
//
// Buffers that wait for slow peers must not be missing elsewhere, so there are many more than the
// kernel is shown: of each that is filled a spare one takes the place. Spares are used last in,
// first out, so that a core at ease goes round in few, and memory never used is never touched. How
// much one holder may keep shrinks with what is left (share): whoever comes later finds some.

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

    /// `count` buffers in all, `ready` of them shown to the kernel; powers of two, at most 32768.
    BufferPool(uint32_t buffer_size, uint32_t count, uint32_t ready);
    BufferPool(const BufferPool&) = delete;
    BufferPool& operator=(const BufferPool&) = delete;
    ~BufferPool();

    [[nodiscard]] char* data(uint16_t id) noexcept { return memory_ + size_t{id} * buffer_size_; }
    [[nodiscard]] Slice& slice(uint16_t id) noexcept { return slices_[id]; }
    [[nodiscard]] uint32_t buffer_size() const noexcept { return buffer_size_; }
    [[nodiscard]] uint32_t count() const noexcept { return count_; }
    /// Buffers nobody holds: those shown to the kernel and the spare ones.
    [[nodiscard]] uint32_t available() const noexcept { return available_; }
    /// Buffers the kernel may fill without being shown more.
    [[nodiscard]] uint32_t ready() const noexcept { return available_ - spare_count_; }
    /// How many buffers one holder may keep, of `most` when all are free; at least one.
    [[nodiscard]] uint32_t share(uint32_t most) const noexcept {
        auto fair = static_cast<uint32_t>(uint64_t{available_} * most / count_);
        return fair > 0 ? fair : 1;
    }
    /// So few are left that new work is better refused than left waiting for them.
    [[nodiscard]] bool scarce() const noexcept { return available_ < count_ / 32; }

    /// The completion's reference: called by the ring when a buffer is handed over.
    void hand_over(uint16_t id, uint32_t size) noexcept {
        ASSERT(slices_[id].references == 0);
        slices_[id] = {0, size, no_buffer, 1};
        --available_;
        if (spare_count_ == 0) return;
        publish(spares_[--spare_count_]);
        if (spare_count_ < spares_idle_) spares_idle_ = spare_count_;
    }
    void retain(uint16_t id) noexcept {
        DEBUG_ASSERT(slices_[id].references > 0);
        ++slices_[id].references;
    }
    void release(uint16_t id) noexcept {
        ASSERT(slices_[id].references > 0);
        if (--slices_[id].references == 0) {
            bool shown = ready() < ready_max_;
            ++available_;
            if (shown) return publish(id);
            set_aside(id);
            spares_[spare_count_++] = id;
        }
    }
    void release_piece(uint64_t token) noexcept override { release(static_cast<uint16_t>(token)); }

    /// Gives the memory of spares that were not used since the last call back to the system, a few
    /// at a time. For whoever has time, now and then.
    void trim() noexcept;

 private:
    friend class Ring;
    friend struct RingBackend;

    /// Gives a buffer to the kernel; implemented by the back end.
    void publish(uint16_t id) noexcept;
    /// Sets memory_, of memory_size_ bytes; implemented by the back end.
    void take_memory();
    /// Told of each buffer that becomes a spare; implemented by the back end.
    void set_aside(uint16_t id) noexcept;
    /// The buffer's bytes may be forgotten; implemented by the back end.
    void drop_memory(uint16_t id) noexcept;
    /// All buffers become free: the first ones are shown, the others spare.
    void fill() noexcept;

    uint32_t buffer_size_;
    uint32_t count_;
    uint32_t ready_max_;
    uint32_t available_ = 0;
    std::vector<uint16_t> spares_;
    uint32_t spare_count_ = 0;
    uint32_t spares_idle_ = 0;   ///< The fewest spares since trim(): so many are not needed.
    uint32_t spares_clean_ = 0;  ///< Of those, the ones at the bottom that have no memory.
    char* memory_ = nullptr;
    size_t memory_size_ = 0;
    std::vector<Slice> slices_;
    void* kernel_ring_ =
        nullptr;  ///< The back end's: shared ring of buffers, or the simulation's list.
    size_t kernel_ring_size_ = 0;
    uint16_t kernel_tail_ = 0;
};

}  // namespace ringtime::ring
