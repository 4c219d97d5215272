#include "http/syntax.h"

#include <algorithm>
#include <climits>

#include "http/fields.h"

namespace ringtime::http {
namespace {

bool all_of(std::string_view text, uint8_t classes) noexcept {
    for (char c : text) {
        if (!is_class(c, classes)) return false;
    }
    return true;
}

bool valid_port(std::string_view port) noexcept {
    if (port.size() > 5) return false;
    unsigned value = 0;
    for (char c : port) {
        if (!is_class(c, kDigitChar)) return false;
        value = value * 10 + static_cast<unsigned>(c - '0');
    }
    return value <= 65535;
}

/// IPv4address inside an IPv6 literal: dec-octet without leading zeros.
bool valid_ipv4(std::string_view text) noexcept {
    unsigned octets = 0;
    size_t at = 0;
    for (;;) {
        size_t begin = at;
        unsigned value = 0;
        while (at < text.size() && is_class(text[at], kDigitChar) && at - begin < 3) {
            value = value * 10 + static_cast<unsigned>(text[at++] - '0');
        }
        size_t digits = at - begin;
        if (digits == 0 || value > 255 || (digits > 1 && text[begin] == '0')) return false;
        ++octets;
        if (at == text.size()) return octets == 4;
        if (octets == 4 || text[at++] != '.') return false;
    }
}

/// IPv6address of RFC 3986 §3.2.2: eight groups, or fewer with one `::`. No zone.
bool valid_ipv6(std::string_view text) noexcept {
    unsigned groups = 0;
    bool elided = false;
    size_t at = 0;
    if (text.starts_with("::")) {
        elided = true;
        at = 2;
        if (at == text.size()) return true;
    }
    for (;;) {
        size_t begin = at;
        while (at < text.size() && is_class(text[at], kHexChar)) ++at;
        if (at < text.size() && text[at] == '.') {
            groups += 2;
            return valid_ipv4(text.substr(begin)) && (elided ? groups < 8 : groups == 8);
        }
        if (at == begin || at - begin > 4) return false;
        ++groups;
        if (at == text.size()) return elided ? groups < 8 : groups == 8;
        if (groups >= 8 || text[at++] != ':') return false;
        if (at == text.size()) return false;
        if (text[at] != ':') continue;
        if (elided) return false;
        elided = true;
        if (++at == text.size()) return groups < 8;
    }
}

bool valid_reg_name(std::string_view host) noexcept {
    for (size_t i = 0; i < host.size(); ++i) {
        if (is_class(host[i], kHostChar)) [[likely]]
            continue;
        if (host[i] != '%' || host.size() - i < 3) return false;
        unsigned high = hex_value(host[i + 1]);
        unsigned low = hex_value(host[i + 2]);
        // An escaped NUL ends the name for readers that decode it into a C string.
        if (high > 15 || low > 15 || (high | low) == 0) return false;
        i += 2;
    }
    return true;
}

}  // namespace

bool is_token(std::string_view text) noexcept { return !text.empty() && all_of(text, kTokenChar); }

bool is_field_value(std::string_view text) noexcept { return all_of(text, kValueChar); }

std::string_view trim(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

bool parse_authority(std::string_view text, Authority& out) noexcept {
    size_t host_size = 0;
    while (host_size < text.size() && is_class(text[host_size], kHostChar)) ++host_size;
    if (host_size < text.size() && text[host_size] != ':') {
        if (text.starts_with('[')) {
            size_t close = text.find(']');
            if (close == std::string_view::npos) return false;
            if (!valid_ipv6(text.substr(1, close - 1))) return false;
            host_size = close + 1;
        } else {
            host_size = std::min(text.find(':'), text.size());
            if (!valid_reg_name(text.substr(0, host_size))) return false;
        }
    }
    if (host_size == 0) return false;
    out.host = text.substr(0, host_size);
    out.port = {};
    if (host_size == text.size()) return true;
    if (text[host_size] != ':') return false;
    out.port = text.substr(host_size + 1);
    return valid_port(out.port);
}

bool valid_host(std::string_view text) noexcept {
    Authority ignored;
    return parse_authority(text, ignored);
}

LengthText parse_content_length(std::string_view text, uint64_t& out) noexcept {
    if (text.empty() || !all_of(text, kDigitChar)) return LengthText::invalid;
    uint64_t value = 0;
    for (char c : text) {
        auto digit = static_cast<uint64_t>(c - '0');
        if (value > (static_cast<uint64_t>(INT64_MAX) - digit) / 10) return LengthText::overflow;
        value = value * 10 + digit;
    }
    out = value;
    return LengthText::valid;
}

bool ListElements::next(std::string_view& element) noexcept {
    while (!rest_.empty()) {
        size_t end = rest_.find(',');
        if (end == std::string_view::npos) end = rest_.size();
        element = trim(rest_.substr(0, end));
        rest_.remove_prefix(end < rest_.size() ? end + 1 : end);
        if (!element.empty()) return true;
    }
    return false;
}

namespace {

/// Thousandths of `q=` among the parameters of one element; 1000 without one.
unsigned weight_of(std::string_view parameters) noexcept {
    while (!parameters.empty()) {
        size_t end = parameters.find(';');
        std::string_view one = trim(parameters.substr(0, end));
        parameters.remove_prefix(end == std::string_view::npos ? parameters.size() : end + 1);
        if (one.size() < 2 || (one[0] | 0x20) != 'q' || one[1] != '=') continue;
        std::string_view number = one.substr(2);
        // qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
        if (number.empty() || number.size() > 5 || (number[0] != '0' && number[0] != '1')) return 0;
        if (number.size() > 1 && number[1] != '.') return 0;
        unsigned value = number[0] == '1' ? 1000 : 0;
        unsigned place = 100;
        for (size_t i = 2; i < number.size(); ++i, place /= 10) {
            if (!is_class(number[i], kDigitChar)) return 0;
            value += static_cast<unsigned>(number[i] - '0') * place;
        }
        return value <= 1000 ? value : 0;
    }
    return 1000;
}

}  // namespace

void qualities_of(std::string_view list, std::span<const std::string_view> wanted,
                  std::span<unsigned> out) noexcept {
    constexpr unsigned unlisted = UINT_MAX;
    std::fill(out.begin(), out.end(), unlisted);
    unsigned any = 0;
    ListElements elements(list);
    for (std::string_view element; elements.next(element);) {
        size_t semicolon = element.find(';');
        std::string_view name = trim(element.substr(0, semicolon));
        std::string_view parameters = semicolon == std::string_view::npos
                                          ? std::string_view{}
                                          : element.substr(semicolon + 1);
        if (name == "*") any = weight_of(parameters);
        for (size_t i = 0; i < wanted.size(); ++i) {
            // The first of two is meant.
            if (out[i] == unlisted && equal_ignoring_case(name, wanted[i]))
                out[i] = weight_of(parameters);
        }
    }
    std::replace(out.begin(), out.end(), unlisted, any);
}

unsigned quality_of(std::string_view list, std::string_view wanted) noexcept {
    unsigned weight = 0;
    qualities_of(list, {&wanted, 1}, {&weight, 1});
    return weight;
}

bool valid_request_id(std::string_view text) noexcept {
    if (text.size() < 8 || text.size() > 128) return false;
    for (char c : text) {
        if (!is_class(c, kUnreservedChar) && !detail::contains("+/=@:", static_cast<uint8_t>(c))) {
            return false;
        }
    }
    return true;
}

}  // namespace ringtime::http
