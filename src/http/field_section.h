#pragma once
// Field lines up to the empty line (RFC 9110 §5, RFC 9112 §5): the part that requests and responses
// share. A step machine over a growing text.

#include <cstddef>
#include <cstdint>

#include "base/limits.h"
#include "http/fields.h"
#include "http/refusal.h"
#include "http/scan.h"

namespace ringtime::http {

/// Whether a name turns, once `_` is read as `-`, into one of framing, of forwarding or of the
/// gateway's own: CGI and its descendants cannot tell the two apart (RFC 3875 §4.1.18).
[[nodiscard]] bool is_alias_of_protected_field(std::string_view name) noexcept;

namespace detail {

enum class Step : uint8_t { more, next, refused };

class FieldSection {
  public:
    enum class Aliases : uint8_t { refuse, pass };

    /// `begin`: offset of the first field line, not 0.
    void start(uint32_t begin) noexcept {
        line_ = scan_ = begin;
        colon_ = 0;
    }

    /// Goes on over the text as far as it has arrived.
    Step advance(const ScanPath& scan, const char* data, size_t size, FieldTable& table) noexcept;

    uint32_t fields_max = limits::fields_max;
    Aliases aliases = Aliases::refuse;
    Refusal refusal = Refusal::none;  ///< When refused.
    uint32_t end = 0;                 ///< When done: offset behind the empty line.

  private:
    Step take_line(const char* data, size_t size, FieldTable& table) noexcept;
    Step refused(Refusal why) noexcept {
        refusal = why;
        return Step::refused;
    }
    Step pause(size_t colon, size_t scan) noexcept {
        colon_ = static_cast<uint32_t>(colon);
        scan_ = static_cast<uint32_t>(scan);
        return Step::more;
    }
    [[nodiscard]] bool is_refused_alias(std::string_view name) const noexcept {
        return aliases == Aliases::refuse && is_alias_of_protected_field(name);
    }
    /// Why the byte that ends a name is no colon, or the name is empty.
    static Refusal name_fault(char byte, size_t name_size, unsigned fields_before) noexcept;

    uint32_t line_ = 0;   ///< Where the unfinished line begins.
    uint32_t colon_ = 0;  ///< Its colon once seen; else 0, where no field's colon can stand.
    uint32_t scan_ = 0;   ///< Bytes before it need no second look.
};

}  // namespace detail
}  // namespace ringtime::http
