#include "route/names.h"

#include <algorithm>

#include "route/route_table.h"

namespace ringtime::route {

namespace {

[[nodiscard]] bool is_base_byte(char c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
           c == '_' || c == '~' || c == '@' || c == '-';
}

}  // namespace

const char* base_fault(std::string_view base) noexcept {
    if (base == "/") return nullptr;
    if (base.empty() || base[0] != '/') return "must begin with `/`";
    if (base.size() > base_bytes_max) return "is longer than 512 bytes";
    size_t segments = 0;
    for (size_t from = 1; from <= base.size(); ++segments) {
        size_t end = std::min(base.find('/', from), base.size());
        std::string_view segment = base.substr(from, end - from);
        if (segment.empty()) return "has an empty segment";
        if (segment == "." || segment == "..") return "has a `.` or `..` segment";
        if (!std::all_of(segment.begin(), segment.end(), is_base_byte)) {
            return "may hold letters, digits and `._~@-` only";
        }
        from = end + 1;
    }
    return segments > base_segments_max ? "has more than 16 segments" : nullptr;
}

std::string normalise_host(std::string_view host) {
    std::string name(host);
    for (char& c : name) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    }
    if (name.size() > 1 && name.back() == '.') name.pop_back();
    return name;
}

const char* host_fault(std::string_view host) noexcept {
    if (host.empty()) return nullptr;
    if (host.size() > host_bytes_max - 2) return "is longer than 253 bytes";
    bool wildcard = host.starts_with("*.");
    std::string_view name = wildcard ? host.substr(2) : host;
    if (name.empty()) return "names no domain behind `*.`";
    if (name.starts_with('[')) {
        if (wildcard) return "is a wildcard of an address";
        std::string_view address = name.substr(1);
        size_t size = std::min(address.find_first_not_of("0123456789abcdef:."), address.size());
        return size > 0 && address.substr(size) == "]" ? nullptr : "is no address in brackets";
    }
    for (size_t i = 0; i < name.size(); ++i) {
        char c = name[i];
        if (c == '*') return "may hold `*` only as the whole first label";
        bool known =
            (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
        if (!known) return "may hold letters, digits, `-`, `_` and dots only, and no port";
        if (c == '.' && (i == 0 || name[i - 1] == '.')) return "has an empty label";
    }
    return nullptr;
}

}  // namespace ringtime::route
