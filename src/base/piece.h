#pragma once
// A piece: bytes on their way out, and who must hear when they have left. The bytes are never
// copied: they lie in a receive buffer, a worker's region, a cached file or a head block, and stay
// valid until release(). Exactly one release per piece.

#include <cstdint>
#include <string_view>

namespace ringtime {

/// Takes back the storage of sent or dropped pieces. Called on the core's thread, never re-entered
/// from inside a take or push.
class PieceOwner {
 public:
    virtual void release_piece(uint64_t token) noexcept = 0;

 protected:
    ~PieceOwner() = default;
};

struct Piece {
    const char* data = nullptr;
    uint32_t size = 0;
    PieceOwner* owner = nullptr;  ///< Null: static storage, nobody to tell.
    uint64_t token = 0;           ///< Meaningful to the owner only.

    [[nodiscard]] std::string_view view() const noexcept { return {data, size}; }
    void release() const noexcept {
        if (owner) owner->release_piece(token);
    }
};

}  // namespace ringtime
