#pragma once
// One contiguous allocation that holds the sections of a compiled table, each on its own cache
// line. Immutable once filled; freed whole.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include "base/assert.h"

namespace ringtime::route {

class Block {
 public:
    static constexpr size_t alignment = 64;

    /// Bytes a section takes.
    template <typename T>
    [[nodiscard]] static size_t section_size(const std::vector<T>& items) noexcept {
        return (items.size() * sizeof(T) + alignment - 1) & ~(alignment - 1);
    }

    Block() = default;
    explicit Block(size_t capacity)
        : bytes_(static_cast<std::byte*>(std::aligned_alloc(alignment, capacity + alignment))),
          capacity_(capacity) {
        ASSERT(bytes_ != nullptr);
    }

    /// Copies a section in and returns where it stands.
    template <typename T>
    [[nodiscard]] std::span<const T> place(const std::vector<T>& items) noexcept {
        static_assert(std::is_trivially_copyable_v<T>);
        ASSERT(section_size(items) <= capacity_ - size_);
        std::byte* target = bytes_.get() + size_;
        if (!items.empty()) std::memcpy(target, items.data(), items.size() * sizeof(T));
        size_ += section_size(items);
        return {reinterpret_cast<const T*>(target), items.size()};
    }

    [[nodiscard]] size_t size() const noexcept { return size_; }

 private:
    struct Free {
        void operator()(std::byte* bytes) const noexcept { std::free(bytes); }
    };
    std::unique_ptr<std::byte, Free> bytes_;
    size_t capacity_ = 0;
    size_t size_ = 0;
};

}  // namespace ringtime::route
