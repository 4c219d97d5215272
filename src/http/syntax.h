#pragma once
// The small grammars of RFC 9110, 9112 and 3986 as predicates over text. Pure, no allocation; each
// is linear in its input.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"

namespace ringtime::http {

/// Classes of single bytes. A byte may be in several.
enum CharClass : uint8_t {
    kTokenChar = 1,       ///< tchar, RFC 9110 §5.6.2.
    kValueChar = 2,       ///< SP, HTAB, VCHAR, obs-text: RFC 9110 §5.5.
    kTargetChar = 4,      ///< What a request target may hold here: VCHAR but `#`.
    kUnreservedChar = 8,  ///< RFC 3986 §2.3.
    kHostChar = 16,       ///< reg-name without `%`, comma and quote: RFC 3986 §3.2.2.
    kPathRawChar = 32,    ///< A path byte that needs no look: pchar, `/`, brackets; not `%`.
    kDigitChar = 64,
    kHexChar = 128,
};

namespace detail {
constexpr bool contains(std::string_view set, unsigned byte) {
    return set.find(static_cast<char>(byte)) != std::string_view::npos;
}
constexpr std::array<uint8_t, 256> make_classes() {
    std::array<uint8_t, 256> classes{};
    for (unsigned c = 0; c < 256; ++c) {
        bool digit = c >= '0' && c <= '9';
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool alnum = digit || letter;
        bool visible = c > 0x20 && c < 0x7f;
        uint8_t set = 0;
        if (alnum || (visible && contains("!#$%&'*+-.^_`|~", c))) set |= kTokenChar;
        if (visible || c == ' ' || c == '\t' || c >= 0x80) set |= kValueChar;
        if (visible && c != '#') set |= kTargetChar;
        if (alnum || (visible && contains("-._~", c))) set |= kUnreservedChar;
        if (alnum || (visible && contains("-._~!$&()*+;=", c))) set |= kHostChar;
        if (alnum || (visible && contains("-._~!$&'()*+,;=:@/[]", c))) set |= kPathRawChar;
        if (digit) set |= kDigitChar;
        if (digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) set |= kHexChar;
        classes[c] = set;
    }
    return classes;
}
inline constexpr std::array<uint8_t, 256> kClasses = make_classes();
}  // namespace detail

[[nodiscard]] constexpr bool is_class(char byte, uint8_t classes) noexcept {
    return (detail::kClasses[static_cast<uint8_t>(byte)] & classes) != 0;
}
/// Value of a hexadecimal digit; 16 or more for anything else.
[[nodiscard]] constexpr unsigned hex_value(char byte) noexcept {
    auto c = static_cast<uint8_t>(byte);
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10U : 16U;
}
[[nodiscard]] constexpr char to_lower(char byte) noexcept {
    return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte | 0x20) : byte;
}

/// token = 1*tchar
[[nodiscard]] bool is_token(std::string_view text) noexcept;
/// A field value that may be written: no CTL but HTAB. Blanks at the ends are allowed.
[[nodiscard]] bool is_field_value(std::string_view text) noexcept;
/// Without SP and HTAB at both ends.
[[nodiscard]] std::string_view trim(std::string_view text) noexcept;

/// host and port of `uri-host [":" port]`.
struct Authority {
    std::string_view host;  ///< As received; IP literals keep their brackets.
    std::string_view port;  ///< Digits; data() is null when there is no colon.
};
/// Whether `text` is an authority this gateway accepts: RFC 9112 §3.2, no userinfo, host not empty,
/// port at most 65535. An empty port is in the grammar (RFC 3986 §3.2.3) and yields an empty
/// `port`.
[[nodiscard]] bool parse_authority(std::string_view text, Authority& out) noexcept;
[[nodiscard]] bool valid_host(std::string_view text) noexcept;

/// 1*DIGIT below 2^63. False leaves `out` alone; `overflow` tells a number too large from no
/// number.
enum class LengthText : uint8_t { valid, invalid, overflow };
[[nodiscard]] LengthText parse_content_length(std::string_view text, uint64_t& out) noexcept;

/// Iterates a comma separated list (RFC 9110 §5.6.1): trimmed elements, empty ones left out. For
/// lists of tokens: every comma separates, so that an open quote cannot hide a `close` behind it.
class ListElements {
  public:
    explicit ListElements(std::string_view list) noexcept : rest_(list) {}
    /// False at the end.
    [[nodiscard]] bool next(std::string_view& element) noexcept;

  private:
    std::string_view rest_;
};

/// Weight of `wanted` (lower-case) in an Accept-Encoding-like list, in thousandths: RFC 9110
/// §12.4.2. An exact name wins over `*`; absent from the list: 0; an unreadable weight counts as 0.
[[nodiscard]] unsigned quality_of(std::string_view list, std::string_view wanted) noexcept;
/// The same for several names in one pass: `out[i]` is the weight of `wanted[i]`.
void qualities_of(std::string_view list, std::span<const std::string_view> wanted,
                  std::span<unsigned> out) noexcept;

/// What is taken over from a trusted peer as a request id: 8 to 128 of [A-Za-z0-9._~+/=@:-].
[[nodiscard]] bool valid_request_id(std::string_view text) noexcept;

}  // namespace ringtime::http
