#include "site/path.h"

#include <cstring>

#include "http/syntax.h"
#include "site/limits.h"

namespace ringtime::site {
namespace {

/// Judges one segment by its decoded bytes; `first` segments may be `.well-known`.
PathVerdict judge_segment(std::string_view name, size_t begin) noexcept {
    if (name.empty()) return PathVerdict::missing;
    if (name.size() > limits::name_bytes_max) return PathVerdict::missing;
    if (name[0] == '.' && !(begin == 0 && name == ".well-known")) return PathVerdict::refused;
    return PathVerdict::ok;
}

/// All segments but an empty last one, which only marks a folder.
PathVerdict judge_segments(std::string_view text) noexcept {
    PathVerdict verdict = PathVerdict::ok;
    size_t begin = 0;
    while (begin < text.size()) {
        size_t end = text.find('/', begin);
        if (end == std::string_view::npos) end = text.size();
        PathVerdict one = judge_segment(text.substr(begin, end - begin), begin);
        // Hidden names stay refused wherever they stand: a merely missing one could fall back.
        if (one == PathVerdict::refused) return one;
        if (one != PathVerdict::ok) verdict = one;
        begin = end + 1;
    }
    return verdict;
}

/// Decodes into `out`; false with `verdict` set when the path ends here.
bool decode_escapes(std::string_view path, char* out, size_t& size, PathVerdict& verdict) noexcept {
    size = 0;
    bool separator = false;
    for (size_t i = 0; i < path.size(); ++i) {
        char c = path[i];
        if (c == '%') {
            bool whole = i + 2 < path.size();
            unsigned high = whole ? http::hex_value(path[i + 1]) : 16;
            unsigned low = whole ? http::hex_value(path[i + 2]) : 16;
            c = static_cast<char>(high * 16 + low);
            if (high > 15 || low > 15 || c == '\0') {
                verdict = PathVerdict::malformed;
                return false;
            }
            separator = separator || c == '/';
            i += 2;
        }
        if (size == limits::path_bytes_max) {
            verdict = PathVerdict::missing;
            return false;
        }
        out[size++] = c;
    }
    verdict = separator ? PathVerdict::refused : PathVerdict::ok;
    return !separator;
}

}  // namespace

DecodedPath decode_path(std::string_view path, char* out) noexcept {
    if (path.empty() || path[0] != '/') return {PathVerdict::malformed, {}};
    path.remove_prefix(1);
    if (path.empty()) return {};
    if (std::memchr(path.data(), '\0', path.size())) return {PathVerdict::malformed, {}};
    DecodedPath result{PathVerdict::ok, path};
    if (std::memchr(path.data(), '%', path.size())) {
        size_t size = 0;
        if (!decode_escapes(path, out, size, result.verdict)) return {result.verdict, {}};
        result.text = {out, size};
    } else if (path.size() > limits::path_bytes_max) {
        return {PathVerdict::missing, {}};
    }
    result.verdict = judge_segments(result.text);
    return result;
}

std::string_view extension_of(std::string_view path) noexcept {
    size_t slash = path.rfind('/');
    std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
    size_t dot = name.rfind('.');
    if (dot == std::string_view::npos || dot == 0) return {};
    return name.substr(dot + 1);
}

}  // namespace ringtime::site
