#pragma once
// From a canonical request path to the name of a file below a site's folder. Each segment is
// decoded exactly once; what decodes to a separator or a NUL never reaches the kernel. Pure.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringtime::site {

enum class PathVerdict : uint8_t {
    ok,
    missing,    ///< No file can have this name (empty or overlong segment).
    refused,    ///< Hidden, or climbing: 404 without any fallback.
    malformed,  ///< A broken escape or a NUL: 400.
};

struct DecodedPath {
    PathVerdict verdict = PathVerdict::ok;
    /// Without the leading slash, with the trailing one if there is one. Lies in the path given
    /// when nothing was escaped, else in `out`.
    std::string_view text;
};

/// `path` is canonical, base stripped, and begins with `/`. `out` holds limits::path_bytes_max
/// bytes. Names that begin with a dot are refused, except `.well-known` as the first segment.
[[nodiscard]] DecodedPath decode_path(std::string_view path, char* out) noexcept;

/// The last segment's extension in the path as written, without the dot; empty when there is none.
[[nodiscard]] std::string_view extension_of(std::string_view path) noexcept;

}  // namespace ringtime::site
