#pragma once
// Bump allocator for the bytes of one exchange. The first block is embedded in its owner or taken
// from a slab; further blocks come from malloc and are freed at reset, so the steady state
// allocates nothing. Memory is valid until reset(); destructors are not run. Single-threaded.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <type_traits>

#include "base/assert.h"

namespace ringtime {

class Arena {
 public:
   /// `block` is borrowed for the arena's life. `limit` bounds all bytes ever handed out between
   /// two resets, the first block included.
   Arena(char* block, size_t size, size_t limit) noexcept
       : first_(block), first_size_(size), limit_(limit), cursor_(block), end_(block + size) {}
   Arena(const Arena&) = delete;
   Arena& operator=(const Arena&) = delete;
   ~Arena() { reset(); }

   /// Returns null when the limit is reached: an ordinary result that callers answer with 431 or
   /// 500.
   [[nodiscard]] void* allocate(size_t size,
                                size_t alignment = alignof(std::max_align_t)) noexcept {
       auto address = (reinterpret_cast<uintptr_t>(cursor_) + alignment - 1) & ~(alignment - 1);
       if (address + size <= reinterpret_cast<uintptr_t>(end_)) [[likely]] {
           cursor_ = reinterpret_cast<char*>(address + size);
           return reinterpret_cast<void*>(address);
       }
       return allocate_block(size, alignment);
    }

    /// Storage for `count` objects of a trivial type, uninitialised; null at the limit.
    template <typename T>
    [[nodiscard]] T* allocate_array(size_t count) noexcept {
        static_assert(std::is_trivially_destructible_v<T>);
        return static_cast<T*>(allocate(sizeof(T) * count, alignof(T)));
    }

    template <typename T, typename... Args>
    [[nodiscard]] T* create(Args&&... args) noexcept {
        static_assert(std::is_trivially_destructible_v<T>);
        void* memory = allocate(sizeof(T), alignof(T));
        return memory ? new (memory) T(static_cast<Args&&>(args)...) : nullptr;
    }

    /// A copy that lives until reset; its data() is null at the limit.
    [[nodiscard]] std::string_view copy(std::string_view text) noexcept {
        auto* memory = static_cast<char*>(allocate(text.size() ? text.size() : 1, 1));
        if (!memory) return {};
        std::memcpy(memory, text.data(), text.size());
        return {memory, text.size()};
    }

    void reset() noexcept {
        while (blocks_) {
            Block* next = blocks_->next;
            std::free(blocks_);
            blocks_ = next;
        }
        cursor_ = first_;
        end_ = first_ + first_size_;
        spilled_ = 0;
    }

    /// Bytes taken from malloc since the last reset: 0 in the steady state.
    [[nodiscard]] size_t spilled() const noexcept { return spilled_; }

 private:
    struct Block {
        Block* next;
    };

    void* allocate_block(size_t size, size_t alignment) noexcept {
        static constexpr size_t kBlockSize = 16 * 1024;
        size_t wanted = sizeof(Block) + size + alignment;
        if (wanted < kBlockSize) wanted = kBlockSize;
        if (first_size_ + spilled_ + wanted > limit_) return nullptr;
        auto* block = static_cast<Block*>(std::malloc(wanted));
        if (!block) return nullptr;
        block->next = blocks_;
        blocks_ = block;
        spilled_ += wanted;
        cursor_ = reinterpret_cast<char*>(block + 1);
        end_ = reinterpret_cast<char*>(block) + wanted;
        return allocate(size, alignment);
    }

    char* first_;
    size_t first_size_;
    size_t limit_;
    char* cursor_;
    char* end_;
    Block* blocks_ = nullptr;
    size_t spilled_ = 0;
};

}  // namespace ringtime
