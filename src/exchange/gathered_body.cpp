#include "exchange/gathered_body.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/assert.h"
#include "base/limits.h"

namespace ringtime::exchange {

using http::Pull;

namespace {

constexpr size_t kFirstBytes = 16 * 1024;
constexpr uint32_t kPullBytes = 256 * 1024;

}  // namespace

GatheredBlocks::Block* GatheredBlocks::grow(Block* block, size_t size) noexcept {
    size_t had = block ? block->capacity : 0;
    ASSERT(size > had && (!block || block->references == 1));
    if (size - had > limits::gathered_bytes_per_core - used_) return nullptr;
    void* memory = std::realloc(block, sizeof(Block) + size);
    if (!memory) return nullptr;
    Block* grown = block ? static_cast<Block*>(memory) : new (memory) Block;
    grown->capacity = size;
    used_ += size - had;
    return grown;
}

void GatheredBlocks::drop(Block& block) noexcept {
    if (--block.references > 0) return;
    used_ -= block.capacity;
    std::free(&block);
}

void GatheredBlocks::release_piece(uint64_t token) noexcept {
    drop(*reinterpret_cast<Block*>(token));
}

void GatheredBody::begin(GatheredBlocks& blocks, http::BodySource& inner,
                         uint64_t bytes_max) noexcept {
    reset();
    blocks_ = &blocks;
    inner_ = &inner;
    bytes_max_ = bytes_max;
    size_ = pulled_ = 0;
    error_ = {};
}

void GatheredBody::reset() noexcept {
    if (block_) blocks_->drop(*block_);
    block_ = nullptr;
}

std::string_view GatheredBody::view() const noexcept {
    return block_ ? std::string_view(block_->bytes(), size_) : std::string_view("", 0);
}

GatheredBody::Progress GatheredBody::gather() noexcept {
    for (;;) {
        Piece piece;
        switch (inner_->pull(piece, kPullBytes)) {
            case Pull::pending: return Progress::pending;
            case Pull::end: return Progress::complete;
            case Pull::failed: error_ = inner_->error(); return Progress::failed;
            case Pull::data: break;
        }
        size_t needed = size_ + piece.size;
        if (needed > bytes_max_) {
            error_ = {Reason::body_too_large, Source::client, Retry::no, 0, 0};
        } else if (!block_ || needed > block_->capacity) {
            size_t had = block_ ? block_->capacity : 0;
            // What was announced is believed no further than it has come true.
            size_t size = std::max({needed, std::min<size_t>(2 * had, bytes_max_), kFirstBytes});
            GatheredBlocks::Block* grown = blocks_->grow(block_, size);
            if (grown) block_ = grown;
            if (!grown) error_ = {Reason::overload, Source::gateway, Retry::no, 0, 0};
        }
        if (error_.ok()) std::memcpy(block_->bytes() + size_, piece.data, piece.size);
        piece.release();
        if (!error_.ok()) return Progress::failed;
        size_ = needed;
    }
}

Pull GatheredBody::pull(Piece& out, uint32_t max) noexcept {
    if (pulled_ == size_) return Pull::end;
    auto size = static_cast<uint32_t>(std::min<size_t>(max, size_ - pulled_));
    out = {block_->bytes() + pulled_, size, blocks_, reinterpret_cast<uint64_t>(block_)};
    ++block_->references;
    pulled_ += size;
    return Pull::data;
}

}  // namespace ringtime::exchange
