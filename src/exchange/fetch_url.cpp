#include "exchange/fetch_url.h"

#include <algorithm>
#include <charconv>

#include "base/limits.h"
#include "http/syntax.h"

namespace ringtime::exchange {
namespace {

constexpr std::string_view kScheme = "http://";
constexpr size_t kHostBytesMax = 255;

bool parse_port(std::string_view text, uint16_t& port) noexcept {
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc{} && end == text.data() + text.size() && port != 0;
}

bool all_of_class(std::string_view text, uint8_t classes) noexcept {
    return std::all_of(text.begin(), text.end(),
                       [&](char c) { return http::is_class(c, classes); });
}

}  // namespace

bool FetchUrl::parse(std::string_view text) noexcept {
    if (!text.starts_with(kScheme) || text.size() > limits::target_bytes_max) return false;
    text.remove_prefix(kScheme.size());
    text = text.substr(0, text.find('#'));
    size_t end = text.find_first_of("/?");
    authority = text.substr(0, end);
    std::string_view target = end == std::string_view::npos ? std::string_view{} : text.substr(end);
    size_t mark = target.find('?');
    path = target.substr(0, mark);
    query = mark == std::string_view::npos ? std::string_view{} : target.substr(mark + 1);
    if (path.empty()) path = "/";
    if (!all_of_class(target, http::kTargetChar)) return false;

    size_t colon = authority.rfind(':');
    bool bracketed = authority.starts_with('[');
    if (bracketed && authority.find(']') == std::string_view::npos) return false;
    if (colon != std::string_view::npos && bracketed && colon < authority.find(']'))
        colon = std::string_view::npos;
    host = authority.substr(0, colon);
    port = 80;
    if (colon != std::string_view::npos && !parse_port(authority.substr(colon + 1), port))
        return false;
    if (bracketed) {
        if (host.back() != ']') return false;
        host = host.substr(1, host.size() - 2);
        return !host.empty() &&
               host.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
    }
    return !host.empty() && host.size() <= kHostBytesMax && all_of_class(host, http::kHostChar);
}

}  // namespace ringtime::exchange
