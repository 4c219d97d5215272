#pragma once
// Fixed-size slots for the objects of one core. Memory grows in pages of slots up to a named limit
// and is kept; a released slot is the next one handed out (it is warm). Single-threaded.

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "base/assert.h"

namespace ringtime {

/// Untyped slots of one size. Slots are 64-byte aligned.
class SlabMemory {
 public:
   SlabMemory(size_t slot_size, size_t limit, size_t slots_per_page)
       : slot_size_((slot_size + 63) & ~size_t{63}),
         limit_(limit),
         slots_per_page_(slots_per_page) {
       ASSERT(slots_per_page > 0);
   }
    SlabMemory(const SlabMemory&) = delete;
    SlabMemory& operator=(const SlabMemory&) = delete;
    ~SlabMemory() {
        for (void* page : pages_) std::free(page);
    }

    /// Null when `limit` slots are in use (an ordinary result) or memory is short.
    [[nodiscard]] void* take() noexcept {
        if (used_ == limit_) return nullptr;
        if (!free_ && !grow()) return nullptr;
        Slot* slot = free_;
        free_ = slot->next;
        ++used_;
        return slot;
    }

    void give(void* memory) noexcept {
        ASSERT(used_ > 0);
        auto* slot = static_cast<Slot*>(memory);
        slot->next = free_;
        free_ = slot;
        --used_;
    }

    [[nodiscard]] size_t used() const noexcept { return used_; }
    [[nodiscard]] size_t limit() const noexcept { return limit_; }
    [[nodiscard]] size_t slot_size() const noexcept { return slot_size_; }

 private:
    struct Slot {
        Slot* next;
    };

    bool grow() noexcept {
        void* page = std::aligned_alloc(64, slot_size_ * slots_per_page_);
        if (!page) return false;
        pages_.push_back(page);
        for (size_t i = slots_per_page_; i-- > 0;) {
            auto* slot = reinterpret_cast<Slot*>(static_cast<char*>(page) + i * slot_size_);
            slot->next = free_;
            free_ = slot;
        }
        return true;
    }

    size_t slot_size_;
    size_t limit_;
    size_t slots_per_page_;
    size_t used_ = 0;
    Slot* free_ = nullptr;
    std::vector<void*> pages_;
};

/// Typed slots: construct and destroy in place.
template <typename T>
class Slab {
 public:
    explicit Slab(size_t limit, size_t slots_per_page = 64)
        : memory_(sizeof(T), limit, slots_per_page) {}

    template <typename... Args>
    [[nodiscard]] T* create(Args&&... args) noexcept {
        void* slot = memory_.take();
        return slot ? new (slot) T(std::forward<Args>(args)...) : nullptr;
    }
    void destroy(T* object) noexcept {
        object->~T();
        memory_.give(object);
    }
    [[nodiscard]] size_t used() const noexcept { return memory_.used(); }
    [[nodiscard]] size_t limit() const noexcept { return memory_.limit(); }

 private:
    SlabMemory memory_;
};

}  // namespace ringtime
