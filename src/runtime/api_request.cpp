#include "runtime/api_request.h"

#include <algorithm>

#include "http/fields.h"

namespace ringtime::runtime {
namespace {

constexpr std::string_view kBearer = "Bearer ";
// Of one query; more are a mistake.
constexpr size_t kQueryValuesMax = 32;

int hex_digit(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// `host:80` without a port that says nothing.
std::string_view without_port(std::string_view authority, std::string_view port) noexcept {
    if (authority.ends_with(port)) authority.remove_suffix(port.size());
    return authority;
}

std::string_view first_segment(std::string_view path) noexcept {
    return path.substr(0, path.find('/'));
}

}  // namespace

bool same_origin(std::string_view origin, std::string_view host) noexcept {
    if (host.empty()) return false;
    std::string_view default_port;
    if (origin.starts_with("https://")) {
        default_port = ":443";
        origin.remove_prefix(8);
    } else if (origin.starts_with("http://")) {
        default_port = ":80";
        origin.remove_prefix(7);
    } else {
        return false;
    }
    // An origin ends with its authority; anything behind it is no browser's work.
    if (origin.empty() || origin.find_first_of("/?#@\\ ,") != std::string_view::npos) return false;
    return http::equal_ignoring_case(without_port(origin, default_port),
                                     without_port(host, default_port));
}

std::string_view bearer_key(std::string_view authorization) noexcept {
    if (authorization.size() < kBearer.size() ||
        !http::equal_ignoring_case(authorization.substr(0, kBearer.size()), kBearer))
        return {};
    authorization.remove_prefix(kBearer.size());
    while (authorization.starts_with(' ')) authorization.remove_prefix(1);
    return authorization;
}

std::optional<std::string> percent_decode(std::string_view text, Plus plus) {
    std::string out;
    out.reserve(text.size());
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus == Plus::is_space) {
            out += ' ';
        } else if (text[i] != '%') {
            out += text[i];
        } else {
            if (i + 2 >= text.size()) return std::nullopt;
            int high = hex_digit(text[i + 1]);
            int low = hex_digit(text[i + 2]);
            if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
            out += static_cast<char>(high << 4 | low);
            i += 2;
        }
    }
    return out;
}

std::optional<QueryValues> parse_query(std::string_view query) {
    QueryValues values;
    while (!query.empty()) {
        size_t end = std::min(query.find('&'), query.size());
        std::string_view part = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        if (part.empty()) continue;
        size_t equals = std::min(part.find('='), part.size());
        auto name = percent_decode(part.substr(0, equals), Plus::is_space);
        auto value = percent_decode(part.substr(std::min(equals + 1, part.size())), Plus::is_space);
        if (!name || !value || values.size() == kQueryValuesMax) return std::nullopt;
        values.emplace_back(std::move(*name), std::move(*value));
    }
    return values;
}

bool match_pattern(std::string_view pattern, std::string_view path,
                   std::vector<std::string_view>* values) {
    while (!pattern.empty() && !path.empty()) {
        if (pattern.front() != '/' || path.front() != '/') return false;
        pattern.remove_prefix(1);
        path.remove_prefix(1);
        std::string_view wanted = first_segment(pattern);
        std::string_view given = first_segment(path);
        if (wanted.starts_with('{')) {
            if (given.empty()) return false;
            if (values) values->push_back(given);
        } else if (wanted != given) {
            return false;
        }
        pattern.remove_prefix(wanted.size());
        path.remove_prefix(given.size());
    }
    return pattern.empty() && path.empty();
}

}  // namespace ringtime::runtime
