#pragma once
// Chunked coding on the way out (RFC 9112 §7.1): each piece travels between two small pieces of
// text, the line with its size and the end of the chunk. The piece itself is not touched.
// Templates, so that this folder needs no sockets: `Stream` has push(Piece), `Texts` reserves and
// commits text.

#include <cstdint>

#include "base/piece.h"
#include "http/head_writer.h"

namespace ringtime::http {

/// Queues one chunk. False when there is no memory for its size line; the piece is released then.
template <typename Stream, typename Texts, typename Block>
[[nodiscard]] bool push_chunk(Stream& stream, Texts& texts, Block*& block,
                              const Piece& piece) noexcept {
    char* line = texts.reserve(block, chunk_line_size_max);
    if (!line) {
        piece.release();
        return false;
    }
    stream.push(texts.commit(*block, write_chunk_line(piece.size, line)));
    stream.push(piece);
    stream.push(Piece{chunk_end.data(), chunk_end.size(), nullptr, 0});
    return true;
}

/// The end of a body without trailers.
template <typename Stream>
void push_last_chunk(Stream& stream) noexcept {
    stream.push(Piece{last_chunk.data(), last_chunk.size(), nullptr, 0});
}

}  // namespace ringtime::http
