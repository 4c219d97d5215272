#pragma once
// The body of a request as far as it was sent to one server, kept so that another can be sent the
// same. Copies into blocks of text; gives up when the body is larger than the limit or memory is
// short, which only means that the request cannot be repeated.

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/upstream_limits.h"
#include "net/io.h"

namespace ringtime::upstream {

class Replay {
 public:
    explicit Replay(net::TextBlocks& texts) noexcept : texts_(texts) {}
    ~Replay() { clear(); }
    Replay(const Replay&) = delete;
    Replay& operator=(const Replay&) = delete;

    /// Starts over; a limit of 0 keeps nothing, and any byte makes the body incomplete.
    void begin(uint64_t limit) noexcept {
        clear();
        left_ = limit;
        keeps_ = limit > 0;
        whole_ = true;
    }
    void add(std::string_view bytes) noexcept {
        if (!whole_) return;
        if (bytes.size() > left_ || !store(bytes)) return give_up();
        left_ -= bytes.size();
    }
    /// Part of the body passes without being seen here: nothing of it is of use any more.
    void forgo() noexcept {
        if (whole_) give_up();
    }
    /// Bytes are still to be added.
    [[nodiscard]] bool keeps() const noexcept { return keeps_ && whole_; }
    /// Everything that was added is here.
    [[nodiscard]] bool whole() const noexcept { return whole_; }
    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }

    /// Calls `push(piece)` with everything kept, in order; each piece is the receiver's to release.
    template <typename Push>
    void for_each(Push&& push) const {
        for (unsigned i = 0; i < count_; ++i) push(texts_.again(pieces_[i]));
    }

    void clear() noexcept {
        for (unsigned i = 0; i < count_; ++i) pieces_[i].release();
        count_ = 0;
        texts_.let_go(block_);
    }

 private:
    static constexpr size_t kBlockBytes = net::TextBlocks::large_bytes - 64;
    // One small block, then large ones.
    static constexpr unsigned kPiecesMax = 2 + limits::replay_bytes_max / kBlockBytes;

    void give_up() noexcept {
        clear();
        whole_ = false;
    }

    [[nodiscard]] bool store(std::string_view bytes) noexcept {
        while (!bytes.empty()) {
            size_t room = block_ ? block_->capacity - block_->used : 0;
            size_t size = std::min(bytes.size(), room);
            if (room == 0) {
                if (count_ == kPiecesMax || !texts_.plenty()) return false;
                size = std::min(bytes.size(), kBlockBytes);
            }
            // Behind the first block every one is large, however small the pieces are.
            char* to = texts_.reserve(block_, room == 0 && count_ > 0 ? kBlockBytes : size);
            if (!to) return false;
            std::memcpy(to, bytes.data(), size);
            append(texts_.commit(*block_, size));
            bytes.remove_prefix(size);
        }
        return true;
    }

    void append(const Piece& piece) noexcept {
        Piece* last = count_ > 0 ? &pieces_[count_ - 1] : nullptr;
        if (last && last->token == piece.token && last->data + last->size == piece.data) {
            last->size += piece.size;
            piece.release();
        } else {
            pieces_[count_++] = piece;
        }
    }

    net::TextBlocks& texts_;
    net::TextBlock* block_ = nullptr;
    uint64_t left_ = 0;
    bool whole_ = true;
    bool keeps_ = false;
    unsigned count_ = 0;
    Piece pieces_[kPiecesMax];
};

}  // namespace ringtime::upstream
