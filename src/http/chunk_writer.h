#pragma once
// Chunked coding on the way out (RFC 9112 §7.1): each piece travels between two small pieces of
// text, the line with its size and the end of the chunk. The piece itself is not touched, unless it
// is so small that a copy behind its line costs less than gathering it, and frees its buffer.
// Templates, so that this folder needs no sockets: `Stream` has push(Piece), `Texts` reserves and
// commits text.

#include <cstdint>
#include <cstring>

#include "base/piece.h"
#include "http/fields.h"
#include "http/head_writer.h"

namespace ringtime::http {

/// Pieces up to this size are copied behind what goes before them.
inline constexpr uint32_t copied_piece_bytes_max = 2048;

/// Queues one chunk. False when there is no memory for its size line; the piece is released then.
template <typename Stream, typename Texts, typename Block>
[[nodiscard]] bool push_chunk(Stream& stream, Texts& texts, Block*& block,
                              const Piece& piece) noexcept {
    bool copied = piece.size <= copied_piece_bytes_max;
    size_t room = chunk_line_size_max + (copied ? piece.size + chunk_end.size() : 0);
    char* line = texts.reserve(block, room);
    if (!line) {
        piece.release();
        return false;
    }
    if (copied) {
        size_t size = write_chunk_line(piece.size, line);
        std::memcpy(line + size, piece.data, piece.size);
        std::memcpy(line + size + piece.size, chunk_end.data(), chunk_end.size());
        size += piece.size + chunk_end.size();
        piece.release();
        stream.push(texts.commit(*block, size));
        return true;
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

/// The end of a body with trailers, which were checked when they were read. Null, or no memory:
/// without; they may always be left out (RFC 9110 §6.5.1).
template <typename Stream, typename Texts, typename Block>
void push_last_chunk(Stream& stream, Texts& texts, Block*& block,
                     const FieldTable* trailers) noexcept {
    size_t size = last_chunk.size();
    for (unsigned i = 0; trailers && i < trailers->size(); ++i)
        size += trailers->name((*trailers)[i]).size() + trailers->value((*trailers)[i]).size() + 4;
    char* out = size > last_chunk.size() ? texts.reserve(block, size) : nullptr;
    if (!out) return push_last_chunk(stream);
    auto append = [&out](std::string_view text) {
        std::memcpy(out, text.data(), text.size());
        out += text.size();
    };
    append("0\r\n");
    for (unsigned i = 0; i < trailers->size(); ++i) {
        append(trailers->name((*trailers)[i]));
        append(": ");
        append(trailers->value((*trailers)[i]));
        append("\r\n");
    }
    append("\r\n");
    stream.push(texts.commit(*block, size));
}

}  // namespace ringtime::http
