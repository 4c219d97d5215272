#include "site/mime.h"

#include <algorithm>
#include <iterator>

#include "http/syntax.h"

namespace ringtime::site {
namespace {

struct Row {
    std::string_view extension;
    std::string_view type;
};

constexpr Row kTypes[] = {
#include "site/mime_table.inc"
};

constexpr size_t kExtensionBytesMax = 16;

}  // namespace

std::string_view media_type(std::string_view extension) noexcept {
    char text[kExtensionBytesMax];
    if (extension.empty() || extension.size() > sizeof text) return {};
    std::transform(extension.begin(), extension.end(), text, http::to_lower);
    std::string_view wanted(text, extension.size());
    const Row* row = std::lower_bound(
        std::begin(kTypes), std::end(kTypes), wanted,
        [](const Row& one, std::string_view other) { return one.extension < other; });
    return row != std::end(kTypes) && row->extension == wanted ? row->type : std::string_view{};
}

bool wants_charset(std::string_view type) noexcept { return type.starts_with("text/"); }

bool is_html(std::string_view type) noexcept {
    return type == "text/html" || type == "application/xhtml+xml";
}

bool compresses_well(std::string_view type) noexcept {
    if (type.starts_with("text/") || type.ends_with("+xml") || type.ends_with("+json")) return true;
    constexpr std::string_view others[] = {
        "application/json",   "application/javascript", "application/xml",
        "application/wasm",   "application/x-ndjson",   "application/rtf",
        "application/vnd.ms-fontobject", "font/ttf",    "font/otf",
        "font/sfnt",          "image/bmp",              "image/vnd.microsoft.icon",
        "image/x-icon",
    };
    return std::find(std::begin(others), std::end(others), type) != std::end(others);
}

bool may_have_codings(std::string_view type) noexcept {
    if (type == "image/svg+xml" || type == "image/x-icon" ||
        type == "image/vnd.microsoft.icon" || type == "image/bmp") return true;
    constexpr std::string_view compressed[] = {"image/", "audio/", "video/", "font/woff",
                                               "application/gzip", "application/zip",
                                               "application/zstd"};
    return std::none_of(std::begin(compressed), std::end(compressed),
                        [type](std::string_view prefix) { return type.starts_with(prefix); });
}

}  // namespace ringtime::site
