#include "http/rewrite.h"

#include <algorithm>

#include "http/fields.h"
#include "http/syntax.h"

namespace ringtime::http {
namespace {

/// Whether the path that `reference` begins with is `base` or lies below it.
bool is_below(std::string_view reference, std::string_view base) noexcept {
    std::string_view path = reference.substr(0, reference.find_first_of("?#"));
    return path.starts_with(base) && (path.size() == base.size() || path[base.size()] == '/');
}

/// Bytes of `http://` or `https://` at the beginning; 0 without.
size_t scheme_size(std::string_view value) noexcept {
    for (std::string_view scheme : {"http://", "https://"}) {
        if (value.size() >= scheme.size() &&
            equal_ignoring_case(value.substr(0, scheme.size()), scheme))
            return scheme.size();
    }
    return 0;
}

}  // namespace

Rewritten rewrite_location(std::string_view value, std::string_view base,
                           std::string_view client_authority,
                           std::string_view server_authority) noexcept {
    size_t skipped = value.starts_with("//") ? 2 : scheme_size(value);
    std::string_view before;
    std::string_view after = value;
    bool own_host = false;
    if (skipped > 0) {
        size_t end = std::min(value.find_first_of("/?#", skipped), value.size());
        std::string_view authority = value.substr(skipped, end - skipped);
        after = value.substr(end);
        own_host = equal_ignoring_case(authority, client_authority);
        if (!own_host && !equal_ignoring_case(authority, server_authority)) return {};
        // The server's own name is of no use to the client; a path alone is enough.
        if (own_host) before = value.substr(0, end);
    } else if (!value.starts_with('/')) {
        return {};
    }
    bool below = is_below(after, base);
    if (below && (skipped == 0 || own_host)) return {};
    return {true, before, below ? std::string_view{} : base, after};
}

Rewritten rewrite_cookie_path(std::string_view value, std::string_view base) noexcept {
    // The last Path is the one that counts (RFC 6265 §5.2).
    std::string_view path;
    for (size_t at = value.find(';'); at != std::string_view::npos;) {
        size_t end = std::min(value.find(';', at + 1), value.size());
        std::string_view attribute = value.substr(at + 1, end - at - 1);
        size_t equals = attribute.find('=');
        if (equals != std::string_view::npos &&
            equal_ignoring_case(trim(attribute.substr(0, equals)), "path"))
            path = trim(attribute.substr(equals + 1));
        at = end < value.size() ? end : std::string_view::npos;
    }
    if (!path.starts_with('/') || is_below(path, base)) return {};
    auto begin = static_cast<size_t>(path.data() - value.data());
    // `/shop` holds `/shop/` and everything below; `/shop/` would not hold `/shop`.
    size_t skipped = path == "/" ? 1 : 0;
    return {true, value.substr(0, begin), base, value.substr(begin + skipped)};
}

std::string_view find_cookie(std::string_view line, std::string_view name) noexcept {
    while (!line.empty()) {
        size_t end = std::min(line.find(';'), line.size());
        std::string_view pair = trim(line.substr(0, end));
        if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=')
            return pair.substr(name.size() + 1);
        line.remove_prefix(std::min(end + 1, line.size()));
    }
    return {};
}

}  // namespace ringtime::http
