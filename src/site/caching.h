#pragma once
// What caches are told about a file. Pure; decided once per file version, never per request.

#include <string>
#include <string_view>
#include <vector>

namespace ringtime::site {

/// An operator's rule: a file whose path (`/assets/x.js`) matches `glob` gets `value`. Globs as in
/// manifests: `*` and `?` stay within a segment, `**` does not.
struct CacheRule {
    std::string glob;
    std::string value;
};

/// Whether a file's name carries a hash of its content, as bundlers write it: `index-BfI3k2Qz.js`,
/// `main.8e0d62a3.chunk.css`, `chunk-5LDMYUUN.js`. Says no when in doubt: a wrong yes pins an old
/// file in browsers for a year.
[[nodiscard]] bool has_hashed_name(std::string_view path) noexcept;

[[nodiscard]] bool glob_matches(std::string_view glob, std::string_view path);

/// The value of Cache-Control; the first rule that matches wins. Lives as long as `rules`.
[[nodiscard]] std::string_view cache_control_of(const std::vector<CacheRule>& rules,
                                                std::string_view path,
                                                // tidy: allow(bool-parameter) what the file is
                                                bool html);

}  // namespace ringtime::site
