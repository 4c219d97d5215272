#pragma once
// Writes heads into the caller's bytes. It never writes beyond them, and nothing it is given can
// end a line early: text that is not of the grammar is refused (RFC 9110 §5.5, RFC 9112 §11.1).
// Both states stick, so that a head is written line after line and asked about once.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "http/fields.h"
#include "http/head.h"

namespace ringtime::http {

class HeadWriter {
  public:
    enum class State : uint8_t {
        ok,
        overflow,  ///< It did not fit: begin anew with more room.
        invalid,   ///< A method, target, name, value or phrase could split the message.
    };

    HeadWriter(char* data, size_t capacity) noexcept : data_(data), capacity_(capacity) {}

    [[nodiscard]] State state() const noexcept { return state_; }
    [[nodiscard]] bool ok() const noexcept { return state_ == State::ok; }
    [[nodiscard]] size_t size() const noexcept { return size_; }
    [[nodiscard]] std::string_view text() const noexcept { return {data_, size_}; }

    /// `METHOD target HTTP/1.1`, the gateway's own version (RFC 9110 §2.5). The target is `path`,
    /// and
    /// `?query` when query.data() is not null.
    void request_line(std::string_view method, std::string_view path,
                      std::string_view query = {}) noexcept;
    /// `HTTP/1.1 status phrase` with the standard phrase, or an empty one.
    void status_line(unsigned status) noexcept;
    void status_line(unsigned status, std::string_view phrase) noexcept;

    void field(std::string_view name, std::string_view value) noexcept;
    /// Value from two parts, for appended lists: `name: first, second`; no comma when `first` is
    /// empty.
    void joined_field(std::string_view name, std::string_view first,
                      std::string_view second) noexcept;
    void number_field(std::string_view name, uint64_t value) noexcept;
    /// A field as its parser found it: checked then, so copied as one run of bytes where its line
    /// stands in the usual form.
    void received_field(const FieldTable& fields, const Field& field) noexcept;
    /// Lines that are known at build time and end in CRLF.
    void prepared(std::string_view lines) noexcept { append(lines); }

    /// Content-Length whose value comes later: 20 digits' room, blanks before the value are OWS.
    /// Returns the offset for set_content_length().
    [[nodiscard]] size_t reserve_content_length() noexcept;
    void set_content_length(size_t offset, uint64_t value) noexcept;

    /// The empty line.
    void end() noexcept { append("\r\n"); }

  private:
    /// Room for `size` bytes, or null and overflow.
    [[nodiscard]] char* grow(size_t size) noexcept {
        if (state_ != State::ok) return nullptr;
        if (capacity_ - size_ < size) [[unlikely]] {
            state_ = State::overflow;
            return nullptr;
        }
        char* to = data_ + size_;
        size_ += size;
        return to;
    }
    void append(std::string_view text) noexcept {
        if (char* to = grow(text.size())) std::memcpy(to, text.data(), text.size());
    }
    // tidy: allow(bool-parameter) the condition itself
    bool require(bool valid) noexcept {
        if (!valid && state_ == State::ok) state_ = State::invalid;
        return valid;
    }
    void line(std::string_view name, std::string_view value) noexcept;

    char* data_;
    size_t capacity_;
    size_t size_ = 0;
    State state_ = State::ok;
};

/// The phrase registered for a status; empty for others.
[[nodiscard]] std::string_view standard_phrase(unsigned status) noexcept;

/// Bytes of the longest line that write_chunk_line() makes.
inline constexpr size_t chunk_line_size_max = 18;
/// `HEX CRLF`, the line before a chunk's data; returns its size. Precondition: chunk_size > 0,
/// which is what ends a body.
[[nodiscard]] size_t write_chunk_line(uint64_t chunk_size, char* out) noexcept;
/// Behind a chunk's data.
inline constexpr std::string_view chunk_end = "\r\n";
/// Ends a chunked body without trailers.
inline constexpr std::string_view last_chunk = "0\r\n\r\n";
/// The same directly behind a chunk's data, as one piece.
inline constexpr std::string_view chunk_end_and_last_chunk = "\r\n0\r\n\r\n";

/// Decimal digits without leading zeros; `out` holds 20. Returns their number.
[[nodiscard]] size_t write_decimal(uint64_t value, char* out) noexcept;

}  // namespace ringtime::http
