#pragma once
// What arrives with a request to the API, taken apart: pure functions over text from anybody. Any
// thread; no state.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringtime::runtime {

/// The rule against cross-site requests: whether `origin` (`https://example.com:8443`) names the
/// authority in `host`. Browsers send Origin with everything that can change state, and no script
/// can forge it; `null` and whatever is no origin match nothing. A scheme's default port may be
/// left out on either side; behind a proxy that ends TLS the schemes differ, so only the authority
/// counts. RFC 6454 §7.
[[nodiscard]] bool same_origin(std::string_view origin, std::string_view host) noexcept;

/// The key in `Authorization: Bearer rtk_...`; empty for every other scheme. RFC 6750 §2.1.
[[nodiscard]] std::string_view bearer_key(std::string_view authorization) noexcept;

/// Undoes percent-encoding; nothing when an escape is malformed or stands for NUL.
enum class Plus : uint8_t { is_plus, is_space };
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text, Plus plus);

/// `a=1&b=2`, decoded; the first of two values with one name counts. Nothing when malformed.
using QueryValues = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] std::optional<QueryValues> parse_query(std::string_view query);

/// Whether `path` fits a pattern such as `/workers/{id}/restart`: segments literal, or named ones
/// that take any one segment that is not empty. `values`: what stood for the names, undecoded.
[[nodiscard]] bool match_pattern(std::string_view pattern, std::string_view path,
                                 std::vector<std::string_view>* values);

}  // namespace ringtime::runtime
