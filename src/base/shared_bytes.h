#pragma once
// Bytes that several may have to keep, on several threads: an event on its way to many clients, a
// body that the kernel may still be reading when its owner has given up. Freed when the last
// reference is dropped; a piece over them is one.

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string_view>

#include "base/piece.h"

namespace ringtime {

class SharedBytes final : public PieceOwner {
 public:
    /// Room for `size` bytes; one reference is the caller's. Null without memory.
    [[nodiscard]] static SharedBytes* make(size_t size) noexcept {
        void* memory = size > UINT32_MAX ? nullptr : std::malloc(sizeof(SharedBytes) + size);
        return memory ? new (memory) SharedBytes(static_cast<uint32_t>(size)) : nullptr;
    }

    [[nodiscard]] char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
    [[nodiscard]] std::string_view view() const noexcept {
        return {reinterpret_cast<const char*>(this + 1), size_};
    }
    void take() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void drop() noexcept {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) std::free(this);
    }
    /// Part of them as a piece, which takes a reference.
    [[nodiscard]] Piece piece(std::string_view part) noexcept {
        take();
        return {part.data(), static_cast<uint32_t>(part.size()), this, 0};
    }
    void release_piece(uint64_t) noexcept override { drop(); }

 private:
    explicit SharedBytes(uint32_t size) noexcept : size_(size) {}

    std::atomic<uint32_t> references_{1};
    uint32_t size_;
};

}  // namespace ringtime
