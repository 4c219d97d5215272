#pragma once
// A queue of bytes that is read from its front without moving the rest.

#include <cstddef>
#include <string>
#include <string_view>

#include "base/assert.h"

namespace ringtime::ring {

class SimBytes {
 public:
    [[nodiscard]] size_t size() const noexcept { return bytes_.size() - begin_; }
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    [[nodiscard]] std::string_view view() const noexcept {
        return std::string_view(bytes_).substr(begin_);
    }
    void append(std::string_view more) { bytes_.append(more); }
    void consume(size_t count) {
        ASSERT(count <= size());
        begin_ += count;
        // Moved once half is gone: every byte moves at most once on average.
        if (begin_ * 2 < bytes_.size()) return;
        bytes_.erase(0, begin_);
        begin_ = 0;
    }
    void clear() noexcept {
        bytes_.clear();
        begin_ = 0;
    }

 private:
    std::string bytes_;
    size_t begin_ = 0;
};

}  // namespace ringtime::ring
