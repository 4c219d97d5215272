#pragma once
// What stands behind the reasons `upstream_*`, for the access log: of two servers that fail, one
// refuses connections and one breaks a rule of HTTP, and whoever is to mend them must not guess.

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace ringtime::upstream {

/// Error::detail of an upstream where it is neither an errno nor a rule (http::Refusal).
enum class Detail : uint32_t {
    unresolved = 4096,  ///< No server's name has an address.
    unusable,           ///< No server is well.
    closed,             ///< FIN where bytes were due.
    connect_timeout,
    head_timeout,
    idle_timeout,
    total_timeout,
    many_interims,
    unasked_switch,     ///< 101, or to what was not offered.
};

/// One word; empty when nothing more is known than the reason.
[[nodiscard]] std::string_view cause_of(const Error& error) noexcept;

}  // namespace ringtime::upstream
