#pragma once
// A public-route glob as a list of items. `*` is any run of bytes but `/`, `?` one byte but `/`,
// `**` any run; all else is itself. Globs are brought into the form canonical paths have, so that
// an author may write `/a b` or `/caf\u00e9`. Used at start-up only.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringtime::route {

/// One step of a pattern: a byte, or one of the wildcards.
using Item = uint16_t;
namespace item {
inline constexpr Item one = 0x100;   ///< `?`
inline constexpr Item run = 0x101;   ///< `*`
inline constexpr Item deep = 0x102;  ///< `**`
inline constexpr Item end = 0x103;   ///< Behind the last item; consumes nothing.
/// A hex digit A-F of an escape, either case: `%2f` and `%2F` are the same byte (RFC 3986
/// §6.2.2.1).
inline constexpr Item hex_letter = 0x200;
}  // namespace item

/// Longest glob or pattern as written, in bytes.
inline constexpr size_t glob_bytes_max = 512;

[[nodiscard]] constexpr bool is_star(Item what) noexcept {
    return what == item::run || what == item::deep;
}
[[nodiscard]] constexpr bool is_literal(Item what) noexcept { return what < item::one; }

/// Whether `what` may consume `byte`.
[[nodiscard]] constexpr bool consumes(Item what, uint8_t byte) noexcept {
    if (what < item::one) return what == byte;
    if (what == item::deep) return true;
    if (what == item::one || what == item::run) return byte != '/';
    return (what & item::hex_letter) != 0 && (what & 0xff) == (byte & ~0x20);
}

struct Glob {
    std::vector<Item> items;
    const char* error = nullptr;  ///< Why the text is no glob; null when it is one.
};

[[nodiscard]] Glob parse_glob(std::string_view text);

/// Appends `byte` to `items` as a canonical path spells it.
void append_canonical(std::vector<Item>& items, uint8_t byte);

/// The leading whole segments without wildcards, as bytes: `/api/v1` of `/api/v1/*/x`; all of a
/// glob without wildcards unless it ends with `/`. The rest is empty or begins with `/`.
[[nodiscard]] std::string literal_prefix(std::span<const Item> items);

/// Whether every path that matches `inner` matches `outer`. May say no where the answer is yes.
[[nodiscard]] bool covers(const std::vector<Item>& outer, const std::vector<Item>& inner);

}  // namespace ringtime::route
