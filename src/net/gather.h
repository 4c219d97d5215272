#pragma once
// Bytes that arrived in several buffers and are needed in one run: heads, mostly from slow senders.
// They start in a small block and move to a large one, so that thousands of unfinished heads cost
// little and none holds a receive buffer. Views into it are invalid after add().

#include <cstring>
#include <string_view>

#include "net/io.h"

namespace ringtime::net {

class Gather {
 public:
    explicit Gather(TextBlocks& texts) noexcept : texts_(texts) {}
    ~Gather() { clear(); }
    Gather(const Gather&) = delete;
    Gather& operator=(const Gather&) = delete;

    [[nodiscard]] bool empty() const noexcept { return !block_; }
    [[nodiscard]] std::string_view view() const noexcept {
        return block_ ? std::string_view(block_->bytes(), block_->used) : std::string_view{};
    }
    /// False when the largest block is full or memory is at its limit.
    [[nodiscard]] bool add(std::string_view bytes) noexcept {
        size_t have = block_ ? block_->used : 0;
        if (!block_ || block_->capacity - have < bytes.size()) {
            TextBlock* larger = nullptr;
            if (!texts_.reserve(larger, have + bytes.size())) return false;
            if (have > 0) std::memcpy(larger->bytes(), block_->bytes(), have);
            larger->used = static_cast<uint32_t>(have);
            texts_.let_go(block_);
            block_ = larger;
        }
        std::memcpy(block_->bytes() + have, bytes.data(), bytes.size());
        block_->used += static_cast<uint32_t>(bytes.size());
        return true;
    }
    void clear() noexcept { texts_.let_go(block_); }

 private:
    TextBlocks& texts_;
    TextBlock* block_ = nullptr;
};

}  // namespace ringtime::net
