#pragma once
// What must change in an answer when its sender does not know under which base it is mounted:
// where it sends clients, and for which paths its cookies are. Nothing is copied: a rewritten value
// is a part of the old one, the base, and another part.

#include <string_view>

namespace ringtime::http {

struct Rewritten {
    bool changed = false;
    std::string_view before;
    std::string_view base;  ///< As given, or empty.
    std::string_view after;
};

/// `value` of Location. Paths, and absolute URLs of this host or of the server itself, come to lie
/// below `base`, unless they do already; others are left alone. `client_authority`: Host as the
/// client sent it; `server_authority`: the server's own.
[[nodiscard]] Rewritten rewrite_location(std::string_view value, std::string_view base,
                                         std::string_view client_authority,
                                         std::string_view server_authority) noexcept;

/// `value` of one Set-Cookie line: its Path, when it has one, comes to lie below `base`.
[[nodiscard]] Rewritten rewrite_cookie_path(std::string_view value,
                                            std::string_view base) noexcept;

/// The value of the cookie `name` in one Cookie line; data() is null when it is not there.
[[nodiscard]] std::string_view find_cookie(std::string_view line, std::string_view name) noexcept;

}  // namespace ringtime::http
