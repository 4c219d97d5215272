#include "upstream/cause.h"

#include <cstring>

#include "http/refusal.h"

namespace ringtime::upstream {

std::string_view cause_of(const Error& error) noexcept {
    switch (static_cast<Detail>(error.detail)) {
        case Detail::unresolved: return "unresolved";
        case Detail::unusable: return "unusable";
        case Detail::closed: return "closed";
        case Detail::connect_timeout: return "connect_timeout";
        case Detail::head_timeout: return "head_timeout";
        case Detail::idle_timeout: return "idle_timeout";
        case Detail::total_timeout: return "total_timeout";
        case Detail::many_interims: return "many_interims";
        case Detail::unasked_switch: return "unasked_switch";
    }
    if (error.detail == 0) return {};
    if (error.reason == Reason::upstream_protocol) {
        http::Refusal rule = http::refusal_of(error);
        return rule == http::Refusal::none ? std::string_view{} : http::describe(rule).name;
    }
    bool of_a_socket =
        error.reason == Reason::upstream_connect || error.reason == Reason::upstream_reset;
    const char* name = of_a_socket ? ::strerrorname_np(static_cast<int>(error.detail)) : nullptr;
    return name ? name : std::string_view{};
}

}  // namespace ringtime::upstream
