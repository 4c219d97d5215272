#include "net/io.h"

#include <new>

namespace ringtime::net {
namespace {

constexpr size_t kSmallTextBytes = 4 * 1024;
constexpr size_t kTextBlocksMax = 65536;
constexpr size_t kLargeTextBlocksMax = 1024;

}  // namespace

TextBlocks::TextBlocks()
    : small_(kSmallTextBytes, kTextBlocksMax, 16),
      large_(large_bytes, kLargeTextBlocksMax, 1) {}

TextBlock* TextBlocks::take(size_t size) noexcept {
    SlabMemory& memory = size <= kSmallTextBytes - sizeof(TextBlock) ? small_ : large_;
    if (size > memory.slot_size() - sizeof(TextBlock)) return nullptr;
    void* slot = memory.take();
    if (!slot) return nullptr;
    auto* block = new (slot) TextBlock;
    block->references = 1;
    block->capacity = static_cast<uint32_t>(memory.slot_size() - sizeof(TextBlock));
    return block;
}

char* TextBlocks::reserve(TextBlock*& block, size_t size) noexcept {
    if (block && block->capacity - block->used < size) let_go(block);
    if (!block) block = take(size);
    return block ? block->bytes() + block->used : nullptr;
}

Piece TextBlocks::commit(TextBlock& block, size_t size) noexcept {
    DEBUG_ASSERT(size <= block.capacity - block.used);
    Piece piece{block.bytes() + block.used, static_cast<uint32_t>(size), this,
                reinterpret_cast<uint64_t>(&block)};
    block.used += static_cast<uint32_t>(size);
    ++block.references;
    return piece;
}

void TextBlocks::let_go(TextBlock*& block) noexcept {
    if (!block) return;
    drop(*block);
    block = nullptr;
}

void TextBlocks::release_piece(uint64_t token) noexcept {
    drop(*reinterpret_cast<TextBlock*>(token));
}

void TextBlocks::drop(TextBlock& block) noexcept {
    ASSERT(block.references > 0);
    if (--block.references > 0) return;
    bool is_small = block.capacity <= kSmallTextBytes;
    (is_small ? small_ : large_).give(&block);
}

Io::Io(loop::Reactor& core_reactor)
    : reactor(core_reactor), send_blocks(2 * limits::connections_per_core, 16) {}

}  // namespace ringtime::net
