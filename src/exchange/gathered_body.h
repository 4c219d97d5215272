#pragma once
// A request's body made whole before the plugins that asked for it run: memory that grows as bytes
// really arrive, up to the request's limit and the core's. Afterwards it is the source of the body
// for everybody behind, any number of times borrowed by pieces on their way. The one place of the
// data path that allocates, and only where a plugin gathers.

#include <cstdint>
#include <string_view>

#include "base/piece.h"
#include "http/body.h"

namespace ringtime::exchange {

/// The memory of one core's gathered bodies. A block dies with its last reference.
class GatheredBlocks final : public PieceOwner {
  public:
    struct Block {
        uint32_t references = 1;
        size_t capacity = 0;
        [[nodiscard]] char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
    };

    /// `block` (null: a new one), not shared yet, with room for `size` bytes; null at the core's
    /// limit, and then `block` is as it was.
    [[nodiscard]] Block* grow(Block* block, size_t size) noexcept;
    void drop(Block& block) noexcept;
    void release_piece(uint64_t token) noexcept override;
    [[nodiscard]] size_t used_bytes() const noexcept { return used_; }

  private:
    size_t used_ = 0;
};

class GatheredBody final : public http::BodySource {
  public:
    enum class Progress : uint8_t { pending, complete, failed };

    /// `blocks` and `inner` are borrowed until reset(); more than `bytes_max` is refused with 413.
    void begin(GatheredBlocks& blocks, http::BodySource& inner, uint64_t bytes_max) noexcept;
    /// Takes in what has arrived.
    [[nodiscard]] Progress gather() noexcept;
    void reset() noexcept;
    /// Precondition: complete. Lives until reset().
    [[nodiscard]] std::string_view view() const noexcept;

    // BodySource, once it is complete.
    [[nodiscard]] http::Pull pull(Piece& out, uint32_t max) noexcept override;
    [[nodiscard]] uint64_t length() const noexcept override { return size_; }
    [[nodiscard]] Error error() const noexcept override { return error_; }

  private:
    GatheredBlocks* blocks_ = nullptr;
    http::BodySource* inner_ = nullptr;
    GatheredBlocks::Block* block_ = nullptr;
    uint64_t bytes_max_ = 0;
    size_t size_ = 0;
    size_t pulled_ = 0;
    Error error_;
};

}  // namespace ringtime::exchange
