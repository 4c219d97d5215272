#pragma once
// Takes a body out of its framing, in place: what it yields are spans of the input (RFC 9112 §6,
// §7). A step machine over bytes in any cuts; strict, bounded, without allocation. What it yields
// before an error is the same for every way the input was cut.

#include <cstddef>
#include <cstdint>

#include "base/limits.h"
#include "base/result.h"
#include "http/fields.h"
#include "http/framing.h"
#include "http/refusal.h"

namespace ringtime::http {

/// Where the trailers that may be sent on are kept; without one they are checked and dropped. A
/// section that does not fit `text` is dropped as a whole: trailers may always be discarded (RFC
/// 9110 §6.5.1).
struct TrailerStore {
    char* text = nullptr;
    size_t capacity = 0;  ///< At most limits::trailer_bytes_max is used.
    size_t size = 0;
    FieldTable fields;  ///< Filled when the body is done; views into `text`.
};

class BodyDecoder {
  public:
    struct Step {
        const char* data = nullptr;  ///< Body bytes: a span of the input, or empty.
        size_t size = 0;
        size_t consumed = 0;  ///< Input bytes done with, framing and data together.
        bool done = false;    ///< The body is complete; bytes behind `consumed` are not its.
        Error error;          ///< Sticky. Never together with data.
    };
    enum class End : uint8_t { complete, truncated };

    BodyDecoder() noexcept = default;
    /// `source`: whom an error blames: client, upstream or worker. `trailers` is borrowed.
    explicit BodyDecoder(const Framing& framing, Source source = Source::client,
                         TrailerStore* trailers = nullptr) noexcept;

    /// Goes on until one span of data is found, with the framing behind it, or the input ends. Call
    /// again with what was not consumed while there is some and neither done nor error.
    [[nodiscard]] Step decode(const char* data, size_t size) noexcept;
    /// `size` bytes of the body, at most expected(), go past without being seen here.
    void skip(uint64_t size) noexcept;
    /// What an end of the stream means now: only a body until close ends so, or one that is done.
    [[nodiscard]] End on_eof() const noexcept;

    [[nodiscard]] bool done() const noexcept { return state_ == State::done; }
    /// Body bytes that are certain to follow, for receiving straight into place: the rest of a
    /// length or of the current chunk.
    [[nodiscard]] uint64_t expected() const noexcept { return remaining_; }
    /// Body bytes yielded so far.
    [[nodiscard]] uint64_t decoded() const noexcept { return decoded_; }

  private:
    enum class State : uint8_t {
        done,
        failed,
        until_close,
        length,
        // A chunk's line. The blanks of `bws` states bind to a `;` or `=` that must follow.
        size_begin,
        size_digits,
        extension_bws,
        extension_name_bws,
        extension_name,
        extension_equals_bws,
        extension_value_bws,
        extension_token,
        extension_quoted,
        extension_quoted_pair,
        extension_end,
        line_lf,
        // Its data.
        chunk_data,
        chunk_data_cr,
        chunk_data_lf,
        // The trailer section.
        trailer_begin,
        trailer_name,
        trailer_value,
        trailer_lf,
        final_lf,
    };

    [[nodiscard]] Refusal take(char byte) noexcept;
    [[nodiscard]] Refusal take_size(char byte) noexcept;
    [[nodiscard]] Refusal take_extension(char byte) noexcept;
    [[nodiscard]] Refusal take_trailer(char byte) noexcept;
    Refusal after_value(char byte) noexcept;
    Refusal go(State next) noexcept;
    void end_line() noexcept;
    void keep_trailers() noexcept;

    State state_ = State::done;
    Source source_ = Source::client;
    Refusal refusal_ = Refusal::none;
    uint8_t size_digits_ = 0;
    uint16_t trailer_lines_ = 0;
    uint32_t line_bytes_ = 0;       ///< Of the current chunk line.
    uint32_t extension_bytes_ = 0;  ///< Of the message.
    uint32_t trailer_bytes_ = 0;
    uint64_t remaining_ = 0;
    uint64_t decoded_ = 0;
    TrailerStore* trailers_ = nullptr;
};

}  // namespace ringtime::http
