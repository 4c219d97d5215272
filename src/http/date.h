#pragma once
// HTTP-date (RFC 9110 §5.6.7): always written as IMF-fixdate, read in all three forms. Seconds
// since 1970-01-01 UTC, without leap seconds. Pure: the time comes from the caller.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringtime::http {

inline constexpr size_t http_date_size = 29;

/// `Sun, 06 Nov 1994 08:49:37 GMT` into `out`, http_date_size bytes. Years 0 to 9999.
void format_http_date(int64_t seconds, char* out) noexcept;

/// Strict: exactly one of the three forms, a day that exists and the right weekday is not asked
/// for. `now` places two-digit years: not more than 50 years ahead. A leap second counts as the
/// next one.
[[nodiscard]] bool parse_http_date(std::string_view text, int64_t now, int64_t& seconds) noexcept;

}  // namespace ringtime::http
