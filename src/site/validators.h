#pragma once
// Conditional requests: whether what the client has is still right. RFC 9110 §8.8 and §13. Pure;
// the time is handed in.

#include <cstdint>
#include <string_view>

#include "http/draft.h"

namespace ringtime::site {

/// What identifies one version of one representation.
struct Validators {
    std::string_view etag;        ///< Strong, with its quotes.
    int64_t last_modified = -1;   ///< Seconds since 1970; negative: not told to clients.
};

enum class Precondition : uint8_t {
    proceed,
    not_modified,  ///< 304
    failed,        ///< 412
};

/// Evaluates If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since in the order of
/// RFC 9110 §13.2.2, for GET and HEAD. `now` in seconds since 1970.
[[nodiscard]] Precondition evaluate_preconditions(const http::FieldDraft& fields,
                                                  const Validators& current,
                                                  int64_t now) noexcept;

/// Whether a Range may be honoured: no If-Range, or one that names exactly this version (§13.1.5).
[[nodiscard]] bool if_range_holds(const http::FieldDraft& fields, const Validators& current,
                                  int64_t now) noexcept;

/// How tags are compared (§8.8.3.2).
enum class Comparison : uint8_t { strong, weak };

/// Whether a list of entity tags (or `*`) holds `etag`. What follows a syntax error is not read.
[[nodiscard]] bool list_holds(std::string_view list, std::string_view etag,
                              Comparison comparison) noexcept;

}  // namespace ringtime::site
