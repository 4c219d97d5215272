#pragma once
// Constructed objects that are used again: taking one runs no constructor, so objects with large
// tables cost nothing to reuse. The object resets itself. Grows up to a limit and keeps what it
// made. Single-threaded.

#include <cstddef>
#include <memory>
#include <vector>

#include "base/assert.h"

namespace ringtime {

template <typename T>
class Pool {
 public:
    explicit Pool(size_t limit) : limit_(limit) {}

    /// An idle object, or one made by `make()`; null at the limit.
    template <typename Make>
    [[nodiscard]] T* take(Make&& make) {
        if (idle_.empty()) {
            if (all_.size() == limit_) return nullptr;
            all_.push_back(make());
            idle_.reserve(all_.capacity());
            ++used_;
            return all_.back().get();
        }
        T* object = idle_.back();
        idle_.pop_back();
        ++used_;
        return object;
    }
    void give(T& object) noexcept {
        ASSERT(used_ > 0);
        --used_;
        idle_.push_back(&object);
    }
    [[nodiscard]] size_t used() const noexcept { return used_; }

 private:
    size_t limit_;
    size_t used_ = 0;
    std::vector<std::unique_ptr<T>> all_;
    std::vector<T*> idle_;
};

}  // namespace ringtime
