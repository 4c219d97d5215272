#pragma once
// Base64 of RFC 4648, as strictly as credentials deserve: one text for each value. Whitespace,
// other characters, misplaced padding and unused bits that are not zero are refused.

#include <optional>
#include <string>
#include <string_view>

namespace authn {

/// Section 5, without padding: what JWTs and JWKs are written in.
[[nodiscard]] std::optional<std::string> decode_base64url(std::string_view text);

/// Section 4, with padding: what `Authorization: Basic` is written in.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

}  // namespace authn
