#include "upstream/keep_alive.h"

#include <charconv>

#include "http/syntax.h"

namespace ringtime::upstream {

Milliseconds announced_keep_alive(const http::FieldTable& fields) noexcept {
    static constexpr std::string_view name = "timeout=";
    http::ListElements parameters(fields.get(http::FieldId::keep_alive));
    for (std::string_view parameter; parameters.next(parameter);) {
        if (!http::starts_ignoring_case(parameter, name)) continue;
        parameter.remove_prefix(name.size());
        uint32_t seconds = 0;
        auto read = std::from_chars(parameter.begin(), parameter.end(), seconds);
        if (read.ec == std::errc{} && read.ptr == parameter.end()) return seconds * uint64_t{750};
    }
    return keeps_for_ever;
}

}  // namespace ringtime::upstream
