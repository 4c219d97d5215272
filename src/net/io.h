#pragma once
// What all sockets of one core share: the reactor, the memory of sends in flight, and blocks of
// text for heads and chunk lines. An idle connection holds none of it.

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstdint>

#include "base/limits.h"
#include "base/piece.h"
#include "base/slab.h"
#include "loop/reactor.h"
#include "net/pipes.h"

namespace ringtime::net {

/// Pieces on their way to one socket; a stream keeps a list of these.
struct SendBlock {
    SendBlock* next = nullptr;
    uint32_t first = 0;  ///< Pieces before this one have been sent.
    uint32_t count = 0;
    Piece pieces[limits::send_pieces_max];
    iovec vectors[limits::send_pieces_max];
    msghdr message{};

    [[nodiscard]] bool full() const noexcept { return count == limits::send_pieces_max; }
};

/// Text that a connection writes itself. A block is shared by the pieces cut from it and returns to
/// its slab when the last of them has been sent and the writer has let go.
struct TextBlock {
    uint32_t references = 0;
    uint32_t used = 0;
    uint32_t capacity = 0;

    [[nodiscard]] char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
};

class TextBlocks final : public PieceOwner {
 public:
    /// Of a large block, its header included. A rewritten head may be larger than the one received:
    /// the gateway's own fields come on top.
    static constexpr size_t large_bytes = 2 * limits::head_bytes_max;

    TextBlocks();

    /// Room for `size` bytes at the end of `block`, which is replaced when it has not enough. Null
    /// when memory is at its limit or `size` is larger than any block.
    [[nodiscard]] char* reserve(TextBlock*& block, size_t size) noexcept;
    /// The `size` bytes just written at the end of `block`.
    [[nodiscard]] Piece commit(TextBlock& block, size_t size) noexcept;
    /// Another reference to what a piece of these blocks holds.
    [[nodiscard]] Piece again(const Piece& piece) noexcept {
        ++reinterpret_cast<TextBlock*>(piece.token)->references;
        return piece;
    }
    /// Less than half of the large blocks are in use: there is memory for what is only useful.
    [[nodiscard]] bool plenty() const noexcept { return large_.used() < large_.limit() / 2; }
    /// The writer's own reference.
    void let_go(TextBlock*& block) noexcept;

    void release_piece(uint64_t token) noexcept override;
    [[nodiscard]] size_t used() const noexcept { return small_.used() + large_.used(); }

 private:
    TextBlock* take(size_t size) noexcept;
    void drop(TextBlock& block) noexcept;

    SlabMemory small_;
    SlabMemory large_;
};

struct Io {
    explicit Io(loop::Reactor& reactor);

    /// What is new had better be refused: it would wait for receive buffers.
    [[nodiscard]] bool buffers_scarce() const noexcept {
        ring::Ring& ring = reactor.ring();
        return ring.buffers(ring::BufferGroup::small).scarce() ||
               ring.buffers(ring::BufferGroup::bulk).scarce();
    }

    loop::Reactor& reactor;
    Slab<SendBlock> send_blocks;
    TextBlocks texts;
    Pipes pipes;
};

}  // namespace ringtime::net
